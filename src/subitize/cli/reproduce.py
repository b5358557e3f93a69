"""`subitize reproduce`: is what the papers claim true here?"""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from subitize.cli.parse import parse
from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError, did_you_mean
from subitize.core.results import Result


@dataclasses.dataclass(frozen=True)
class Reproduce:
    """Put claims to the test. What an interrupted test has done is not done again.

    Args:
        names: of the claims; `subitize show` lists them.
        all: test every claim.
        out: folder for the trainings, NAME.json and NAME.png of each claim, and claims.md; a rehearsal uses
            its subfolder `rehearsal`.
        tiny: rehearse in seconds on the bundled digits; shows that a test runs, and has no verdict.
        seeds: how many, the first ones of the claim's; all if not given.
        debug: show the traceback of an error.
    """

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME...")] = ()
    all: bool = False
    out: Path = Path("runs/claims")
    tiny: bool = False
    seeds: int | None = None
    debug: bool = False

    def __post_init__(self):
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Reproduce, "reproduce", words)
    if options.tiny:
        compile_in_haste()
    from subitize.claims import CLAIMS
    from subitize.reproduce import Lab, reproduce
    from subitize.reproduce.report import report

    names = list(CLAIMS) if options.all else list(options.names)
    check(names, options, CLAIMS)
    out = options.out / "rehearsal" if options.tiny else options.out
    for name in names:
        claim = CLAIMS[name]
        seeds = claim.seeds[: 1 if options.tiny else options.seeds]
        print(f"{name}: {claim.statement} (in full about {claim.minutes} minutes on two cores)", flush=True)
        found = reproduce(claim, Lab(out, seeds, options.tiny, say))
        print(*lines(found), f"  result: {(out / f'{name}.json').absolute()}", sep="\n", flush=True)
    path = out / "claims.md"
    path.write_text(report(out, out) + "\n", encoding="utf-8")
    print(f"report: {path.absolute()}")
    return 0


def compile_in_haste() -> None:
    """Leave programs as they are: a rehearsal compiles for a minute what it runs for seconds."""
    import jax

    jax.config.update("jax_disable_most_optimizations", True)  # noqa: FBT003


def check(names: list[str], options: Reproduce, claims: Collection[str]) -> None:
    """Refuse what cannot be tested before anything is."""
    known = ", ".join(claims)
    if not names:
        raise UsageError(f"Which claim is to be tested? Known: {known}. Or `--all`.")
    for name in names:
        if name not in claims:
            raise UsageError(f"There is no claim '{name}'.{did_you_mean(name, claims)} Known: {known}.")


def say(line: str) -> None:
    """Print a line about what goes on."""
    print(f"  {line}", flush=True)


def lines(result: Result) -> list[str]:
    """What a test found, for people."""
    from subitize.reproduce.report import told

    said = []
    for name, condition in result.summary["conditions"].items():
        values = ", ".join(told(value, condition["bar"]) for value in result.values(name))
        bar = f"{'at most' if condition['at_most'] else 'at least'} {condition['bar']:g}"
        said.append(f"  {condition['what']}: {values}; must be {bar}: {condition['verdict']}")
    return [*said, f"  verdict: {result.summary['verdict']}"]

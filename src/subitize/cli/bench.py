"""`subitize bench`: which gradient estimator is best, on toys, on a belief network, on AIR?"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from subitize.cli.parse import parse
from subitize.cli.sample import new_picture
from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure gradient estimators: bias, variance, time, and the work they make.

    Args:
        what: what to measure; so far gradients.
        on: programs to measure on; `subitize show` lists them.
        estimators: words to compare; all that serve, if not given.
        draws: of the gradient, per estimator.
        burn_in: steps in which an estimator's state learns first.
        seed: of weights and noise.
        json: print one JSON object instead of tables.
        out: picture to write, a new file; none if not given.
        debug: show the traceback of an error.
    """

    what: tyro.conf.Positional[Literal["gradients"]] = "gradients"
    on: tuple[str, ...] = ("coins", "sbn", "air")
    estimators: tuple[str, ...] = ()
    draws: int = 256
    burn_in: int = 200
    seed: int = 0
    json: bool = False
    out: Annotated[Path | None, tyro.conf.arg(metavar="PICTURE")] = None
    debug: bool = False

    def __post_init__(self):
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Bench, "bench", words)
    out = new_picture(options.out)
    from subitize.evaluation.programs import PROGRAMS
    from subitize.gradients import table

    for name in options.on:
        if name not in PROGRAMS:
            known = ", ".join(PROGRAMS)
            raise UsageError(f"There is no program '{name}'.{did_you_mean(name, PROGRAMS)} Known: {known}.")
    found = {name: measured(name, options) for name in options.on}
    if options.json:
        told = {n: [row._asdict() | {"work": row.work} for row in rows] for n, rows in found.items()}
        print(json.dumps(told))
    else:
        print("\n\n".join(f"{name}\n{table(rows)}" for name, rows in found.items()))
    if out is not None:
        from subitize.figures.work import draw_works

        out.parent.mkdir(parents=True, exist_ok=True)
        draw_works(found).save(out)
        print(f"picture: {out.absolute()}")
    return 0


def measured(name: str, options: Bench) -> list[Any]:
    """Rows of one program."""
    import jax

    from subitize.evaluation.programs import build
    from subitize.gradients import profile

    program, key = build(name, options.seed), jax.random.key(options.seed)
    return profile(
        *program, key, candidates=options.estimators or None, draws=options.draws, burn_in=options.burn_in
    )

"""`subitize show`: what is this run, and what is there to choose from?"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from subitize.cli.parse import parse
from subitize.cli.sample import new_picture
from subitize.cli.train import pictured
from subitize.core.errors import CheckpointError


@dataclasses.dataclass(frozen=True)
class Show:
    """Show a run: its recipe, its last record, and a picture of held-out scenes. Without a run: what exists.

    Args:
        run: folder of the run.
        out: picture to write, a new file; pictures/board.png in the run if not given.
        debug: show the traceback of an error.
    """

    run: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="RUN")] = None
    out: Path | None = None
    debug: bool = False


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Show, "show", words)
    if options.run is None:
        print("\n".join(what_exists()))
        return 0
    out = new_picture(options.out)
    from subitize.training import open_run

    run = open_run(options.run)
    print(f"run: {run.path.absolute()}", *recipe(run.recipe), sep="\n")
    damage = None
    try:
        for line in last_record(run):
            print(line)
    except CheckpointError as error:  # nothing else depends on it
        damage = error
    for line in pictured(run, out):
        print(line)
    if damage is not None:
        raise damage
    return 0


def recipe(recipe: Any) -> Iterator[str]:
    """Options of a recipe by their sections, with a star on those that differ from the model's defaults."""
    from subitize.training import Recipe

    usual, shown = {name: value for _, name, value in Recipe.of(recipe.name).options()}, None
    yield f"recipe of {recipe.name} (* not the default):"
    for section, name, value in recipe.options():
        if section != shown:
            yield f" {section}"
            shown = section
        if value is not None:
            yield f"  {'*' if value != usual[name] else ' '} {name:<16} {value}"


def last_record(run: Any) -> Iterator[str]:
    """The end of the training record, if there is one."""
    rows = run.records()
    if rows:
        yield "last record:"
        for name, value in rows[-1].items():
            yield f"    {name:<16} {f'{value:.4g}' if isinstance(value, float) else value}"


def what_exists() -> Iterator[str]:
    """Everything that a word can name."""
    from subitize.claims import CLAIMS
    from subitize.core.counts import COUNT_PRIORS
    from subitize.evaluation.programs import PROGRAMS
    from subitize.gradients import ESTIMATORS, OBJECTIVES
    from subitize.registry import LEARNERS
    from subitize.scenes import DATASETS

    yield from listed("scenes (--scenes), or the path of a folder of pictures", DATASETS)
    yield from listed("models (--model)", LEARNERS)
    yield "estimators (--estimator)"
    for word, build in ESTIMATORS.items():
        estimator = build()
        kind = "unbiased" if estimator.unbiased else "biased"
        yield f"  {word:<12} {kind:<9} {estimator.reference:<36} {summary(build)}"
    yield from ("", *listed("objectives (--objective)", OBJECTIVES))
    yield from listed("count priors (--count-prior)", COUNT_PRIORS)
    yield "claims to put to the test (subitize reproduce NAME)"
    yield from (f"  {name:<15} {claim.statement}" for name, claim in CLAIMS.items())
    yield ""
    yield from listed("programs to measure estimators on (bench --on)", PROGRAMS)


def listed(title: str, registry: Mapping[str, Callable[..., Any]]) -> Iterator[str]:
    """A heading and its words, each with the first line of what it says about itself."""
    yield title
    for word, thing in registry.items():
        yield f"  {word:<15} {summary(thing)}"
    yield ""


def summary(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").splitlines()[0]

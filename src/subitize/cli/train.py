"""`subitize train`: learn to count from pictures alone."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from subitize.cli.progress import Watch
from subitize.cli.words import parse
from subitize.core.errors import UsageError
from subitize.training.recipe import Recipe

LOOKED_AT = 500  # held-out scenes for the last line


@dataclasses.dataclass(frozen=True)
class Train:
    """Learn to count from pictures alone. Any option of the recipe may be given.

    Args:
        recipe: what decides the outcome; written to recipe.json in the run folder.
        out: folder of the run; runs/<scenes>-NNN here if not given.
        resume: auto goes on where the run in this folder stopped; never asks for an empty folder.
        deterministic: one core and fixed order of sums: the same weights, bit for bit, on the same machine.
        debug: show the traceback of an error.
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    out: Path | None = None
    resume: Literal["auto", "never"] = "auto"
    deterministic: bool = False
    debug: bool = False


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Train, "train", words)
    if options.deterministic:
        one_core()
    from subitize.training import open_run, train
    from subitize.training.runs import device, new_folder

    folder = (options.out or new_folder(options.recipe.scenes)).absolute()
    print(f"run: {folder}", f"device: {device()}", sep="\n", flush=True)
    with Watch("train") as watch:
        train(options.recipe, folder, options.resume, watch)
    run = open_run(folder)
    print(last_words(run), f"picture: {draw_board(run)}", f"run: {folder}", sep="\n")
    return 0


def one_core() -> None:
    """Keep this process on one core; sums then have one order. Must come before JAX is imported."""
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("--deterministic needs to choose its core, which this system does not let it do.")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


def last_words(run: Any) -> str:
    """How it counts scenes that it has never seen: accuracy for each true count, where that is known."""
    from subitize.evaluation.held_out import evaluate

    found = evaluate(run, LOOKED_AT, elbo=False)
    if found["count_accuracy"] is None:
        return f"held out: {found['mean_count']:.2f} objects per picture; nobody knows the truth"
    each = ", ".join(f"{n}: {100 * s:.1f} %" for n, s in found["accuracy_by_count"].items() if s is not None)
    return f"held out: {100 * found['count_accuracy']:.1f} % counted right ({each}) of {found['n']} scenes"


def draw_board(run: Any, out: Path | None = None) -> Path:
    """Draw the board of held-out scenes, into the run's own pictures by default; returns where."""
    from subitize.figures.showcase import showcase

    target = out or run.path / "pictures" / "board.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    showcase(run).save(target)
    return target.absolute()

"""How do runs of generative models compare? One table of held-out numbers, one sheet of what they draw."""

import csv
import io
from collections.abc import Mapping, Sequence

from PIL import Image

from subitize.core.errors import UsageError
from subitize.core.interfaces import Sampler, Scorer
from subitize.core.json import JSON
from subitize.evaluation.samples import generative_scores
from subitize.figures.showcase import samples
from subitize.figures.style import stacked, titled
from subitize.training.run import Run

COLUMNS: tuple[str, ...] = (
    "run",
    "model",
    "scenes",
    "steps",
    "nll",
    "nll_error",
    "nll_kind",
    "nll_direction",
    *("fd", "density", "coverage", "classes", "two_sample", "memorised", "duplicates", "samples_n"),
)


def compared(run: Run, name: str, n: int, samples_n: int, seed: int) -> JSON:
    """A row of the table: what a run is, how likely it finds held-out pictures, and how good its samples are.

    Args:
        run: from `open_run`.
        name: of the run, for people.
        n: held-out pictures.
        samples_n: samples to judge; 0 for none.
        seed: of what is random.
    """
    able = isinstance(run.learner, Scorer | Sampler)
    found = generative_scores(run, n, samples_n, seed) if able else {}
    what = {"run": name, "model": run.recipe.name, "scenes": run.recipe.data.scenes}
    row = what | {"steps": run.recipe.loop.steps} | {key: found.get(key) for key in COLUMNS[4:]}
    return row | {"nll_kind": row["nll_kind"] or "none: the model has no likelihood"}


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """The table, empty where there is no number."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: rounded(value) for key, value in row.items()} for row in rows)
    return file.getvalue()


def rounded(value: object) -> object:
    """A real number with three digits behind the point; nothing for None."""
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else value


def sheet(runs: Mapping[str, Run], n: int, seed: int) -> Image.Image:
    """A row of n images for each run that can draw some, below its name.

    Raises:
        UsageError: none can.
    """
    rows = [
        titled(samples(run, n, seed, columns=n), f"{name} · {run.recipe.name}")
        for name, run in runs.items()
        if isinstance(run.learner, Sampler)
    ]
    if not rows:
        raise UsageError("None of these runs makes images up, so there is nothing to lay side by side.")
    return stacked(rows)

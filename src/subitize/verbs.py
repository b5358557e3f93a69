"""Verbs: what the command does with pictures, for Python; `train` and others stand in their rooms."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from subitize.core.counts import COUNT_PRIORS
from subitize.core.errors import UsageError
from subitize.core.interfaces import Counter, Sampler
from subitize.core.picture_files import check_input
from subitize.core.specs import from_spec
from subitize.counter.pathway import pathway
from subitize.counter.watershed import watershed_run
from subitize.evaluation.pictures import Counted, count_pictures
from subitize.figures.showcase import samples, scene_samples
from subitize.scenes import AbstractScenes, load
from subitize.training.from_recipe import train
from subitize.training.recipe import Recipe
from subitize.training.run import Run, new_folder, open_run

WATERSHED = "watershed"  # stands for that method in place of a run


class UncountedWarning(UserWarning):
    """A file among the pictures has no count."""


def load_scenes(name_or_path: str | Path, split: str = "train", **options: Any) -> AbstractScenes:
    """Scenes by their name or by the path of a folder: see `subitize.scenes.load`."""
    return load(name_or_path, split, **options)


def count(
    pictures: str | Path | Iterable[str | Path],
    model: Run | str | Path | None = None,
    *,
    out: Path | str | None = None,
    edge: str | None = None,
    pages: str = "each",
) -> list[Counted]:
    """How many objects each picture holds, and where: one `Counted` a picture, in the order of their names.

    A file that cannot be read has no count: it is `failed`, and a warning says why.
    Nothing is written but what is learned; for tables and images use `subitize count`.

    Args:
        pictures: a folder, or files and folders.
        model: a run or its folder; or "watershed", which learns nothing. If None, a model that suits the
            folder learns from it first, without labels.
        out: the folder of the run that learns; the first unused runs/<folder>-NNN if None.
        edge: whether what is cut by the border of a picture counts: count, half or skip. For catalogues.
        pages: of a file that has several: each, first or max, all laid over each other.

    Raises:
        NoInputError: a path does not exist, or holds no picture.
        UsageError: without a run, when the pictures are not one folder; or an option is not known.
    """
    paths = [Path(path) for path in ([pictures] if isinstance(pictures, str | Path) else pictures)]
    for path in paths:
        check_input(path)
    run = run_for(paths, model, out)
    counted = list(count_pictures(run.with_edge(edge) if edge else run, paths, pages=pages))
    for each in counted:
        if each.failed:
            warnings.warn(each.sentence, UncountedWarning, stacklevel=2)
    return counted


def run_for(paths: list[Path], model: Run | str | Path | None, out: Path | str | None) -> Run:
    """What counts: a run, the watershed, or a model that learns from the folder now."""
    if isinstance(model, Run):
        return model
    if model is not None and str(model) != WATERSHED:
        return open_run(model)
    if len(paths) != 1 or not paths[0].is_dir():
        raise UsageError(
            f"Without a run, what counts is learned from one folder; got {', '.join(map(str, paths))}. Give "
            "the folder that holds the pictures, or a run as `model`."
        )
    if model is not None:
        return watershed_run(paths[0])
    folder = str(paths[0].absolute())
    return train(Recipe.of(pathway(folder).model, scenes=folder), out or new_folder(folder))


def sample(run: Run | str | Path, n: int = 16, seed: int = 0, count_prior: str = "uniform") -> Image.Image:
    """A grid of n images that a run's model makes up.

    Args:
        run: or its folder.
        n: how many.
        seed: of the images.
        count_prior: of the scenes of a model that counts, as in `subitize show`.

    Raises:
        UsageError: the model makes no images up.
    """
    run = run if isinstance(run, Run) else open_run(run)
    prior = from_spec(count_prior, COUNT_PRIORS, "count prior")
    if isinstance(run.learner, Counter):
        return scene_samples(run, prior, n, seed)
    if isinstance(run.learner, Sampler):
        return samples(run, n, seed)
    raise UsageError(
        f"Sampling needs a model that makes up images; the run {run.path} is of '{run.recipe.name}', "
        "whose learner has no `sample`. Give another run."
    )

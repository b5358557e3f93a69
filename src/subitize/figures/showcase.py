"""Which scenes of a run are worth a look?

Held-out ones, so that nothing was rehearsed; of every true count equally many, but few empty ones, since
twelve black squares say little. They are chosen by their truth alone, never by what the model made of them.
"""

import jax
import numpy as np
from PIL import Image

from subitize.core.compile import compiled
from subitize.core.counts import AbstractCountPrior
from subitize.core.errors import UsageError
from subitize.core.interfaces import Sampler
from subitize.evaluation.held_out import held_out
from subitize.figures.board import board
from subitize.figures.scenes import sample_grid
from subitize.scenes import Scene
from subitize.training.run import Run

POOL = 200  # scenes to choose from
EMPTY = 2  # scenes without objects, at most


def showcase(run: Run, n: int = 12, seed: int = 0) -> Image.Image:
    """A board of n held-out scenes of a run.

    Args:
        run: from `open_run`.
        n: how many scenes; fewer where a folder holds out fewer.
        seed: of the scenes.
    """
    scenes = run.scenes("test")
    pool = next(held_out(scenes, POOL, seed))
    chosen = choose(np.asarray(pool.count), n)
    scene = Scene(*(part[chosen] for part in pool))
    inferred = run.infer(np.asarray(scene.image))
    title = f"{title_of(scenes.name)} · held-out scenes"
    truth = np.asarray(scene.count) if scenes.has_truth else None
    return board(np.asarray(scene.image), inferred, truth, title)


def scene_samples(run: Run, prior: AbstractCountPrior, n: int = 16, seed: int = 0) -> Image.Image:
    """A grid of n scenes sampled from a model that counts, each with its count below.

    Args:
        run: of a model that counts.
        prior: on the count, instead of the strict one of training.
        n: how many.
        seed: of the scenes.
    """
    log_prior = prior.log_probs(run.model.settings.max_objects)
    keys = jax.random.split(jax.random.key(seed), n)
    draw = compiled(runs="once")(jax.vmap(lambda key: run.model.sample_prior(key, log_prior)))
    images, counts = draw(keys)
    return sample_grid(np.asarray(images), np.asarray(counts))


def samples(run: Run, n: int = 16, seed: int = 0, columns: int | None = None) -> Image.Image:
    """A grid of n images that a run's model makes up.

    Args:
        run: of a model that is a `Sampler`.
        n: how many.
        seed: of the images.
        columns: of the grid; about as many as rows if None.
    """
    learner = run.learner
    if not isinstance(learner, Sampler):
        raise UsageError(f"The model '{run.recipe.name}' makes no images up.")
    draw = compiled(runs="once", static_argnums=2)(learner.sample)
    images = draw(run.model, jax.random.key(seed), n)
    return sample_grid(np.asarray(images), columns=columns)


def title_of(name: str) -> str:
    """The word of a family, or the last part of a path."""
    return name.rstrip("/").rsplit("/", 1)[-1]


def choose(count: np.ndarray, n: int) -> np.ndarray:
    """Numbers of n scenes: each true count in turn, in rising order."""
    kinds = [np.flatnonzero(count == kind).tolist() for kind in np.unique(count)]
    if count.min() == 0 and len(kinds) > 1:
        kinds[0] = kinds[0][:EMPTY]
    chosen: list[int] = []
    while len(chosen) < n and any(kinds):
        chosen += [kind.pop(0) for kind in kinds if kind][: n - len(chosen)]
    return np.array(sorted(chosen, key=lambda i: (count[i], i)), int)

"""How good is a run on scenes that it cannot have seen?

Scenes are drawn from the held-out half of the run's own dataset (other source pictures, places and sizes)
as a pure function of (seed, n), looked at, and measured. Where nobody knows the truth, as in a folder of
pictures, each held-out picture is looked at once and only what needs no truth is measured; the rest is None.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from subitize.core.errors import CheckpointError, UsageError
from subitize.core.interfaces import HasLikelihood, Scorer
from subitize.core.json import JSON
from subitize.core.preprocess import brightness
from subitize.evaluation.counting import counting, intervals
from subitize.evaluation.elbo import elbo as mean_elbo
from subitize.evaluation.likelihood import negative_log_likelihood
from subitize.evaluation.localisation import ink_boxes, localisation
from subitize.scenes import AbstractScenes, Scene
from subitize.scenes.stack import AbstractStack
from subitize.training.run import Run

CHUNK = 500  # scenes in memory at a time, with all their patches
NEEDS_TRUTH = (
    *("count_accuracy", "accuracy_by_count", "confusion", "coverage_90", "calibration_error"),
    *("negative_log_posterior", "iou", "recall_50", "precision_50", "iou_window"),
)


def evaluate(run: Run, n: int = 2000, seed: int = 0, *, elbo: bool = True) -> JSON:
    """Measure a run on held-out scenes.

    Args:
        run: from `open_run`.
        n: how many scenes; a folder gives at most as many as it holds out.
        seed: of the scenes; the numbers are a function of (run, n, seed).
        elbo: whether to compute the bound too, which takes as long to compile as all the rest.

    Returns:
        The numbers of `counting` and `localisation`, and elbo (nats per picture), iou_window (of the windows
        looked through, instead of the ink in them), mean_p_count, mean_count, n, seed.
    """
    scenes = run.scenes("test")
    truth, posterior, nats, ink, windows = [], [], [], [], []
    for scene in held_out(scenes, n, seed):
        images = np.asarray(scene.image)
        inferred = run.infer(images)
        if not np.isfinite(inferred.posterior).all():
            raise CheckpointError(f"The weights in {run.path} lead to no finite numbers. Train it again.")
        truth.append(scene.count)
        posterior.append(inferred.posterior)
        if elbo:
            nats.append(mean_elbo(run.model, images, seed, first=len(ink)) * len(images))
        for boxes, labels, count, window, patches in zip(
            scene.boxes, scene.labels, inferred.count, inferred.boxes, inferred.patches, strict=True
        ):
            real = boxes[labels >= 0]
            ink.append((real, ink_boxes(patches[:count])))
            windows.append((real, window[:count]))
    return measured(np.concatenate(truth), np.concatenate(posterior), ink, windows, scenes.has_truth) | {
        "elbo": sum(nats) / len(ink) if elbo else None,
        "n": len(ink),
        "seed": seed,
    }


def scores(run: Run, n: int = 2000, seed: int = 0) -> JSON:
    """What a model that is a `Scorer` says of held-out examples: means over n of them, and their likelihood.

    A finite set gives at most as many as it holds out: one that came twice would make errors look small.

    Raises:
        UsageError: it is none.
    """
    learner, scenes = run.learner, run.scenes("test")
    if not isinstance(learner, Scorer):
        raise UsageError(f"The model '{run.recipe.name}' has no score to measure on held-out examples.")
    n = min(n, scenes.spec.size or n)
    numbers = scenes.indices(seed, jnp.arange(n), replace=False)
    score, totals = jax.jit(learner.score), {}
    if isinstance(learner, HasLikelihood):
        images = np.asarray(scenes.examples(seed, numbers).image)
        totals |= negative_log_likelihood(learner, run.model, images, jax.random.key(seed))
    for start in range(0, n, CHUNK):
        batch = scenes.examples(seed, numbers[start : start + CHUNK])
        found = score(run.model, batch, jax.random.fold_in(jax.random.key(seed), start))
        for name, value in found.items():
            if jnp.ndim(value) == 0:
                totals[name] = totals.get(name, 0.0) + float(value) * len(batch.image) / n
    return totals


def measured(
    truth: np.ndarray,
    posterior: np.ndarray,
    ink: list,
    windows: list,
    has_truth: bool,  # noqa: FBT001
) -> JSON:
    """What counts and boxes say; None for what needs a truth that nobody knows."""
    low, high = intervals(posterior)
    known = {
        "interval_size": float((high - low + 1).mean()),
        "mean_p_count": float(posterior.max(1).mean()),
        "mean_count": float(posterior.argmax(1).mean()),
    }
    if not has_truth:
        return dict.fromkeys(NEEDS_TRUTH) | known
    looked = {"iou_window": localisation(windows)["iou"]}
    return counting(truth, posterior) | localisation(ink) | looked | known


def held_out(scenes: AbstractScenes, n: int, seed: int) -> Iterator[Scene]:
    """Batches of scenes, as `Scene`s of numpy arrays: n fresh ones, or each picture of a stack once."""
    if isinstance(scenes, AbstractStack):
        for start in range(0, min(n, len(scenes.pictures)), CHUNK):
            image = brightness(np.asarray(scenes.pictures[start : min(n, start + CHUNK)]))
            n_here, nobody = len(image), jnp.full((len(image), 0), -1)
            unknown = Scene(jnp.asarray(image), jnp.full(n_here, -1), jnp.zeros((n_here, 0, 4)), nobody)
            yield jax.tree.map(np.asarray, unknown)
        return
    for start in range(0, n, CHUNK):
        drawn = scenes.batch(seed, start + np.arange(CHUNK))
        yield jax.tree.map(lambda part, last=n - start: np.asarray(part)[:last], drawn)

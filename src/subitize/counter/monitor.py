"""Monitor: what is recorded along a training that learns to count."""

import numpy as np
from jaxtyping import Array, PyTree

from subitize.core.json import JSON
from subitize.counter.diagnostics import counts, diagnose, signs
from subitize.counter.object_size import doubt
from subitize.counter.options import PAIR, AIROptions
from subitize.models.air import AIR
from subitize.scenes import AbstractScenes
from subitize.training.from_recipe import Inspect
from subitize.training.recipe import Recipe

DECIDED = 0.4  # share of the steps after which a run that sees nothing is lost, if its count is sharp by then


def monitor(
    options: AIROptions, recipe: Recipe, train_scenes: AbstractScenes, held_out: AbstractScenes
) -> Inspect:
    """What to add to a row now and then: signs of health, and count accuracy where truth is known.

    The signs need no truth; they are read off scenes of its dataset that training does not reach, and only
    they may end a run. The accuracy, on held-out scenes, is for people to read.
    """
    loop, size = recipe.loop, options.object_size
    assert size is not None, "a training derives what its options leave open"
    unreached = pictures_not_reached(recipe, train_scenes)
    shown = held_out.batch(loop.seed, np.arange(loop.eval_size))
    truth = np.asarray(shown.count)

    def inspect(state: PyTree, step: int) -> JSON:
        looks, before = step // loop.eval_every, (step - loop.steps_per_call) // loop.eval_every
        if looks == before and step < loop.steps:  # a chunk may step over the very step that is asked for
            return {}
        found = signs(state.model, unreached, options.summands or PAIR)
        warning = found.warning() or doubt(size, train_scenes)
        row = found._asdict() | {"inconsistency": found.inconsistency, "warning": warning}
        if step >= max(DECIDED * loop.steps, 2 * options.count_warmup_steps):
            failed = found.failure(with_sums=bool(options.sum_scenes))
            row |= {"failed": failed, "criterion": found.inconsistency}
        if held_out.has_truth:
            row["count_accuracy"] = float((counts(state.model, shown.image) == truth).mean())
        return row

    return inspect


def pictures_not_reached(recipe: Recipe, train_scenes: AbstractScenes) -> Array:
    """Scenes of the training dataset behind the last that training sees; of a folder, its pictures again."""
    first = recipe.loop.steps * recipe.data.batch_size
    return train_scenes.batch(recipe.loop.seed, first + np.arange(recipe.loop.eval_size)).image


def diagnosis(options: AIROptions, model: AIR, recipe: Recipe, train_scenes: AbstractScenes) -> JSON:
    """What speaks for and against a trained model, to be kept with its weights."""
    found = diagnose(model, pictures_not_reached(recipe, train_scenes), options.summands or PAIR)
    return found._asdict() | {"flags": found.flags}

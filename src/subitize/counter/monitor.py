"""Monitor: what is recorded along a training that learns to count."""

import numpy as np
from jaxtyping import PyTree

from subitize.core.json import JSON
from subitize.counter.diagnostics import counts, signs
from subitize.counter.options import PAIR, AIROptions
from subitize.scenes import AbstractScenes
from subitize.training.from_recipe import Inspect
from subitize.training.recipe import Recipe

DECIDED = 0.4  # share of the steps after which a run that sees nothing is lost, if its count is sharp by then


def monitor(
    options: AIROptions, recipe: Recipe, train_scenes: AbstractScenes, held_out: AbstractScenes
) -> Inspect:
    """What to add to a row now and then: signs of health, and count accuracy where truth is known.

    The signs need no truth; they are read off scenes of the training world that training does not reach, and
    only they may end a run. The accuracy, on held-out scenes, is for people to read.
    """
    loop = recipe.loop
    looked_at = np.arange(loop.look_at)
    unreached = train_scenes.batch(loop.seed, loop.steps * recipe.data.batch + looked_at).image
    shown = held_out.batch(loop.seed, looked_at)
    truth = np.asarray(shown.count)

    def inspect(state: PyTree, step: int) -> JSON:
        looks, before = step // loop.look_every, (step - loop.chunk) // loop.look_every
        if looks == before and step < loop.steps:  # a chunk may step over the very step that is asked for
            return {}
        found = signs(state.model, unreached, options.summands or PAIR)
        row = found._asdict() | {"discord": found.discord, "warning": found.warning()}
        if step >= max(DECIDED * loop.steps, 2 * options.sharpen_steps):
            failed = found.failure(practised=bool(options.sums))
            row |= {"failed": failed, "criterion": found.discord}
        if held_out.has_truth:
            row["count_accuracy"] = float((counts(state.model, shown.image) == truth).mean())
        return row

    return inspect

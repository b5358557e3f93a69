"""Which estimator differentiates through the count? Some are measured before training begins."""

import dataclasses

import jax
import jax.numpy as jnp

from subitize.counter.curriculum import SOFT_STEPS, curriculum
from subitize.counter.options import AIROptions
from subitize.gradients import Choice, choose
from subitize.models.air import AIR
from subitize.models.sums import sum_scene_loss
from subitize.scenes import AbstractScenes
from subitize.training.from_recipe import Watch

CANDIDATES = ("exact", "disarm", "rloo", "vimco", "rebar", "nvil")  # one of each kind that a count may want
SCENES, DRAWS = 16, 32


def select_estimator(
    options: AIROptions, scenes: AbstractScenes, seed: int, watch: Watch
) -> tuple[AIROptions, dict[str, str]]:
    """The options with the estimator that is best at the start, and why it is."""
    watch({"event": f"measuring estimators: {', '.join(CANDIDATES)}"})
    choice = measured(options, scenes, seed)
    estimator, why = choice.policy["count"], choice.reasons["count"]
    watch({"event": f"estimator {estimator}: {why}"})
    return dataclasses.replace(options, estimator=estimator), {"estimator": why}


def measured(options: AIROptions, scenes: AbstractScenes, seed: int) -> Choice:
    """The choice for the count, on an untrained model and the first scenes."""
    batches, settings = curriculum(dataclasses.replace(options, sum_scenes=0)), options.settings(scenes.spec)
    step = jnp.asarray(max(options.count_warmup_steps, SOFT_STEPS + 1))  # the count is sharp from there

    def first(key):
        batch = scenes.examples(seed, scenes.indices(seed, jnp.arange(SCENES)))
        return AIR(settings, key=key), batches.examples(batches.init(batch), batch, step, key)

    model_key, key = jax.random.split(jax.random.key(seed))
    model, examples = jax.jit(first)(model_key)
    return choose(
        sum_scene_loss,
        model,
        examples,
        key,
        candidates=CANDIDATES,
        objective=options.objective,
        draws=DRAWS,
        burn_in=4 * DRAWS,
    )

"""Pilot: which estimator differentiates through the count? Some are measured before training begins."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from subitize.gradients import Choice, choose
from subitize.models.air import AIR
from subitize.models.settings import AIRSettings
from subitize.models.sums import practise
from subitize.scenes import AbstractScenes
from subitize.training.lesson import SOFT_STEPS, air_lesson
from subitize.training.recipe import RECIPE, Recipe, read_recipe

AUTO = "auto"  # in place of an estimator: measure some, and take the best
PILOTED = ("exact", "disarm", "rloo", "vimco", "rebar", "nvil")  # one of each kind that a count may want
SCENES, DRAWS = 16, 32


def settled(
    folder: Path,
    recipe: Recipe,
    settings: AIRSettings,
    train_scenes: AbstractScenes,
    watch: Callable[[dict[str, Any]], None],
) -> tuple[str, str]:
    """The estimator that "auto" stands for, and why: the run in the folder has it, or it was chosen."""
    if (folder / RECIPE).is_file():
        estimator, why = read_recipe(folder).estimator, "the run began with it"
    else:
        watch({"event": f"measuring estimators: {', '.join(PILOTED)}"})
        choice = piloted(recipe, settings, train_scenes)
        estimator, why = choice.policy["count"], choice.reasons["count"]
    watch({"event": f"estimator {estimator}: {why}"})
    return estimator, why


def piloted(recipe: Recipe, settings: AIRSettings, train_scenes: AbstractScenes) -> Choice:
    """Choose an estimator for the count, on an untrained model and the first scenes."""
    lesson = air_lesson(dataclasses.replace(recipe, sums=0))
    step = jnp.asarray(max(recipe.sharpen_steps, SOFT_STEPS + 1))  # the count is sharp from there

    def first(key):
        images = train_scenes.batch(recipe.seed, jnp.arange(SCENES)).image
        return AIR(settings, key=key), lesson.examples(lesson.begin(images), images, step, key)

    model_key, key = jax.random.split(jax.random.key(recipe.seed))
    model, examples = jax.jit(first)(model_key)
    return choose(
        practise,
        model,
        examples,
        key,
        candidates=PILOTED,
        objective=recipe.objective,
        draws=DRAWS,
        burn_in=4 * DRAWS,
    )

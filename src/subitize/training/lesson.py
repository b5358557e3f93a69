"""Lesson: what does an AIR learn from a batch? Scenes under a prior on the count, and sums of ones."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from subitize.core.counts import COUNT_PRIORS
from subitize.core.words import spoken
from subitize.models.sums import PAIR, Exercise, first_recollection, recollect, sum_scenes
from subitize.training.learner import Lesson
from subitize.training.recipe import Recipe

SOFT_STEPS = 50  # first steps, in which every count is as probable as the roll-out's length allows
SUMS_BEGIN_OVER = 100  # steps over which the weight of sum scenes grows
SHARES = (0.05, 0.9)  # of scenes with as many objects as sums have, within which the running estimate is used


def air_lesson(recipe: Recipe) -> Lesson:
    """Real scenes, and after a while sums of those before."""
    number, summands, shift = recipe.sums or 0, recipe.summands or PAIR, prior_shift(recipe)

    def examples(before, images, step, key):
        sums, weight = sum_scenes(before, number, summands, key)
        real, total = images.shape[0], images.shape[0] + number
        begun = jnp.clip((step - recipe.sharpen_steps) / SUMS_BEGIN_OVER, 0, 1)
        both = begun * total / (1 + weight.sum())  # without a sum nothing is told
        is_real = (jnp.arange(total) < real).astype(images.dtype)
        each = lambda x: jnp.broadcast_to(x, (total, *jnp.shape(x)))  # noqa: E731
        return Exercise(
            image=jnp.concatenate([images, sums]),
            prior_shift=each(shift(step)),
            sharpness=each(jnp.clip((step - SOFT_STEPS) / max(recipe.sharpen_steps - SOFT_STEPS, 1), 0, 1)),
            real=is_real * total / real,
            told=is_real * both * weight.sum() / real,
            sum=jnp.concatenate([jnp.zeros(real), both * weight]),
            share=each(jnp.clip(before.share, *SHARES)),
            summands=each(jnp.asarray(summands)),
            contrast=each(recipe.contrast),
        )

    return Lesson(
        begin=first_recollection,
        examples=examples,
        recollect=lambda before, images, parts: recollect(before, images, parts["posterior"], summands),
    )


def prior_shift(recipe: Recipe) -> Callable[[Array], Array]:
    """What annealing adds to the log-prior over counts at a step: all at first, linearly less and less."""

    def log_probs(word: str) -> Array:
        return spoken(word, COUNT_PRIORS, "count prior").log_probs(recipe.max_objects)

    if recipe.anneal_from is None:
        return lambda step: jnp.zeros(recipe.max_objects + 1)
    ahead = log_probs(recipe.anneal_from) - log_probs(recipe.count_prior)
    return lambda step: (1 - jnp.clip(step / recipe.anneal_steps, 0, 1)) * ahead

"""Curriculum: what does an AIR learn from a batch? Scenes under a prior on the count, and sums of ones."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from subitize.core.counts import COUNT_PRIORS
from subitize.core.specs import from_spec
from subitize.counter.options import PAIR, AIROptions
from subitize.gradients.learner import BatchTransform
from subitize.models.sums import TrainingExample, empty_buffer, sum_scenes, update_buffer

SOFT_STEPS = 50  # first steps, in which every count is as probable as the roll-out's length allows
SUMS_BEGIN_OVER = 100  # steps over which the weight of sum scenes grows
SHARES = (0.05, 0.9)  # of scenes with as many objects as sums have, within which the running estimate is used


def curriculum(options: AIROptions) -> BatchTransform:
    """Real scenes, and after a while sums of those before."""
    number, summands, shift = options.sum_scenes or 0, options.summands or PAIR, prior_shift(options)

    def examples(before, batch, step, key):
        images = batch.image
        sums, weight = sum_scenes(before, number, summands, key)
        real, total = images.shape[0], images.shape[0] + number
        begun = jnp.clip((step - options.count_warmup_steps) / SUMS_BEGIN_OVER, 0, 1)
        both = begun * total / (1 + weight.sum())  # without a sum nothing is told
        is_real = (jnp.arange(total) < real).astype(images.dtype)
        each = lambda x: jnp.broadcast_to(x, (total, *jnp.shape(x)))  # noqa: E731
        return TrainingExample(
            image=jnp.concatenate([images, sums]),
            prior_shift=each(shift(step)),
            sharpness=each(
                jnp.clip((step - SOFT_STEPS) / max(options.count_warmup_steps - SOFT_STEPS, 1), 0, 1)
            ),
            real=is_real * total / real,
            told=is_real * both * weight.sum() / real,
            sum=jnp.concatenate([jnp.zeros(real), both * weight]),
            share=each(jnp.clip(before.share, *SHARES)),
            summands=each(jnp.asarray(summands)),
            nce_weight=each(options.nce_weight),
        )

    return BatchTransform(
        init=lambda batch: empty_buffer(batch.image),
        examples=examples,
        update=lambda before, batch, info: update_buffer(before, batch.image, info["posterior"], summands),
    )


def prior_shift(options: AIROptions) -> Callable[[Array], Array]:
    """What annealing adds to the log-prior over counts at a step: all at first, linearly less and less."""

    def log_probs(word: str) -> Array:
        return from_spec(word, COUNT_PRIORS, "count prior").log_probs(options.max_objects)

    if options.anneal_from is None:
        return lambda step: jnp.zeros(options.max_objects + 1)
    ahead = log_probs(options.anneal_from) - log_probs(options.count_prior)
    return lambda step: (1 - jnp.clip(step / options.anneal_steps, 0, 1)) * ahead

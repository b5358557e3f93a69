"""Latent learner: a gradient learner of a model of binary pictures that has latents with a density."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.draws import Samples, binarized
from subitize.core.interfaces import Likelihood
from subitize.gradients.importance import importance_weighted_of_each
from subitize.gradients.learner import BatchTransform, GradientLearner

SAMPLES = 1000  # of the bound by which held-out pictures are scored
BITS = BatchTransform(  # pictures as vectors of bits, drawn anew at every visit
    lambda batch: (), lambda buffer, batch, step, key: binarized(batch.image, key), lambda *_: ()
)


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentLearner(GradientLearner):
    """A gradient learner whose pictures are binarized at every visit, and whose likelihood can be bounded.

    Args:
        shape: height, width and channels of a picture.
        negative_log_weight: (model, x, draw) -> log q(z | x) - log p(x, z) of vectors x, in nats.
    """

    shape: tuple[int, int, int]
    negative_log_weight: Callable[[PyTree, Array, Samples], Array]
    transform: BatchTransform = BITS

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N pictures whose latents are drawn from the prior."""
        draw = lambda k: params.decode(Samples(k))  # noqa: E731
        return jax.vmap(draw)(jr.split(key, n)).reshape(n, *self.shape)

    def log_likelihood(self, params: PyTree, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """A lower bound of log p of each picture of zeros and ones, by importance sampling."""
        log_weight = lambda x, key: -self.negative_log_weight(params, x, Samples(key))  # noqa: E731
        value = importance_weighted_of_each(log_weight, images, key, SAMPLES)
        return Likelihood(value, jnp.zeros(()), f"iwae, {SAMPLES:,} samples", "lower")

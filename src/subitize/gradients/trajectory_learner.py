"""Trajectory learner: a gradient learner of a chain that leads from noise to binary pictures in few steps.

    p(x, z)  =  p(z_0) p(z_1 | z_0) … p(x | z_{T-1})
    log p(x)  ≥  E[log 1/k Σ_i p(x, z^i) / q(z^i | x)],    z^i ~ q(z | x)

A trajectory z is the chain's pictures before x, and q draws those that end at x. With k = 1 this is the bound
of variational inference, and with more trajectories it comes closer to log p(x).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from subitize.core.draws import bernoulli
from subitize.core.interfaces import Likelihood
from subitize.gradients.chain_learner import BITS_AND_KEYS
from subitize.gradients.importance import importance_weighted_of_each
from subitize.gradients.learner import BatchTransform, GradientLearner

TRAJECTORIES = 100  # of the bound by which held-out pictures are scored
Pixels = Float[Array, " pixels"]


@runtime_checkable
class Chain(Protocol):
    """A model whose pictures are drawn by a chain.

    Attributes:
        prior: log-odds of the pixels of z_0.
    """

    prior: Pixels

    def towards_data(self, i: Array | int, z: Pixels) -> Pixels:
        """Log-odds of the pixels after step i, counted from 0 at the prior."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class TrajectoryLearner(GradientLearner):
    """A gradient learner whose examples are a picture and a key, and whose model is a `Chain`.

    Args:
        shape: height, width and channels of a picture.
        steps: from the prior to a picture.
        log_weight: (model, x, key) -> log p(x, z) - log q(z | x) of one trajectory, in nats.
    """

    shape: tuple[int, int, int]
    steps: int
    log_weight: Callable[[PyTree, Array, PRNGKeyArray], Array]
    transform: BatchTransform = BITS_AND_KEYS

    def sample(self, params: Chain, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N pictures, each at the end of a chain of its own that began at the prior."""
        return self._means(params, key, n, lambda z: z).reshape(n, *self.shape)

    def inpaint(
        self,
        params: Chain,
        images: Float[Array, "n height width channels"],
        mask: Bool[Array, "*_ height width channels"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n height width channels"]:
        """Means of pictures whose known pixels are held at every step of their chains.

        This is no exact conditional sampling: the chain sees known pixels earlier than it would of itself.

        Args:
            params: the model.
            images: pictures of zeros and ones.
            mask: True where a pixel is known; of each picture, or one for all.
            key: for the chains.
        """
        known = jnp.broadcast_to(mask, images.shape)
        x, held = images.reshape(len(images), -1), known.reshape(len(images), -1)
        means = self._means(params, key, len(images), lambda z: jnp.where(held, x, z))
        return jnp.where(known, images, means.reshape(images.shape))

    def _means(self, params: Chain, key: PRNGKeyArray, n: int, hold: Callable[[Array], Array]) -> Array:
        """Means of the pixels [n, pixels] after the last step; `hold` may change every picture before it."""

        def step(i, logits):
            z = hold(bernoulli(jr.fold_in(key, i), jax.nn.sigmoid(logits)))
            return jax.vmap(lambda z: params.towards_data(i, z))(z)

        prior = jnp.broadcast_to(params.prior, (n, len(params.prior)))
        return jax.nn.sigmoid(jax.lax.fori_loop(0, self.steps, step, prior))

    def log_likelihood(self, params: Chain, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """A lower bound of log p of each picture of zeros and ones, by importance-weighted trajectories."""
        log_weight = lambda x, key: self.log_weight(params, x, key)  # noqa: E731
        value = importance_weighted_of_each(log_weight, images, key, TRAJECTORIES)
        return Likelihood(value, jnp.zeros(()), f"chain bound, {TRAJECTORIES:,} trajectories", "lower")

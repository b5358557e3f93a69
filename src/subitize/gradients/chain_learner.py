"""Chain learner: a gradient learner of a model of binary pictures that draws them by a Markov chain."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.draws import bernoulli, binarized
from subitize.core.interfaces import Batch
from subitize.gradients.learner import BatchTransform, GradientLearner


def bits_and_keys(buffer: tuple, batch: Batch, step: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
    """Pictures as vectors of bits, drawn anew at every visit, and a key for the training chain of each."""
    keys = jr.split(key)
    return binarized(batch.image, keys[0]), jr.split(keys[1], len(batch.image))


BITS_AND_KEYS = BatchTransform(lambda batch: (), bits_and_keys, lambda *_: ())


@dataclass(frozen=True, eq=False, kw_only=True)
class ChainLearner(GradientLearner):
    """A gradient learner whose examples are a picture and a key, and whose model draws by its chain.

    Args:
        shape: height, width and channels of a picture.
        start: (model, noise [n, pixels], key) -> state of n chains.
        chain_step: (model, state, key) -> state.
        means: state -> means of the pixels [n, pixels].
        burn_in: steps before a picture is taken.
    """

    shape: tuple[int, int, int]
    start: Callable[[PyTree, Array, PRNGKeyArray], PyTree]
    chain_step: Callable[[PyTree, PyTree, PRNGKeyArray], PyTree]
    means: Callable[[PyTree], Array]
    burn_in: int
    transform: BatchTransform = BITS_AND_KEYS

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N pictures, each at the end of a chain of its own that began with noise."""
        height, width, channels = self.shape
        noise = bernoulli(key, jnp.full((n, height * width * channels), 0.5))
        state = self.start(params, noise, jr.fold_in(key, 0))
        step = lambda i, state: self.chain_step(params, state, jr.fold_in(key, i + 1))  # noqa: E731
        last = jax.lax.fori_loop(0, self.burn_in, step, state)
        return self.means(last).reshape(n, *self.shape)

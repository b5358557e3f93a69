"""Contrastive learner: a gradient that is a difference of mean energies, of data and of a machine's samples.

    ∂/∂θ -log p  =  E_data[∂E/∂θ] - E_model[∂E/∂θ]

The second expectation is over chains that make a few steps at every update. They begin at the data, which is
contrastive divergence (Hinton 2002), or go on from where the last update left them (Younes 1989, Tieleman
2008). Either way it is the gradient of a surrogate: the difference of mean energies, all states held fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.draws import bernoulli, binarized
from subitize.core.interfaces import Batch, Likelihood, Metrics


class ContrastiveState(NamedTuple):
    """All that the next step needs."""

    machine: PyTree
    chains: Float[Array, "batch units"]
    optimizer: optax.OptState
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False, kw_only=True)
class ContrastiveLearner:
    """A learner of a machine of binary units with an energy, such as a Boltzmann machine.

    Args:
        build: (key, first batch) -> machine.
        energy: (machine, states) -> energy of each, in nats.
        clamped: (machine, pictures as vectors of bits) -> states, the hidden units at their means.
        gibbs: (machine, states, steps, key) -> states, and the means from which they were drawn.
        likelihood: (machine, pictures as vectors of bits, key) -> log p.
        metrics: (machine, pictures as vectors of bits, key) -> what `score` tells, `loss` among it.
        optimizer: as optax has it.
        shape: height, width and channels of a picture; its pixels are the first units.
        units: of a chain.
        k: Gibbs steps per update.
        persistent: whether chains go on, or begin at the data.
        burn_in: Gibbs steps before a sample, from noise.
        penalty: machine -> what is added to the surrogate.
        projected: gradient -> the gradient of what may move.
    """

    build: Callable[[PRNGKeyArray, Batch], PyTree]
    energy: Callable[[PyTree, Array], Array]
    clamped: Callable[[PyTree, Array], Array]
    gibbs: Callable[[PyTree, Array, int, PRNGKeyArray], tuple[Array, Array]]
    likelihood: Callable[[PyTree, Array, PRNGKeyArray], Likelihood]
    metrics: Callable[[PyTree, Array, PRNGKeyArray], Metrics]
    optimizer: optax.GradientTransformation
    shape: tuple[int, int, int]
    units: int
    k: int
    persistent: bool
    burn_in: int
    penalty: Callable[[PyTree], Array] = lambda machine: jnp.zeros(())
    projected: Callable[[PyTree], PyTree] = lambda gradient: gradient

    def init(
        self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0
    ) -> ContrastiveState:
        """The state before the first step; visible units of the chains begin at the first batch."""
        machine: PyTree = self.build(key, batch)
        keys = jr.split(key)
        v = binarized(batch.image, keys[0])
        hidden = bernoulli(keys[1], jnp.full((len(v), self.units - v.shape[1]), 0.5, v.dtype))
        scale = jnp.asarray(learning_rate_scale, v.dtype)
        chains = jnp.concatenate([v, hidden], 1)
        return ContrastiveState(machine, chains, self.optimizer.init(machine), scale)

    def step(
        self, state: ContrastiveState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[ContrastiveState, Metrics]:
        """The state after one update; the loss is the mean energy of the data less that of the chains."""
        keys = jr.split(key)
        s = self.clamped(state.machine, binarized(batch.image, keys[0]))
        start = state.chains if self.persistent else s
        chains, _ = self.gibbs(state.machine, start, self.k, keys[1])

        def surrogate(machine: PyTree) -> Array:
            difference = self.energy(machine, s).mean() - self.energy(machine, chains).mean()
            return difference + self.penalty(machine)

        loss, gradient = jax.value_and_grad(surrogate)(state.machine)
        gradient = self.projected(gradient)
        change, optimizer = self.optimizer.update(gradient, state.optimizer, state.machine)
        machine = optax.apply_updates(state.machine, optax.tree.scale(state.learning_rate_scale, change))
        state = state._replace(machine=machine, chains=chains, optimizer=optimizer)
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> PyTree:
        """The machine before the first step."""
        return self.build(key, batch)

    def params(self, state: ContrastiveState) -> PyTree:
        """The machine."""
        return state.machine

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N images, each at the end of a chain of its own that began with noise."""
        keys = jr.split(key)
        noise = bernoulli(keys[0], jnp.full((n, self.units), 0.5))
        _, means = self.gibbs(params, noise, self.burn_in, keys[1])
        height, width, channels = self.shape
        return means[:, : height * width * channels].reshape(n, *self.shape)

    def log_likelihood(self, params: PyTree, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """Log p of each picture of zeros and ones."""
        return self.likelihood(params, images.reshape(len(images), -1), key)

    def score(self, params: PyTree, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """What the machine says of a batch that it may not have seen."""
        return self.metrics(params, binarized(batch.image, key), key)

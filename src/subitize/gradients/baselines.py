"""Baselines: what a cost would be expected to be, before the draw is seen.

Subtracting a baseline that does not depend on the draw leaves a score-function gradient unbiased,
because E[∂ log p(z; φ)/∂φ] = 0, and takes away the variance of what it predicts.

Each baseline is (init, predict, loss): its state, its prediction, and the loss whose gradient trains the
state. Running statistics are `Statistic` leaves: their loss is ½(1 - decay)(m - x)², so that a plain
gradient step of rate one *is* the exponential moving average m ← decay m + (1 - decay) x. See
`subitize.gradients.estimator_optimizer`.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.networks import MLP
from subitize.gradients.estimators.base import Site, check_option

BEYOND = 30.0  # what a network sees of an infinite logit


def check_decay(word: str, decay: float) -> None:
    """Raise ValueError unless a running mean with this decay stays where its inputs are."""
    if not 0 <= decay < 1:
        raise ValueError(f"{word}'s decay is the weight of the past, from 0 to below 1; got {decay!r}.")


class Statistic(eqx.Module):
    """A running mean of something seen at every step."""

    mean: Float[Array, "*shape"]

    def loss(self, x: Array, decay: float) -> Float[Array, ""]:
        """Loss whose unit gradient step is the moving average."""
        return 0.5 * (1 - decay) * jnp.sum((self.mean - jax.lax.stop_gradient(x)) ** 2)


class Scale(eqx.Module):
    """Running mean and mean square of a cost: the units in which networks predict it."""

    mean: Statistic
    square: Statistic

    @staticmethod
    def fresh() -> "Scale":
        """Nothing seen yet."""
        return Scale(Statistic(jnp.zeros(())), Statistic(jnp.zeros(())))

    def unit(self) -> tuple[Array, Array]:
        """Running mean and standard deviation (at least one), as constants."""
        mean, square = jax.lax.stop_gradient((self.mean.mean, self.square.mean))
        return mean, jnp.sqrt(jnp.maximum(square - mean**2, 1.0))

    def loss(self, cost: Array, decay: float) -> Array:
        """Follow the cost."""
        return self.mean.loss(cost, decay) + self.square.loss(cost**2, decay)


class AbstractBaseline(eqx.Module):
    """A prediction of the cost from what is known before the draw."""

    reference: ClassVar[str] = "Williams 1992"

    def init(self, dist: PyTree, example: PyTree, key: PRNGKeyArray) -> PyTree:
        """Fresh state."""
        return None

    @abc.abstractmethod
    def predict(self, state: PyTree, site: Site) -> Array | float:
        """The expected cost."""

    def loss(self, state: PyTree, site: Site, cost: Array) -> Array | float:
        """Loss whose gradient trains the state."""
        return 0.0


class Zero(AbstractBaseline):
    """No baseline."""

    def predict(self, state: PyTree, site: Site) -> float:
        """Nothing is expected."""
        return 0.0


class RunningMean(AbstractBaseline):
    """The mean of past costs, over all examples.

    Args:
        decay: weight of the past at each step, in [0, 1).
    """

    decay: float = eqx.field(static=True, default=0.9)

    def __check_init__(self):
        check_decay("a running mean", self.decay)

    def init(self, dist: PyTree, example: PyTree, key: PRNGKeyArray) -> Statistic:
        """Start at zero."""
        return Statistic(jnp.zeros(()))

    def predict(self, state: Statistic, site: Site) -> Array:
        """The running mean."""
        return state.mean

    def loss(self, state: Statistic, site: Site, cost: Array) -> Array:
        """Follow the cost."""
        return state.loss(cost, self.decay)


class LearnedState(eqx.Module):
    """State of `Learned`: a network that predicts the cost in units of its running mean and spread."""

    network: MLP
    scale: Scale


class Learned(AbstractBaseline):
    """A network that predicts the cost from the example and the site's parameters.

    As in Mnih and Gregor (2014), "Neural variational inference and learning in belief networks"
    (NVIL): an input-dependent baseline beside a running one. The running deviation conditions the
    network, whatever the cost's units.

    Args:
        hidden: width of the network's one hidden layer.
        decay: of the running mean and mean square of the cost.
    """

    hidden: int = eqx.field(static=True, default=100)
    decay: float = eqx.field(static=True, default=0.9)
    reference: ClassVar[str] = "Mnih and Gregor 2014"

    def __check_init__(self):
        check_option("a learned baseline", "hidden", self.hidden, 1, whole=True)
        check_decay("a learned baseline", self.decay)

    def init(self, dist: PyTree, example: PyTree, key: PRNGKeyArray) -> LearnedState:
        """A fresh network for inputs of this size."""
        size = sum(leaf.size for leaf in jax.tree.leaves((example, dist)))
        return LearnedState(MLP((size, self.hidden, 1), key=key, last_scale=0.0), Scale.fresh())

    def predict(self, state: LearnedState, site: Site) -> Array:
        """The network's prediction, in the unit of the cost."""
        mean, deviation = state.scale.unit()
        return mean + deviation * state.network(context(site.dist, site.example))[0]

    def loss(self, state: LearnedState, site: Site, cost: Array) -> Array:
        """Squared error in units of the running deviation, and the two running statistics."""
        mean, deviation = state.scale.unit()
        error = state.network(context(site.dist, site.example))[0] - (cost - mean) / deviation
        return 0.5 * error**2 + state.scale.loss(cost, self.decay)


def context(dist: PyTree, example: PyTree) -> Float[Array, " context"]:
    """All that a baseline may know, the example and the site's parameters, as one finite vector."""
    known = ravel_pytree((example, dist))[0]
    return jnp.where(jnp.isinf(known), BEYOND * jnp.sign(known), known)

"""Toys: small programs whose expectations are known exactly.

The oracle here shares nothing with the estimators but the program itself: it forces every finite site
through its support and every normal site through the nodes of a Gauss-Hermite rule, and adds up

    E[F] = Σ over assignments of  ∏ p(value) F(cost).
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from subitize.core.distributions import (
    AbstractDistribution,
    AbstractFinite,
    Bernoulli,
    Categorical,
    Normal,
    Stopping,
)
from subitize.core.interfaces import Program
from subitize.gradients.expectation import scalar_and_info
from subitize.gradients.objectives import AbstractObjective, Mean

HERMITE_NODES = 8


class Toy(NamedTuple):
    """A program, where to differentiate it, and its sites in the order in which they are drawn."""

    name: str
    cost: Program
    model: PyTree
    sites: tuple[str, ...]


def _coins(θ, x, draw):
    """Two coins in one site, whose costs interact."""
    b = draw("b", Bernoulli(θ))
    return jnp.sum((b - 0.45) ** 2) + x * b[0] * b[1] + 0.1 * θ[0] ** 2


def _coin(θ, x, draw):
    """One coin and the squared distance to 0.45."""
    b = draw("b", Bernoulli(θ))
    return (b - 0.45) ** 2 + x * b * jnp.sin(θ)


def _classes(θ, x, draw):
    """One class of three."""
    z = draw("z", Categorical(θ))
    return jnp.sum(z * jnp.array([0.3, -1.0, 2.0])) ** 2 + x * θ @ z


def _count(θ, x, draw):
    """How often to go on, at most twice."""
    n = draw("count", Stopping(θ))
    return (n.sum() - 1.2) ** 2 + x * n[0] * jnp.sin(θ[1])


def _two_dependent(θ, x, draw):
    """Two coins, the second depending on the first."""
    first = draw("first", Bernoulli(θ[0]))
    second = draw("second", Bernoulli(θ[1] + 1.5 * θ[2] * first))
    return (first + 2 * second - 0.8) ** 2 + x * jnp.cos(θ[2] * second) * first


def _three_dependent(θ, x, draw):
    """A coin, a class and a coin, each depending on those before."""
    first = draw("first", Bernoulli(θ[0]))
    second = draw("second", Categorical(jnp.stack([θ[1] * first, θ[2], 0.2 * x])))
    third = draw("third", Bernoulli(θ[1] * second[0] - θ[0] * first))
    return (first + 2 * second[1] - third) ** 2 + second[2] * third * θ[2]


def _mixed(θ, x, draw):
    """A normal, a coin depending on it, and a normal depending on both."""
    z = draw("z", Normal(θ[0], jnp.exp(0.3 * θ[1])))
    b = draw("b", Bernoulli(θ[2] * z + 0.1))
    w = draw("w", Normal(θ[1] * b, 1.0 + b))
    return (z - b + 0.3 * w) ** 2 + x * jnp.tanh(b * θ[0])


def _three_coins(θ, x, draw):
    """Three coins, each depending on those before."""
    first = draw("first", Bernoulli(θ[0]))
    second = draw("second", Bernoulli(θ[1] + 1.5 * θ[2] * first))
    third = draw("third", Bernoulli(θ[2] * second - θ[0] * first))
    return (first + 2 * second - third * x) ** 2 + first * second * third * θ[1]


TOYS = (
    Toy("coin", _coin, jnp.array(0.3), ("b",)),
    Toy("coins", _coins, jnp.array([0.3, -0.8]), ("b",)),
    Toy("classes", _classes, jnp.array([0.5, -0.2, 0.1]), ("z",)),
    Toy("count", _count, jnp.array([0.7, -0.4]), ("count",)),
    Toy("two dependent", _two_dependent, jnp.array([0.4, -0.6, 0.9]), ("first", "second")),
    Toy("three dependent", _three_dependent, jnp.array([0.4, -0.6, 0.9]), ("first", "second", "third")),
    Toy("three coins", _three_coins, jnp.array([0.4, -0.6, 0.9]), ("first", "second", "third")),
    Toy("mixed", _mixed, jnp.array([0.5, -0.3, 0.8]), ("z", "b", "w")),
)


class ForcedDraw:
    """A draw whose values are chosen in advance by their index; adds up their log-probability.

    Args:
        indices: of the values of the sites, in the order in which they are drawn.
    """

    def __init__(self, indices: Int[Array, " sites"]):
        self.indices = iter(indices)
        self.log_prob = jnp.zeros(())
        self.dists: dict[str, Normal | AbstractFinite] = {}

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """The value with the next index."""
        if not isinstance(dist, Normal | AbstractFinite):
            raise TypeError(f"Toys draw normal and finite sites; got {type(dist).__name__}.")
        self.dists[name] = dist
        index = next(self.indices)
        if isinstance(dist, Normal):
            nodes, weights = np.polynomial.hermite_e.hermegauss(HERMITE_NODES)
            self.log_prob += jnp.log(jnp.asarray(weights / weights.sum()))[index]
            return dist.from_noise(jnp.asarray(nodes)[index])
        value = dist.support()[index]
        self.log_prob += dist.log_prob(value)
        return value

    def at(self, step: Array | int) -> "ForcedDraw":
        """The same at every step: values come in the order in which they are drawn."""
        return self


def assignments(toy: Toy, x: Array) -> Int[np.ndarray, "runs sites"]:
    """The indices of every assignment of values to the toy's sites."""
    none = jnp.zeros(len(toy.sites), int)
    _, _, dists = jax.eval_shape(lambda: forced(toy, toy.model, x, none))
    drawn = [dists[name] for name in toy.sites]
    sizes = [HERMITE_NODES if isinstance(dist, Normal) else dist.support_size for dist in drawn]
    return np.array(list(itertools.product(*map(range, sizes))))


def forced(
    toy: Toy, model: PyTree, x: Array, indices: Int[Array, " sites"]
) -> tuple[Array, Array, dict[str, Normal | AbstractFinite]]:
    """Run a toy on one assignment: its log-probability, its cost, and the distributions of its sites."""
    draw = ForcedDraw(indices)
    cost, _ = scalar_and_info(toy.cost(model, x, draw))
    return draw.log_prob, cost, draw.dists


def exact(toy: Toy, x: Array, objective: AbstractObjective | None = None) -> Callable[[PyTree], Array]:
    """E[F(cost)] as a differentiable function of the model."""
    objective = objective or Mean()
    runs = assignments(toy, x)
    picks = np.array(list(itertools.product(range(len(runs)), repeat=objective.k)))

    def expected(model):
        log_probs, costs, _ = jax.vmap(lambda indices: forced(toy, model, x, indices))(jnp.asarray(runs))
        values = jax.vmap(objective)(costs[picks])
        return jnp.sum(jnp.exp(log_probs[picks].sum(1)) * values)

    return expected

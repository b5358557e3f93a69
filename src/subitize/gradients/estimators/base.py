"""What an estimator is: a way to differentiate through one random site.

A site is one random variable of a program, with natural parameters φ that may depend on what was drawn
before it. The rest of the program is run on a few *lanes*, each with its own value at the site, and
yields a cost per lane. From these an estimator returns

    gradient   g, an unbiased estimate of ∂ E[cost | what came before] / ∂φ,
    weights    w, with Σ_k w_k cost_k an unbiased estimate of E[cost | what came before],
    loss       whose gradient trains the estimator's own state (a baseline, a control variate).

Estimates with this property stay unbiased when sites with different estimators are mixed: the gradient
of the whole is Σ over sites of (∂φ/∂θ)ᵀ g plus the direct gradient of the weighted costs, by the chain
rule over conditional expectations (Schulman et al. 2015, "Gradient estimation using stochastic
computation graphs").
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, TypeGuard, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.errors import UsageError

D = TypeVar("D", bound=AbstractDistribution)  # what the sites of an estimator are distributed as


def check_option(word: str, name: str, value: object, least: int, *, whole: bool = False) -> None:
    """Raise ValueError unless an option is a number (a whole one) of at least, or else above, `least`.

    Whole numbers may equal `least`; others must exceed it.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = isinstance(value, int | float) and (value >= least if whole else value > least)
    if not number or not fits or (whole and not isinstance(value, int)):
        what = f"a whole number of at least {least}" if whole else f"a number above {least}"
        raise ValueError(f"{word}'s {name} must be {what}; got {value!r}.")


def caption(word: str, *, unbiased: bool) -> str:
    """An estimator's word for people, who shall see if it is biased."""
    return word if unbiased else f"{word} (biased)"


class SiteError(UsageError):
    """A random site that its estimator, or any, cannot serve."""


@dataclass(frozen=True, eq=False)
class Site(Generic[D]):
    """What an estimator sees at its site, for one example and one particle."""

    dist: D  # φ
    noise: Array  # ε, first axis `samples`
    values: Array  # first axis lanes: the base draw (if the estimator uses it), then its alternatives
    costs: Float[Array, " lanes"]
    value_grads: Array | None  # ∂cost/∂value on each lane, for estimators with `needs_value_grads`
    example: PyTree  # the program's inputs: context for baselines
    others: Float[Array, " others"]  # the other particles' costs
    objective: Callable[[Array], Array]  # costs of all particles -> scalar; `costs` above are its values


class Estimate(NamedTuple):
    """What an estimator returns for one site."""

    gradient: AbstractDistribution
    weights: Float[Array, " lanes"]
    loss: Float[Array, ""] | float = 0.0


def base_only(costs: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
    """Weights of lanes of which only the base draw's is one of the program's own."""
    return jnp.zeros_like(costs).at[0].set(1.0)


class AbstractEstimator(eqx.Module, Generic[D]):
    """One way to differentiate through one site.

    Class attributes are promises that the laws check: `unbiased`, and the paper in `reference`.
    `samples` is the number of independent noises the estimator wants; the first makes the base draw.
    """

    name: ClassVar[str]
    unbiased: ClassVar[bool]
    reference: ClassVar[str]
    takes: ClassVar[type[AbstractDistribution]] = AbstractDistribution  # sites it is made for
    uses_base: ClassVar[bool] = True  # does it want the cost at the base draw?
    needs_value_grads: ClassVar[bool] = False
    needs_particles: ClassVar[bool] = False
    smooth: ClassVar[bool] = False  # are later sites smoothed on its lanes, for the sake of those gradients?

    @property
    def samples(self) -> int:
        """How many independent noises to draw at the site."""
        return 1

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Why this estimator cannot serve a site with this distribution; None if it can."""
        if self.serves(dist):
            return self.beyond(dist)
        made_for = "finite" if self.takes is AbstractFinite else self.takes.__name__
        return f"it is made for {made_for} sites, and {type(dist).__name__} is not one"

    def serves(self, dist: AbstractDistribution) -> TypeGuard[D]:
        """Whether this estimator is made for such sites."""
        return isinstance(dist, self.takes)

    def beyond(self, dist: D) -> str | None:
        """Why a site that this estimator is made for is too much for it; None if it is not."""
        return None

    def init(self, dist: D, example: PyTree, key: PRNGKeyArray) -> PyTree:
        """Fresh state: what the estimator learns along the way."""
        return None

    def alternatives(self, state: PyTree, dist: D, noise: Array) -> Array:
        """Values, besides the base draw, at which to run the rest of the program. Shape [K, *event]."""
        value = dist.from_noise(noise[0])
        return jnp.zeros((0, *value.shape), value.dtype)

    def later(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """Value of a later finite site on this site's alternative lanes, for `smooth` estimators."""
        raise NotImplementedError(f"{self.name} leaves later sites alone")

    @abc.abstractmethod
    def estimate(self, state: PyTree, site: Site[D]) -> Estimate:
        """The local gradient, the weights of the lanes, and the loss of the state."""


class AbstractDirect(AbstractEstimator[D]):
    """An estimator that hands out a differentiable value, and leaves the rest to automatic differentiation.

    It needs no lanes: the program runs once, with this value.
    """

    @abc.abstractmethod
    def draw(self, dist: D, noise: Array) -> Array:
        """A value whose derivative in φ stands for the draw's. Noise has a first axis `samples`."""

    def estimate(self, state: PyTree, site: Site[D]) -> Estimate:
        """Never called: a direct site has no lanes."""
        raise AssertionError(f"a site under '{self.name}' is differentiated by the program itself")

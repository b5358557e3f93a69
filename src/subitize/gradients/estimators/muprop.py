"""MuProp: the cost's first-order expansion around the mean as control variate.

With μ the mean of the site and h(z) = f(μ) + f′(μ)·(z - μ), whose expectation is known,

    g = (f(z) - h(z) - β) ∂ log p(z; φ)/∂φ + (∂μ/∂φ)ᵀ f′(μ),

β a baseline for what is left. Later finite sites are at their means where f(μ) is computed: the mean field.
Without the baseline this is the delta method.

Gu, Levine, Sutskever and Mnih (2016), "MuProp: unbiased backpropagation for stochastic neural networks".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.gradients.baselines import AbstractBaseline, Learned, Zero
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, base_only
from subitize.gradients.estimators.score import weighted_score


class MuProp(AbstractEstimator):
    """Score function with a Taylor expansion as control variate.

    Args:
        baseline: what to subtract besides.
    """

    baseline: AbstractBaseline = eqx.field(default_factory=Learned)
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Gu et al. 2016"
    needs_value_grads: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That by which `ESTIMATORS` has it with such a baseline."""
        return "delta" if isinstance(self.baseline, Zero) else "muprop"

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> PyTree:
        """The baseline's state."""
        return self.baseline.init(dist, example, key)

    def alternatives(self, state: PyTree, dist: AbstractDistribution, noise: Array) -> Array:
        """The mean."""
        return dist.mean()[None]

    def later(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The mean of a later site, too."""
        return dist.mean()

    def estimate(self, state: PyTree, site: Site) -> Estimate:
        """Two lanes: the draw, and the mean."""
        assert site.value_grads is not None
        (z, μ), (f, f_at_μ), slope = site.values, site.costs, site.value_grads[1]
        rest = f - f_at_μ - jnp.sum(slope * (z - μ))
        scored = weighted_score(site.dist, z, rest - self.baseline.predict(state, site))
        _, pull = jax.vjp(lambda dist: dist.mean(), site.dist)
        gradient = jax.tree.map(jnp.add, scored, pull(slope)[0])
        return Estimate(gradient, base_only(site.costs), self.baseline.loss(state, site, rest))


def muprop(hidden: int = 100, decay: float = 0.9) -> MuProp:
    """MuProp with a learned baseline; its control variate keeps the coefficient one."""
    return MuProp(Learned(hidden, decay))


def delta() -> MuProp:
    """The delta method: the first-order expansion alone."""
    return MuProp(Zero())

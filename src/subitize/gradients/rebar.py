"""REBAR: the cost at a relaxed value of the same noise, as control variate.

For coins b = 1[u > 1 - p] with p = σ(φ), relaxed to y = σ(z/τ) with z = φ + logit u, and c(z) = η f(y),

    g = (f(b) - c(z)) (b - p) + c′(z) w,    w = (1 - p)/u if b = 1, p/(1 - u) if b = 0.

The control part c′(z) w - c(z)(b - p) has mean zero for every smooth c, because the conditional noise
of z given b, coupled to u, leaves z as it is while ∂z/∂φ = 1 - w. So one hard and one relaxed run do.
The temperature τ and the coefficient η minimise E|g|², by differentiating g itself.

Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein (2017), "REBAR: low-variance, unbiased gradient
estimates for discrete latent variable models".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, Bernoulli
from subitize.gradients.estimator import AbstractEstimator, Estimate, Site


class RebarMemory(eqx.Module):
    """The learned temperature, by its logarithm, and coefficient of the control variate."""

    log_temperature: Float[Array, ""]
    coefficient: Float[Array, ""]


class Rebar(AbstractEstimator):
    """Score function with a relaxed control variate.

    Args:
        temperature: τ to start from.
    """

    temperature: float = eqx.field(static=True, default=0.5)
    word: ClassVar[str] = "rebar"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Tucker et al. 2017"
    needs_slopes: ClassVar[bool] = True
    relaxes: ClassVar[bool] = True

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Coins only, in this form."""
        if not isinstance(dist, Bernoulli):
            return f"its relaxation is of Bernoulli sites, not of {type(dist).__name__}"
        return None

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> RebarMemory:
        """Start at the given temperature with a full control variate."""
        return RebarMemory(jnp.log(jnp.asarray(self.temperature)), jnp.ones(()))

    def alternatives(self, memory: RebarMemory, dist: AbstractDistribution, noise: Array) -> Array:
        """The relaxed value of the base draw's own noise."""
        assert isinstance(dist, Bernoulli)
        return dist.relaxed(noise[0], self.temperature_of(memory))[None]

    def temperature_of(self, memory: RebarMemory) -> Array:
        """The learned τ."""
        return jnp.exp(memory.log_temperature)

    def estimate(self, memory: RebarMemory, site: Site) -> Estimate:
        """Two lanes: hard, and relaxed."""
        assert isinstance(site.dist, Bernoulli)
        (b, y), (hard, soft), u = site.values, site.costs, site.noise[0]
        assert site.slopes is not None
        p, η = jax.nn.sigmoid(site.dist.logits), memory.coefficient
        slope = η * site.slopes[1] * y * (1 - y) / self.temperature_of(memory)  # c′(z)
        w = jnp.where(b > 0.5, (1 - p) / u, p / (1 - u))
        g = (hard - η * soft) * (b - p) + slope * w
        return Estimate(Bernoulli(g), jnp.array([1.0, 0.0], hard.dtype), jnp.sum(g**2))

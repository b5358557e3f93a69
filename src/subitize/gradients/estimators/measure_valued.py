"""Measure-valued derivatives: the derivative of a density as a difference of two others.

For a Normal site, coordinate by coordinate, with W ~ Weibull(√2, 2) and M ~ double-sided Maxwell,

    ∂E[f]/∂μ = (E[f(μ + σW)] - E[f(μ - σW)]) / (σ √(2π)),
    ∂E[f]/∂σ = (E[f(μ + σM)] - E[f(μ + σε)]) / σ.

Nothing is asked of f but its value; three runs of the program per coordinate, and one. Both members of a pair
share their noise. For finite sites the measure-valued derivative is the local expectation, see `local`.

Mohamed, Rosca, Figurnov and Mnih (2020), "Monte Carlo gradient estimation in machine learning", section 6.
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution, Normal
from subitize.gradients.coins import MAX_COINS
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, base_only


class MeasureValued(AbstractEstimator[Normal]):
    """Weak derivatives of a Normal, each coordinate in turn."""

    name: ClassVar[str] = "mvd"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = Normal
    reference: ClassVar[str] = "Mohamed et al. 2020"

    @property
    def samples(self) -> int:
        """Three normals: the draw's own, and two that lengthen it."""
        return 3

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Why not; of finite sites also what serves them."""
        no = super().why_not(dist)
        return no if self.serves(dist) else f"{no}; for finite ones it is 'local'"

    def beyond(self, dist: Normal) -> str | None:
        """A site of too many coordinates."""
        size = dist.loc.size
        return f"it would move each of {size:,} coordinates, over {MAX_COINS:,}" if size > MAX_COINS else None

    def alternatives(self, state: PyTree, dist: Normal, noise: Array) -> Array:
        """Per coordinate, the others at the base draw: μ + σW, μ - σW, μ + σM."""
        ε, first, second = noise
        weibull = jnp.sqrt(first**2 + second**2)
        maxwell = jnp.where(ε < 0, -1.0, 1.0) * jnp.sqrt(ε**2 + first**2 + second**2)
        moves = jnp.stack([weibull, -weibull, maxwell]).reshape(3, 1, -1)
        one = jnp.eye(ε.size, dtype=ε.dtype)
        moved = ε.ravel() + one * (moves - ε.ravel())
        return jax.vmap(dist.from_noise)(moved.reshape(-1, *ε.shape))

    def estimate(self, state: PyTree, site: Site[Normal]) -> Estimate:
        """Three lanes per coordinate, and the base draw."""
        σ = site.dist.scale
        up, down, wide = site.costs[1:].reshape(3, *σ.shape)
        gradient = Normal((up - down) / (σ * math.sqrt(2 * math.pi)), (wide - site.costs[0]) / σ)
        return Estimate(gradient, base_only(site.costs))

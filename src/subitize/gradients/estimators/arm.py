"""ARM: augment, reinforce, merge - one uniform, looked at from both sides.

For coins b = 1[u > 1 - p] and their mirror image b′ = 1[u < p],

    g = (f(b) - f(b′)) (u - ½).

Two runs of the program, nothing learned, no baseline needed.

Yin and Zhou (2019), "ARM: augment-REINFORCE-merge gradient for stochastic binary networks".
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.gradients.coins import antithetic_bits, vjp_to_params
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site


class ARM(AbstractEstimator[AbstractFinite]):
    """Antithetic coins, weighed by their uniform noise."""

    name: ClassVar[str] = "arm"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Yin and Zhou 2019"

    def alternatives(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The mirror image of the base draw."""
        return dist.from_bits(antithetic_bits(dist, noise[0]))[None]

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """Two lanes: the draw and its mirror image."""
        here, there = site.costs
        g = (here - there) * (site.dist.coin_noise(site.noise[0]) - 0.5)
        return Estimate(vjp_to_params(site.dist, g), jnp.full(2, 0.5, site.costs.dtype))

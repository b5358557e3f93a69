"""Local expectations: flip every coin, one at a time.

    g_j = p_j (1 - p_j) (f(b with b_j = 1) - f(b with b_j = 0)),

the score-function estimate with coin j summed out, given all others: Rao-Blackwell per coordinate. One run
of the program per coin, besides the draw itself. For a coin, the measure-valued derivative is the same.

Titsias and Lázaro-Gredilla (2015), "Local expectation gradients for black box variational inference".
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.gradients.coins import (
    MAX_COINS,
    bits,
    number_of_coins,
    probability,
    vjp_to_params,
)
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, base_only


class Local(AbstractEstimator[AbstractFinite]):
    """Sum each coin out, given the others."""

    name: ClassVar[str] = "local"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Titsias and Lázaro-Gredilla 2015"

    def beyond(self, dist: AbstractFinite) -> str | None:
        """A site of too many coins."""
        coins = number_of_coins(dist)
        return f"it would flip each of {coins:,} coins, over {MAX_COINS:,}" if coins > MAX_COINS else None

    def alternatives(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The base draw with each of its coins turned over in turn."""
        b = bits(dist, noise[0])
        turned = jnp.eye(b.size, dtype=b.dtype).reshape(b.size, *b.shape)
        return jax.vmap(dist.from_bits)(b + turned * (1 - 2 * b))

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """One lane per coin, and the base draw."""
        p, b = probability(site.dist), bits(site.dist, site.noise[0])
        turned = site.costs[1:].reshape(b.shape)
        g = p * (1 - p) * (2 * b - 1) * (site.costs[0] - turned)
        return Estimate(vjp_to_params(site.dist, g), base_only(site.costs))

"""DisARM: ARM with the uniform noise integrated out, given both bits.

For a coin b, its mirror image b′ and its logit ℓ,

    g = ½ (f(b) - f(b′)) (-1)^{b′} 1[b ≠ b′] σ(|ℓ|),

the mean of ARM's estimate over all u that give these two bits: never more variance, same cost. A coin that
neither face vector reaches (because the value stopped before it) contributes nothing.

Dong, Mnih and Tucker (2020), "DisARM: an antithetic gradient estimator for binary latent variables"; found
independently as U2G by Yin et al. (2020). For Categorical sites, DisARM-SB of Dong, Mnih and Tucker (2021).
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from subitize.core.distributions import AbstractFinite
from subitize.gradients.coins import antithetic_bits, bits, vjp_to_params
from subitize.gradients.estimators.arm import ARM
from subitize.gradients.estimators.base import Estimate, Site


class DisARM(ARM):
    """Antithetic coins, weighed by their bits."""

    name: ClassVar[str] = "disarm"
    reference: ClassVar[str] = "Dong et al. 2020"

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """Two lanes: the draw and its mirror image."""
        here, there = site.costs
        b, mirror = bits(site.dist, site.noise[0]), antithetic_bits(site.dist, site.noise[0])
        reached = jnp.maximum(site.dist.active_bits(b), site.dist.active_bits(mirror))
        differs = reached * (b - mirror)  # which is (-1)^{b′} 1[b ≠ b′]
        g = 0.5 * (here - there) * differs * jax.nn.sigmoid(jnp.abs(site.dist.coins().logits))
        return Estimate(vjp_to_params(site.dist, g), jnp.full(2, 0.5, site.costs.dtype))

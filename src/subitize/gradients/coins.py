"""Coins: what estimators that know coins need, to serve every finite site.

A finite value follows from coins by `from_bits`, multilinear (see `subitize.core.distributions`); its cost is
a function of their bits, and a gradient in the coins' logits is pulled back to the site's parameters φ.
For Categorical sites this is the stick-breaking construction of Dong, Mnih and Tucker (2021), "Coupled
gradient estimators for discrete latent variables".
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractFinite
from subitize.core.distributions.finite import threshold_uniforms

MAX_COINS = 4096  # that may be flipped one by one


def number_of_coins(dist: AbstractFinite) -> int:
    """How many coins a site is made of, from the shape of its distribution alone."""
    return jax.eval_shape(lambda dist: dist.coins().logits, dist).size


def probability(dist: AbstractFinite) -> Array:
    """Probability of a one, for each coin."""
    return jax.nn.sigmoid(dist.coins().logits)


def bits(dist: AbstractFinite, noise: Array) -> Array:
    """How the coins fell under a noise of the site."""
    return threshold_uniforms(dist.coins(), dist.coin_noise(noise))


def antithetic_bits(dist: AbstractFinite, noise: Array) -> Array:
    """How they would have fallen under 1 - u: the antithetic bits."""
    return (dist.coin_noise(noise) < probability(dist)).astype(noise.dtype)


def vjp_to_params(dist: AbstractFinite, gradient: Array) -> PyTree:
    """A gradient in the coins' logits as one in φ, in the shape of the distribution."""
    _, pull = jax.vjp(lambda dist: dist.coins().logits, dist)
    return pull(gradient)[0]


def bit_grads(dist: AbstractFinite, bits: Array, value_grads: Array) -> Array:
    """∂cost/∂bits from ∂cost/∂value, where the value follows from these bits."""
    _, pull = jax.vjp(dist.from_bits, bits)
    return pull(value_grads)[0]


def squared(gradient: PyTree) -> Array:
    """|g|², the loss by which a control variate learns: its mean is the variance, but for a constant."""
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)), jnp.zeros(()))

"""Draws that need no gradient: for looking at a picture, and for sampling one.

They have the face of the draw that `subitize.gradients` hands to a program, `draw(name, dist)` and
`draw.at(step)`, so that the same program serves for training and for use.
"""

import zlib

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions import AbstractDistribution, Normal


class Means(eqx.Module):
    """Continuous sites at their means: deterministic inference."""

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """The mean of a normal site."""
        if not isinstance(dist, Normal):
            raise TypeError(f"Only normal sites have a mean to take; site '{name}' is {type(dist).__name__}.")
        return dist.loc

    def at(self, step: Array | int) -> "Means":
        """The same at every step."""
        return self


class Samples(eqx.Module):
    """Every site sampled, as a pure function of the key, the name and the step."""

    key: PRNGKeyArray
    step: Array | int | None = None

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """One sample."""
        return dist.sample(site_key(self.key, name, self.step))

    def at(self, step: Array | int) -> "Samples":
        """Fresh samples for one step of a loop."""
        return Samples(self.key, step)


def site_key(key: PRNGKeyArray, name: str, step: Array | int | None = None) -> PRNGKeyArray:
    """The key of one site, and of one step of a loop: a pure function of all three.

    A step known in advance is folded in together with the name, which saves a hash.
    """
    if step is None or isinstance(step, int):
        return jr.fold_in(key, zlib.crc32(f"{name}@{step}".encode()))
    return jr.fold_in(jr.fold_in(key, zlib.crc32(name.encode())), step)


def bernoulli(key: PRNGKeyArray, p: Float[Array, "..."]) -> Float[Array, "..."]:
    """Zeros and ones with these probabilities of one, as real numbers."""
    return (jr.uniform(key, p.shape, p.dtype) < p).astype(p.dtype)


def binarized(images: Float[Array, "batch ..."], key: PRNGKeyArray) -> Float[Array, "batch pixels"]:
    """Pictures as vectors of zeros and ones, grey pixels drawn with their brightness as probability."""
    return bernoulli(key, images.reshape(len(images), -1))


def salt_and_pepper(x: Float[Array, "..."], share: float, key: PRNGKeyArray) -> Float[Array, "..."]:
    """The values of x, a share of them replaced by zero or one, each as likely."""
    keys = jr.split(key)
    replaced = bernoulli(keys[0], jnp.full(x.shape, share, x.dtype))
    return jnp.where(replaced > 0, bernoulli(keys[1], jnp.full(x.shape, 0.5, x.dtype)), x)

"""Time network: a perceptron that also knows the time, which it sees as smooth waves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.networks import Linear

WAVES = 16


def waves(s: Float[Array, ""]) -> Float[Array, " waves"]:
    """cos(π k s) for k = 0, 1, …: smooth functions of a time s from 0 to 1."""
    return jnp.cos(jnp.pi * jnp.arange(WAVES) * s)


class TimeMLP(eqx.Module):
    """(x, s) ↦ a vector: linear layers whose units are scaled and shifted by functions of the time.

    Args:
        sizes: lengths of the input, the hidden layers and the output.
        key: for the initial weights; the last layer begins small.
    """

    layers: tuple[Linear, ...]
    times: tuple[Linear, ...]

    def __init__(self, sizes: tuple[int, ...], *, key: PRNGKeyArray):
        keys, of_time = jr.split(key, len(sizes) - 1), jr.split(jr.fold_in(key, 1), len(sizes) - 2)
        scales = [1.0] * (len(sizes) - 2) + [0.01]
        self.layers = tuple(
            Linear(m, n, key=k, scale=s) for m, n, k, s in zip(sizes, sizes[1:], keys, scales, strict=False)
        )
        self.times = tuple(
            Linear(WAVES, 2 * n, key=k, scale=0.1) for n, k in zip(sizes[1:-1], of_time, strict=True)
        )

    def __call__(self, x: Float[Array, " inputs"], s: Float[Array, ""]) -> Float[Array, " outputs"]:
        """Apply to one vector at a time from 0 to 1."""
        for layer, time in zip(self.layers, self.times, strict=False):
            scale, shift = jnp.split(time(waves(s)), 2)
            x = jax.nn.silu((1 + scale) * layer(x) + shift)
        return self.layers[-1](x)

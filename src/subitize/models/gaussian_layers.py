"""Layers of latent Gaussian models: perceptrons that give a normal distribution, or pixels' log-odds."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions import Bernoulli, Normal
from subitize.core.networks import MLP, log_odds

LOG_SCALE = (-7.0, 7.0)  # of a standard deviation: outside of it a density is no longer finite


class GaussianLayer(eqx.Module):
    """x ↦ Normal(μ(x), σ(x)), both by one perceptron with tanh units.

    Args:
        sizes: lengths of the input and the hidden layers, and dimensions of the result.
        key: for the initial weights.
    """

    network: MLP

    def __init__(self, sizes: tuple[int, ...], *, key: PRNGKeyArray):
        doubled = (*sizes[:-1], 2 * sizes[-1])
        self.network = MLP(doubled, key=key, activation=jnp.tanh, last_scale=0.1)

    def __call__(self, x: Float[Array, " inputs"]) -> Normal:
        """The distribution given x."""
        loc, log_scale = jnp.split(self.network(x), 2)
        return Normal(loc, jnp.exp(jnp.clip(log_scale, *LOG_SCALE)))


class BernoulliLayer(eqx.Module):
    """z ↦ Bernoulli pixels, by a perceptron with tanh units whose output begins at the mean picture.

    Args:
        sizes: lengths of the input and the hidden layers.
        mean: of the pixels over the data.
        key: for the initial weights.
    """

    network: MLP
    bias: Float[Array, " pixels"]

    def __init__(self, sizes: tuple[int, ...], mean: Float[Array, " pixels"], *, key: PRNGKeyArray):
        self.network = MLP((*sizes, len(mean)), key=key, activation=jnp.tanh, last_scale=0.1)
        self.bias = log_odds(mean)

    def __call__(self, z: Float[Array, " latents"]) -> Bernoulli:
        """The distribution of the pixels given z."""
        return Bernoulli(self.network(z) + self.bias)


def standard_normal(dimensions: int) -> Normal:
    """N(0, I)."""
    return Normal(jnp.zeros(dimensions), jnp.ones(dimensions))

"""What every distribution can do: draw, by carrying noise over, and tell how likely a value is."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray


def as_reals(x: ArrayLike) -> Array:
    """A parameter as an array of reals, so that plain numbers and whole ones will do."""
    if isinstance(x, int | float | list | tuple | np.ndarray) or (
        isinstance(x, Array) and not jnp.issubdtype(x.dtype, jnp.floating)
    ):
        return jnp.asarray(x, jnp.result_type(float))
    return x  # pyright: ignore[reportReturnType]


def open_uniform(key: PRNGKeyArray, shape: tuple[int, ...], dtype) -> Array:
    """Uniform noise that is never exactly 0 or 1, so that its logit is finite."""
    tiny = jnp.finfo(dtype).eps
    return jr.uniform(key, shape, dtype, minval=tiny, maxval=1 - tiny)


class AbstractDistribution(eqx.Module):
    """A distribution over one event; all coordinates of the event are summed in `log_prob`."""

    reparameterised: ClassVar[bool]

    @abc.abstractmethod
    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw parameter-free noise ε."""

    @abc.abstractmethod
    def from_noise(self, noise: Array) -> Array:
        """Map noise to a value of the event."""

    @abc.abstractmethod
    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability (or density) of one value, in nats."""

    @abc.abstractmethod
    def mean(self) -> Array:
        """E[z]."""

    def sample(self, key: PRNGKeyArray) -> Array:
        """Draw one value."""
        return self.from_noise(self.noise(key))

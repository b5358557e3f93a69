"""Batches: what a model makes of many pictures or codes, a few at a time."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def map_batches(
    function: Callable[[Any, jax.Array], Any], model: Any, shown: np.ndarray, batch_size: int = 250
) -> np.ndarray:
    """What a model makes of pictures or codes, one after the other.

    Args:
        function: (model, picture in 0 … 1 or code) -> array; one with a name, since it is compiled once.
        model: its first argument.
        shown: pictures of bytes [n, height, width, channels], or codes [n, features], or draws of either.
        batch_size: how many at a time.
    """
    starts = range(0, len(shown), batch_size)
    return np.concatenate([np.asarray(one_batch(function, model, shown[i : i + batch_size])) for i in starts])


@eqx.filter_jit
def one_batch(
    function: Callable[[Any, jax.Array], Any], model: Any, shown: jax.Array | np.ndarray
) -> jax.Array:
    """One batch of `map_batches`."""
    return jax.vmap(lambda one: function(model, in_units(one)))(jnp.asarray(shown))


def in_units(shown: jax.Array) -> jax.Array:
    """Bytes as brightness in 0 … 1, codes as they are."""
    return shown.astype(jnp.float32) / 255 if shown.dtype == jnp.uint8 else shown

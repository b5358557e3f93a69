"""Inference: what does a trained attend, infer, repeat see in pictures?"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from subitize.core.errors import UsageError
from subitize.models.air import AIR
from subitize.models.look import Look
from subitize.models.look import look as look_at_one

LOOKED_AT_ONCE = 16  # pictures per call of the compiled look; the last ones are padded


def look(model: AIR, images: np.ndarray, at_one: Callable[[AIR, jax.Array], Look] = look_at_one) -> Look:
    """What is in pictures. Deterministic, and the same whatever else is in the batch.

    Args:
        model: a trained AIR.
        images: [n, height, width, channels], brightness 0 … 1 on black, of the model's own size.
        at_one: what a model sees in one picture.

    Returns:
        A `Look` of numpy arrays, each with a leading axis n.

    Raises:
        UsageError: the pictures are not of the model's size.
    """
    s = model.settings
    if images.ndim != 4 or images.shape[1:] != (s.height, s.width, s.channels):
        raise UsageError(
            f"This model looks at pictures of {s.height}x{s.width} pixels and {s.channels} channels; "
            f"got an array of shape {images.shape}. Bring them to size first (`fit_picture`)."
        )
    padded = np.concatenate([images, np.zeros((-len(images) % LOOKED_AT_ONCE, *images.shape[1:]))])
    starts = range(0, max(len(padded), LOOKED_AT_ONCE), LOOKED_AT_ONCE)
    batches = [jnp.asarray(padded[i : i + LOOKED_AT_ONCE], jnp.float32) for i in starts]
    looks = [one_by_one(model, batch, at_one) for batch in batches]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(images)], *looks)


@partial(jax.jit, static_argnums=2)
def one_by_one(model: AIR, images: jax.Array, at_one: Callable[[AIR, jax.Array], Look]) -> Look:
    """What is seen at one picture after the other.

    In a batch the last bits of a sum depend on a picture's place there; alone they depend on nothing else,
    so that a broken file in a folder changes not a digit of the others.
    """
    return jax.lax.map(lambda image: at_one(model, image), images)

"""Inference: what does a trained attend, infer, repeat see in pictures?"""

import jax
import jax.numpy as jnp
import numpy as np

from subitize.core.errors import CheckpointError, UsageError
from subitize.models.air import AIR
from subitize.models.look import Look

LOOKED_AT_ONCE = 16  # pictures per call of the compiled look; the last ones are padded


def look(model: AIR, images: np.ndarray) -> Look:
    """What is in pictures. Deterministic, and the same whatever else is in the batch.

    Args:
        model: a trained AIR.
        images: [n, height, width, channels], brightness 0 … 1 on black, of the model's own size.

    Returns:
        A `Look` of numpy arrays, each with a leading axis n.

    Raises:
        UsageError: the pictures are not of the model's size.
        CheckpointError: the model finds no probabilities: its weights are out of all proportion.
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
    looks = [one_by_one(model, batch) for batch in batches]
    found = jax.tree.map(lambda *parts: np.concatenate(parts)[: len(images)], *looks)
    if np.isfinite(images).all() and not np.isfinite(found.posterior).all():
        raise CheckpointError("The model's weights lead to no finite numbers. Train it again.")
    return found


@jax.jit
def one_by_one(model: AIR, images: jax.Array) -> Look:
    """`AIR.look` at one picture after the other.

    In a batch the last bits of a sum depend on a picture's place there; alone they depend on nothing else,
    so that a broken file in a folder changes not a digit of the others.
    """
    return jax.lax.map(model.look, images)

"""Inference: what does a trained attend, infer, repeat see in pictures?"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from subitize.core.compile import compiled
from subitize.core.errors import UsageError
from subitize.models.air import AIR
from subitize.models.inference import Inference
from subitize.models.inference import infer as infer_one

PICTURES_AT_ONCE = 16  # pictures per call of the compiled inference, unless there is only one


def infer(
    model: AIR, images: np.ndarray, at_one: Callable[[AIR, jax.Array], Inference] = infer_one
) -> Inference:
    """What is in pictures. Deterministic, and the same whatever else is in the batch.

    Args:
        model: a trained AIR.
        images: [n, height, width, channels], brightness 0 … 1 on black, of the model's own size.
        at_one: what a model sees in one picture.

    Returns:
        An `Inference` of numpy arrays, each with a leading axis n.

    Raises:
        UsageError: the pictures are not of the model's size.
    """
    s = model.settings
    if images.ndim != 4 or images.shape[1:] != (s.height, s.width, s.channels):
        raise UsageError(
            f"This model looks at pictures of {s.height}x{s.width} pixels and {s.channels} channels; "
            f"got an array of shape {images.shape}. Bring them to size first (`Preprocessor`)."
        )
    at_once = 1 if len(images) == 1 else PICTURES_AT_ONCE
    results = [infer_batch(model, batch, number, at_one) for batch, number in batches(images, at_once)]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(images)], *results)


def batches(images: np.ndarray, size: int) -> Iterator[tuple[jax.Array, int]]:
    """Pictures, at least one batch of `size` of them, and how many there are; the last one is padded."""
    for start in range(0, max(len(images), 1), size):
        batch = np.zeros((size, *images.shape[1:]), np.float32)
        number = len(images[start : start + size])
        batch[:number] = images[start : start + size]
        yield jax.device_put(batch), number


@compiled(runs="often", static_argnames="at_one")
def infer_batch(
    model: AIR, images: jax.Array, number: jax.Array | int, at_one: Callable[[AIR, jax.Array], Inference]
) -> Inference:
    """What is seen at the first `number` pictures, one after the other; they cost what they cost.

    In a batch the last bits of a sum depend on a picture's place there; alone they depend on nothing else,
    so that a broken file in a folder changes not a digit of the others. The number is no constant, or a loop
    of one turn would be compiled as none, perhaps to other bits.
    """
    shapes = jax.eval_shape(partial(at_one, model), images[0])
    unseen = jax.tree.map(lambda shape: jnp.zeros((len(images), *shape.shape), shape.dtype), shapes)

    def one(i: jax.Array, results: Inference) -> Inference:
        return jax.tree.map(lambda all_, one: all_.at[i].set(one), results, at_one(model, images[i]))

    return jax.lax.fori_loop(0, number, one, unseen)

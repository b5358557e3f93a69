"""What are pictures as they are, one at a time? A stack on the device, of which a scene draws one.

`FixedScenes` keeps scenes of another dataset as such a stack: the same ones again and again.
"""

import hashlib
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, UInt8

from subitize.core.interfaces import Batch, DataSpec
from subitize.core.json import JSON
from subitize.core.preprocess import brightness
from subitize.scenes.base import AbstractScenes, Scene


class AbstractStack(AbstractScenes):
    """Scenes that are pictures from a stack: count -1, no boxes, no labels."""

    pictures: eqx.AbstractVar[UInt8[Array, "pictures height width channels"]]

    @property
    def height(self) -> int:
        """Rows of a picture."""
        return self.pictures.shape[1]

    @property
    def width(self) -> int:
        """Columns of a picture."""
        return self.pictures.shape[2]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.pictures.shape[3]

    @property
    def counts(self) -> tuple[int, ...]:
        """Nobody knows them."""
        return ()

    @property
    def spec(self) -> DataSpec:
        """The shapes of the pictures, how many there are, and how many classes of labels."""
        labels = self.labels
        classes = int(labels.max()) + 1 if labels is not None and labels.ndim == 1 else None
        return DataSpec(self.height, self.width, self.channels, len(self.pictures), classes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all pictures."""
        return hashlib.sha256(np.ascontiguousarray(self.pictures).tobytes()).hexdigest()

    @property
    def labels(self) -> Array | None:
        """What is known of each picture, if anything."""
        return None

    def scene(self, key: PRNGKeyArray) -> Scene:
        """One picture of this split, any as likely as the others."""
        picture = self.pictures[self.index(key)]
        unknown, nobody = jnp.array(-1, jnp.int32), jnp.zeros((0,), jnp.int32)
        return Scene(brightness(picture), unknown, jnp.zeros((0, 4), jnp.float32), nobody)

    def index(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """The place of one picture in the stack, any as likely as the others."""
        return any_place(key, len(self.pictures))

    def indices(
        self, seed: int | Int[Array, ""], numbers: Int[Array, " batch"], *, replace: bool = True
    ) -> Int[Array, " batch"]:
        """Which pictures training sees at these consecutive places of its stream; see `places`."""
        return places(seed, numbers, len(self.pictures), replace=replace)

    def examples(self, seed: int | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Pictures by their places in the stack, with what is known of them."""
        labels = None if self.labels is None else self.labels[indices]
        return Batch(brightness(self.pictures[indices]), indices, labels)


def any_place(key: PRNGKeyArray, size: int) -> Int[Array, ""]:
    """A place in a set of so many, any as likely as the others."""
    return jr.randint(key, (), 0, size, jnp.int32)


def places(
    seed: int | Int[Array, ""], numbers: Int[Array, " batch"], size: int, *, replace: bool
) -> Int[Array, " batch"]:
    """Places in a finite set that training sees at these consecutive places of its stream.

    With replacement each is drawn by itself. Without, every epoch is a permutation of the set.

    Args:
        seed: of the order.
        numbers: consecutive places in the stream, from 0.
        size: of the set.
        replace: whether examples are drawn with replacement.
    """
    root = jr.key(seed)
    if replace:
        return jax.vmap(lambda number: any_place(jr.fold_in(root, number), size))(numbers)
    first = numbers[0] // size
    epochs = first + jnp.arange(numbers.size // size + 2)  # as many as the numbers may touch
    orders = jax.vmap(lambda epoch: jr.permutation(jr.fold_in(root, epoch), size))(epochs)
    return orders[numbers // size - first, numbers % size].astype(numbers.dtype)


class FixedScenes(AbstractStack):
    """A finite stack of scenes of other datasets: 8-bit pictures in a random order, and what is true of them.

    Args:
        datasets: and how many scenes of each.
        seed: of the scenes, from number 0 on, and of their order.
        tell: what is to be known of a batch of scenes; by default their counts.
        batch_size: scenes that are drawn at once.
    """

    pictures: UInt8[Array, "pictures height width channels"]
    known: np.ndarray  # what was told, [pictures, …]
    split: str = eqx.field(static=True)
    origin: tuple[str, ...] = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "drawn"

    def __init__(
        self,
        datasets: list[tuple[AbstractScenes, int]],
        seed: int = 0,
        tell: Callable[[Scene], np.ndarray] = lambda scene: np.asarray(scene.count),
        batch_size: int = 64,
    ):
        pictures, known = [], []
        begins = np.cumsum([0] + [number for _, number in datasets])  # no two datasets share a key
        for (dataset, number), begin in zip(datasets, begins, strict=False):
            for first in range(0, number, batch_size):
                scene = jax.tree.map(np.asarray, dataset.batch(seed, begin + first + np.arange(batch_size)))
                last = number - first
                pictures.append(np.round(255 * scene.image).astype(np.uint8)[:last])
                known.append(tell(scene)[:last])
        order = np.random.default_rng(seed).permutation(sum(map(len, known)))
        self.pictures = jnp.asarray(np.concatenate(pictures)[order])
        self.known = np.concatenate(known)[order]
        self.split = datasets[0][0].split
        self.origin = (*(f"{n} {w.name} {w.split} {w.options()}" for w, n in datasets), f"seed {seed}")

    @property
    def labels(self) -> Array:
        """What was told of each picture."""
        return jnp.asarray(self.known)

    def options(self) -> JSON:
        """From which datasets it was drawn, in words; `load` does not know how to draw it again."""
        return {"origin": self.origin}

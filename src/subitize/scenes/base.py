"""What is a scene, and what can be asked of any dataset of scenes?

A scene is an image and what is true of it. A dataset of scenes is a pure function

    scene i of seed s  =  scene(fold_in(key(s), i)),

so the same (s, i) is the same scene in whatever batch, order, process or machine it is drawn, and a
training run needs no loader state to resume: the step number is enough.
"""

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.compile import compiled
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.json import JSON

SPLITS = ("train", "test")
DRAWN_AT_ONCE = 64  # scenes per call of the compiled program


class Scene(NamedTuple):
    """An image and the truth about it; a batch of scenes has one more axis in front of each.

    Attributes:
        image: brightness from 0 (the ground) to 1.
        count: how many objects there are; -1 where nobody knows.
        boxes: x0, y0, x1, y1 in pixels, edges of the smallest box around the object's ink
            (x1 - x0 is its width); zeros where there is no object.
        labels: what each object is; -1 where there is none.
    """

    image: Float[Array, "height width channels"]
    count: Int[Array, ""]
    boxes: Float[Array, "objects 4"]
    labels: Int[Array, "objects"]


class AbstractScenes(eqx.Module):
    """A dataset of scenes: a pytree whose arrays (digits, pictures) are leaves that live on the device.

    Attributes:
        split: "train" or "test"; the two share no source picture.
        height: rows of an image.
        width: columns of an image.
        channels: 1 for grey, 3 for colour.
        counts: the counts that occur, in rising order, equally often; empty where they are unknown.
        has_truth: whether count, boxes and labels mean anything.
    """

    split: eqx.AbstractVar[str]
    height: eqx.AbstractVar[int]
    width: eqx.AbstractVar[int]
    channels: eqx.AbstractVar[int]
    counts: eqx.AbstractVar[tuple[int, ...]]
    has_truth: eqx.AbstractClassVar[bool]
    family: ClassVar[str]

    @property
    def name(self) -> str:
        """The word, or the path, by which `subitize.scenes.load` finds this dataset."""
        return self.family

    @property
    def spec(self) -> DataSpec:
        """The shapes of its pictures."""
        return DataSpec(self.height, self.width, self.channels)

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of all pictures of a finite set; None of a dataset that is drawn."""
        return None

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(name, why) of each file that could not be read."""
        return ()

    @abc.abstractmethod
    def options(self) -> JSON:
        """What to write to JSON: `load(scenes.name, split, **scenes.options())` is this dataset again."""

    @abc.abstractmethod
    def scene(self, key: PRNGKeyArray) -> Scene:
        """One scene, a pure function of its key."""

    def batch(
        self, seed: int | np.integer | Int[Array, ""], indices: Int[Array | np.ndarray, "batch"]
    ) -> Scene:
        """Scenes number `indices` of `seed`, which is from 0 to 2^31 - 1; compiled once for all seeds.

        Outside of a compiled function they are drawn so many at a time that one program serves all batches.
        """
        if isinstance(indices, Tracer) or isinstance(seed, Tracer):
            return scenes_of.function(self, seed, indices)
        numbers, size = np.asarray(indices), DRAWN_AT_ONCE
        padded = np.pad(numbers, (0, max(-len(numbers) % size, size * (not len(numbers)))))
        parts = [scenes_of(self, seed, part) for part in padded.reshape(-1, size)]
        return jax.tree.map(lambda *each: jax.device_put(np.concatenate(each)[: len(numbers)]), *parts)

    def indices(
        self, seed: int | Int[Array, ""], numbers: Int[Array, " batch"], *, replace: bool = True
    ) -> Int[Array, " batch"]:
        """Which examples training sees at these places of its stream; scenes that are drawn never repeat.

        Args:
            seed: of the order.
            numbers: consecutive places in the stream, from 0.
            replace: whether examples of a finite set are drawn with replacement, or in epochs.
        """
        return numbers

    def examples(self, seed: int | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Examples by their numbers, as `indices` gives them; labelled with their counts where known."""
        scene = self.batch(seed, indices)
        return Batch(scene.image, indices, scene.count if self.has_truth else None)


@compiled(runs="often")
def scenes_of(
    dataset: AbstractScenes,
    seed: int | np.integer | Int[Array, ""],
    indices: Int[Array | np.ndarray, "batch"],
) -> Scene:
    """Scenes by their numbers, compiled for batches of one size."""
    root = jr.key(seed)
    keys = jax.vmap(lambda index: jr.fold_in(root, index))(jnp.asarray(indices))
    return jax.vmap(scene_of, (None, 0))(dataset, keys)


@jax.jit
def scene_of(dataset: AbstractScenes, key: PRNGKeyArray) -> Scene:
    """One scene; traced once for batches of every size."""
    return dataset.scene(key)

"""How are objects thrown onto a canvas so that they do not cover one another?

An object is ink between 0 and 1 in the top left corner of a window, and a colour. The image is

    x[y, x, c] = sum_i ink_i[y - top_i, x - left_i] colour_i[c],

with (top_i, left_i) uniform over the whole-pixel places at which object i lies inside the canvas. Under
`overlap="none"` all places are drawn again while the sum of the inks exceeds 1 at any pixel, which is the
field's rule. A crowded canvas would wait for ever: from the ninth throw on, only the objects that meet an
earlier one are thrown again, so that one after another finds its place; now and then all start afresh.
"""

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.interfaces import Batch, Examples
from subitize.core.json import JSON
from subitize.scenes.base import AbstractScenes, Scene
from subitize.scenes.layout import CUT, Layout

TOGETHER = 8  # throws of all objects at once; two MNIST digits need a second one in a fifth of the scenes
AFRESH = 32  # every so many throws all start again, since the first may have left no place for the last
THROWS = 256  # then the throw with the least conflict stays, which the check for room makes rare
SLACK = 1e-4  # what rounding may add to a sum of 1
MOST_AHEAD = 100_000_000  # values of pixels that are drawn ahead: 400 MB
INK = 0.1  # fainter pixels belong to no box


class Layers(NamedTuple):
    """What a scene is painted from: objects that are absent have neither ink nor label."""

    ink: Float[Array, "objects window window"]
    corners: Int[Array, "objects 2"]
    colours: Float[Array, "objects channels"]
    labels: Int[Array, "objects"]


class Ahead(eqx.Module):
    """Examples that were drawn before: consecutive ones, by their numbers."""

    drawn: Batch
    first: Int[Array, ""]

    def indices(
        self, seed: int | Int[Array, ""], numbers: Int[Array, " batch"], *, replace: bool = True
    ) -> Int[Array, " batch"]:
        """The numbers themselves: scenes never repeat."""
        return numbers

    def examples(self, seed: int | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Those of these numbers."""
        return jax.tree.map(lambda each: each[indices - self.first], self.drawn)


class AbstractPainted(AbstractScenes):
    """Scenes of objects painted on black. A family says what its objects look like: `objects`."""

    layout: eqx.AbstractVar[Layout]
    has_truth: ClassVar[bool] = True

    @property
    def height(self) -> int:
        """Rows of the canvas."""
        return self.layout.height

    @property
    def width(self) -> int:
        """Columns of the canvas."""
        return self.layout.width

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.layout.channels

    def ahead(self, seed: int, numbers: np.ndarray) -> Examples:
        """The scenes of these numbers, drawn now by the program that draws all batches."""
        values = len(numbers) * self.height * self.width * self.channels
        if jax.default_backend() != "cpu" or values > MOST_AHEAD:  # others draw them as fast
            return self
        return Ahead(self.examples(seed, jnp.asarray(numbers)), jnp.asarray(numbers[0]))

    @property
    def counts(self) -> tuple[int, ...]:
        """The counts that occur, rising."""
        return self.layout.counts

    def options(self) -> JSON:
        """The layout, as JSON takes it."""
        return self.layout.options()

    @abc.abstractmethod
    def objects(
        self, key: PRNGKeyArray, sides: Float[Array, "objects"]
    ) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
        """Ink of objects of these sides (in pixels) from the window's top left corner, and their labels."""

    def layers(self, key: PRNGKeyArray) -> Layers:
        """Choose count, sizes, objects, colours and places, of this split's own stream."""
        if self.split == "test":  # or held-out scenes would have the places and sizes of training scenes
            key = jr.fold_in(key, 1)
        count, size, kind, colour, place = jr.split(key, 5)
        counts = jnp.array(self.counts, jnp.int32)
        present = (
            jnp.arange(self.layout.objects) < counts[jr.randint(count, (), 0, len(self.counts), jnp.int32)]
        )
        error = jnp.clip(jr.normal(size, present.shape, jnp.float32), -CUT, CUT)
        sides = self.layout.size / (1 + self.layout.jitter * error)
        ink, labels = self.objects(kind, sides)
        ink = ink * present[:, None, None]
        whole = jnp.ceil(sides - SLACK).astype(jnp.int32)[:, None]
        room = jnp.array([self.height, self.width], jnp.int32) - whole + 1
        corners = place_objects(place, ink, room, self.layout.overlap)
        return Layers(ink, corners, colours(colour, self), jnp.where(present, labels, -1))

    def scene(self, key: PRNGKeyArray) -> Scene:
        """Choose the layers, then paint them."""
        return self.paint(self.layers(key))

    def paint(self, layers: Layers) -> Scene:
        """The image that these layers make, and what is true of it."""
        ink, corners, colour, labels = layers
        inked = jax.vmap(on_canvas, (0, 0, None, None))(ink, corners, self.height, self.width)
        image = blend(inked, colour)
        boxes = jax.vmap(box)(ink, corners) * (labels >= 0)[:, None]
        return Scene(jnp.clip(image, 0, 1), jnp.sum(labels >= 0, dtype=jnp.int32), boxes, labels)


def place_objects(
    key: PRNGKeyArray, ink: Float[Array, "n window window"], room: Int[Array, "n 2"], overlap: str
) -> Int[Array, "n 2"]:
    """Corners (top, left) of the windows, uniform in 0..room-1, thrown again while they are in conflict."""
    if overlap == "any" or len(ink) == 1:
        return sample_corners(key, room, 0)
    return lax.platform_dependent(key, ink, room, cpu=one_scene_after_another, default=reject_overlaps)


def sample_corners(
    key: PRNGKeyArray, room: Int[Array, "n 2"], attempt: int | Int[Array, ""]
) -> Int[Array, "n 2"]:
    """Corners, uniform in 0..room-1."""
    share = jr.uniform(jr.fold_in(key, attempt), room.shape, jnp.float32)
    return jnp.floor(share * room).astype(jnp.int32)


def reject_overlaps(
    key: PRNGKeyArray, ink: Float[Array, "n window window"], room: Int[Array, "n 2"]
) -> Int[Array, "n 2"]:
    """Corners where nothing is in conflict, or of all throws those with the least."""

    def again(state):
        attempt, corners, excess, best, least = state
        moves = (excess > 0) | (attempt < TOGETHER) | (attempt % AFRESH == 0)
        corners = jnp.where(moves[:, None], sample_corners(key, room, attempt), corners)
        excess = conflict(ink, corners)
        better = excess.sum() < least
        best, least = jnp.where(better, corners, best), jnp.where(better, excess.sum(), least)
        return attempt + 1, corners, excess, best, least

    def unsettled(state):
        return (state[0] < THROWS) & (state[-1] > 0)

    nowhere, unknown = jnp.zeros_like(room), jnp.ones(len(ink), jnp.float32)
    start = (jnp.int32(0), nowhere, unknown, nowhere, jnp.float32(jnp.inf))
    return lax.while_loop(unsettled, again, start)[3]


# For processors, which gain little from steps in common: there every scene throws as often as the unluckiest.
one_scene_after_another = sequential_vmap(reject_overlaps)


def conflict(ink: Float[Array, "n window window"], corners: Int[Array, "n 2"]) -> Float[Array, "n"]:
    """By how much, over the pixels that an object inks, it and the objects before it exceed 1 in sum.

    All zeros means that no pixel of the image exceeds 1: the last object there sees everything under it.
    Looking through each object's own window costs far fewer pixels than painting the canvas would.
    """
    n, window, _ = ink.shape
    here, before = np.tril_indices(n, -1)
    wide = jnp.pad(ink, ((0, 0), (window, window), (window, window)))

    def through(i, shift):  # the window of another object; beyond the margin starts are clamped, to no ink
        start = (i, *(shift + window))
        return lax.dynamic_slice(wide, start, (1, window, window), allow_negative_indices=False)[0]

    seen = jax.vmap(through)(jnp.asarray(before, jnp.int32), corners[here] - corners[before])
    others = jnp.stack([seen[here == i].sum(0) for i in range(n)])  # a sum of slices: scatters are slow
    excess = ink + others - 1 - SLACK
    return jnp.sum(jnp.maximum(excess, 0) * (ink > 0), axis=(1, 2))


def on_canvas(
    patch: Float[Array, "window window"], corner: Int[Array, "2"], height: int, width: int
) -> Float[Array, "height width"]:
    """An empty canvas with the patch's top left pixel at `corner`; what sticks out is dropped."""
    row, column = jnp.arange(height)[:, None] - corner[0], jnp.arange(width) - corner[1]
    inside = (row >= 0) & (row < len(patch)) & (column >= 0) & (column < len(patch))
    return jnp.where(inside, patch[jnp.clip(row, 0, len(patch) - 1), jnp.clip(column, 0, len(patch) - 1)], 0)


def blend(
    layers: Float[Array, "objects height width"], colour: Float[Array, "objects channels"]
) -> Float[Array, "height width channels"]:
    """Sum of the layers, each in its colour; grey ones take one fused pass, half the time of a product."""
    if colour.shape[1] == 1:
        return jnp.sum(layers * colour[..., None], axis=0)[..., None]
    return jnp.moveaxis(jnp.einsum("nhw,nc->chw", layers, colour), 0, -1)


def box(patch: Float[Array, "window window"], corner: Int[Array, "2"]) -> Float[Array, "4"]:
    """Edges x0, y0, x1, y1 on the canvas, in pixels, of what is brighter than `INK`."""
    inked = patch > INK
    columns, rows = inked.any(0), inked.any(1)
    window = len(patch)
    low = jnp.stack([jnp.argmax(columns), jnp.argmax(rows)])
    high = window - jnp.stack([jnp.argmax(columns[::-1]), jnp.argmax(rows[::-1])])
    return (jnp.concatenate([low, high]) + jnp.tile(corner[::-1], 2)).astype(jnp.float32)


def colours(key: PRNGKeyArray, scenes: AbstractPainted) -> Float[Array, "objects channels"]:
    """White ink for a grey canvas; for colour a random hue, saturation 0.5 to 1, full brightness."""
    shape = (scenes.layout.objects, 1)
    if scenes.channels == 1:
        return jnp.ones(shape, jnp.float32)
    turn, grey = jr.split(key)
    hue = jr.uniform(turn, shape, jnp.float32, 0, 6)
    saturation = jr.uniform(grey, shape, jnp.float32, 0.5)
    k = (jnp.array([5, 3, 1], jnp.float32) + hue) % 6
    return 1 - saturation * jnp.clip(jnp.minimum(k, 4 - k), 0, 1)

"""Coloured shapes from formulas: does counting need digits at all?

With u the position relative to the object's centre, in pixels, and d(u) the signed distance to its edge
(negative inside), a pixel that the edge crosses is inked by the share of it that is covered:

    ink(u) = clip(1/2 - d(u), 0, 1).

Convex polygons are d(u) = max_k <n_k, u> - apothem over their edges' normals n_k; the star is the union,
the smaller distance, of a triangle and its mirror image. Nothing is stored, so nothing can be shared
between training and test scenes but the formulas: the two are different streams of random numbers.
"""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.layout import Layout, check_layout
from subitize.scenes.painting import AbstractPainted

SHAPES = ("circle", "square", "triangle", "star")  # a label is a place in this list


class Sprites(AbstractPainted):
    """Scenes of antialiased circles, squares, triangles and stars.

    Args:
        split: "train" or "test": different streams of random numbers for the same seed and index.
        counts: counts that occur, equally often.
        canvas: side, or (height, width), in pixels.
        size: typical width of a shape, in pixels.
        jitter: relative spread of one over the width.
        overlap: "none" (no summed pixel's ink exceeds 1) or "any" (sums are cut off at 1).
        channels: 3 for shapes of random colours, or 1 for white ones.

    Raises:
        UsageError: an option is out of range, or the shapes find no room.
    """

    split: str = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    family: ClassVar[str] = "sprites"

    def __init__(
        self,
        split: str = "train",
        *,
        counts: Iterable[int] = (0, 1, 2),
        canvas: int | Sequence[int] = 40,
        size: float | int = 12.0,
        jitter: float | int = 0.1,
        overlap: str = "none",
        channels: int = 3,
    ):
        check_choice("split", split, SPLITS)
        self.split = split
        self.layout = check_layout("Sprites", counts, canvas, size, jitter, overlap, channels, ink=0.9)

    def objects(
        self, key: PRNGKeyArray, sides: Float[Array, "objects"]
    ) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
        """Shapes drawn uniformly from `SHAPES`."""
        labels = jr.randint(key, sides.shape, 0, len(SHAPES), jnp.int32)
        return jax.vmap(lambda side, label: draw(side, label, self.layout.window))(sides, labels), labels


def draw(side: Float[Array, ""], label: Int[Array, ""], window: int) -> Float[Array, "window window"]:
    """Ink of one shape of this width from the window's top left corner."""
    along = jnp.arange(window, dtype=jnp.float32) + 0.5 - side / 2
    x, y = along[None, :], along[:, None]
    shapes = (circle(x, y, side), square(x, y, side), triangle(x, y, side), star(x, y, side))
    distance = jnp.stack([jnp.broadcast_to(shape, (window, window)) for shape in shapes])[label]
    within = jnp.maximum(x, y) < side / 2  # a sharp tip would reach half a pixel further
    return jnp.clip(0.5 - distance, 0, 1) * within


def circle(x: Array, y: Array, side: Array) -> Array:
    """Diameter `side`."""
    return jnp.hypot(x, y) - side / 2


def square(x: Array, y: Array, side: Array) -> Array:
    """Upright, as wide as 0.85 of the side, so that it looks no larger than the others."""
    return jnp.maximum(jnp.abs(x), jnp.abs(y)) - 0.425 * side


def triangle(x: Array, y: Array, side: Array) -> Array:
    """Equilateral, standing on its base, inscribed in the circle; its box is in the circle's middle."""
    slope = math.sqrt(3) / 2
    low = y - side / 16  # half of what the circle leaves free below the base
    return jnp.maximum(slope * jnp.abs(x) - low / 2, low) - side / 4


def star(x: Array, y: Array, side: Array) -> Array:
    """Six points, inscribed in the circle: a triangle and the same one upside down."""
    slope = math.sqrt(3) / 2
    up = jnp.maximum(slope * jnp.abs(x) - y / 2, y) - side / 4
    down = jnp.maximum(slope * jnp.abs(x) + y / 2, -y) - side / 4
    return jnp.minimum(up, down)

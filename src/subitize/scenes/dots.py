"""Number without some of its companions: how many there are, when neither area nor field says so.

More things usually cover more of a picture, and are thrown wider. Here the summed area A of all objects and
the side F of the square field that they are thrown into are drawn first,

    log A ~ U(log a, log b) canvases,    F ~ U(c, d) canvas sides,

in the same way for every count n ≥ 1, and the n objects share A evenly, up to `jitter`. On a `texture` the
objects are cut-outs: they and the ground are sums of random waves, one brighter than the other,

    wave(u) = level + contrast √(2/K) Σ_k cos(2π f_k·u + φ_k),

so that brightness alone does not count for us. The hull of the objects and the length of their edges, √(A n),
still go with number: nothing can keep area and edges both. After the stimuli of Stoianov and Zorzi (2012),
"Emergence of a 'visual number sense' in hierarchical generative models", and the cut-outs with which Zhang
et al. (2015) trained "Salient object subitizing".
"""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.errors import UsageError
from subitize.core.json import JSON
from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS, Scene
from subitize.scenes.layout import Layout, check_canvas, check_counts, is_number
from subitize.scenes.painting import AbstractPainted, Layers, blend, colours, on_canvas, place_objects
from subitize.scenes.sprites import SHAPES, draw

GROUNDS = ("plain", "texture")
FILLS = (math.pi / 4, 0.85**2, 3 * math.sqrt(3) / 16, math.sqrt(3) / 4)  # area over squared side, of SHAPES
WAVES = 8  # in a texture
LONGEST, SHORTEST = 32.0, 6.0  # pixels of their lengths
CONTRAST = 0.12  # standard deviation of a texture
APART = 0.3  # least difference between the level of the ground and that of the objects
LEVELS = (0.2, 0.8)  # of both
MOST_COVERED = 0.3  # of the smallest field: beyond that, objects thrown one by one find no place
SHORTEST_SIDE = 3.0  # pixels, of a square with an object's area


class Dots(AbstractPainted):
    """Scenes in which total area and field are independent of the count.

    Args:
        split: "train" or "test": different streams of random numbers for the same seed and index.
        counts: counts that occur, equally often.
        canvas: side, or (height, width), in pixels.
        channels: 3 for colour, or 1.
        ground: "plain": flat shapes on black; "texture": cut-outs on a texture.
        area: least and largest total area of a scene's objects, as a share of the canvas.
        field: least and largest side of the square they are thrown into, as a share of the shorter side.
        jitter: relative spread of the areas within a scene, from 0 to 0.2.

    Raises:
        UsageError: an option is out of range, or the objects find no room.
    """

    split: str = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    ground: str = eqx.field(static=True)
    area: tuple[float, float] = eqx.field(static=True)
    field: tuple[float, float] = eqx.field(static=True)
    jitter: float = eqx.field(static=True)
    family: ClassVar[str] = "dots"

    def __init__(
        self,
        split: str = "train",
        *,
        counts: Iterable[int] = (0, 1, 2, 3, 4),
        canvas: int | Sequence[int] = 64,
        channels: int = 1,
        ground: str = "plain",
        area: Sequence[float] = (0.03, 0.09),
        field: Sequence[float] = (0.8, 1.0),
        jitter: float | int = 0.1,
    ):
        check_choice("split", split, SPLITS)
        check_choice("ground", ground, GROUNDS)
        height, width = check_canvas("Dots", canvas)
        self.area, self.field = check_range("area", area), check_range("field", field)
        if channels not in (1, 3):
            raise UsageError(f"Dots: `channels` is 1 (grey) or 3 (colour); got {channels!r}.")
        if not is_number(jitter) or not 0 <= jitter <= 0.2:
            raise UsageError(
                f"Dots: `jitter` is the relative spread of areas, from 0 to 0.2; got {jitter!r}."
            )
        self.split, self.ground, self.jitter = split, ground, float(jitter)
        largest = math.sqrt(self.area[1] * height * width / min(FILLS))
        smallest_field = self.field[0] * min(height, width)
        check_room(self.area[1] * height * width, largest, smallest_field)
        counts = check_counts("Dots", counts)
        check_size(math.sqrt(self.area[0] * height * width / counts[-1]), counts[-1])
        self.layout = Layout(counts, height, width, largest, 0.0, "none", channels)

    def options(self) -> JSON:
        """The options that were given, as JSON takes them."""
        shape = {name: self.layout.options()[name] for name in ("counts", "canvas", "channels")}
        own = {"ground": self.ground, "area": list(self.area), "field": list(self.field)}
        return shape | own | {"jitter": self.jitter}

    def key(self, key: PRNGKeyArray, stream: str) -> PRNGKeyArray:
        """Of one of this split's own streams of random numbers."""
        split, number = SPLITS.index(self.split), ("pieces", "texture").index(stream)
        return jr.fold_in(jr.fold_in(key, split), number)

    def objects(
        self, key: PRNGKeyArray, sides: Float[Array, "objects"]
    ) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
        """Shapes drawn uniformly from `SHAPES`, as `sides` of the square that has their area."""
        labels = jr.randint(key, sides.shape, 0, len(SHAPES), jnp.int32)
        across = sides / jnp.sqrt(jnp.array(FILLS, jnp.float32))[labels]
        return jax.vmap(lambda side, label: draw(side, label, self.layout.window))(across, labels), labels

    def layers(self, key: PRNGKeyArray) -> Layers:
        """Choose count, area and field, then share the area out and throw."""
        key = self.key(key, "pieces")
        count, area, share, kind, colour, field, place, corner = jr.split(key, 8)
        counts, most = jnp.array(self.counts, jnp.int32), self.layout.objects
        present = jnp.arange(most) < counts[jr.randint(count, (), 0, len(self.counts), jnp.int32)]
        low, high = jnp.log(jnp.array(self.area, jnp.float32))
        total = jnp.exp(jr.uniform(area, (), jnp.float32, low, high)) * self.height * self.width
        weights = present * jnp.exp(self.jitter * jr.normal(share, (most,), jnp.float32).clip(-2, 2))
        ink, labels = self.objects(kind, jnp.sqrt(total * weights / jnp.maximum(weights.sum(), 1e-6)) + 1e-3)
        ink = ink * present[:, None, None]
        side = jr.uniform(field, (), jnp.float32, *self.field) * min(self.height, self.width)
        along = jnp.arange(ink.shape[-1], dtype=jnp.int32) + 1
        reach = jnp.max(jnp.where(ink > 0, jnp.maximum(along[:, None], along), 0), (1, 2))
        room = jnp.maximum(side.astype(jnp.int32) - reach + 1, 1)[:, None] * jnp.ones(2, jnp.int32)
        spare = jnp.array([self.height, self.width], jnp.float32) - side
        first = jnp.floor(jr.uniform(corner, (2,), jnp.float32) * (spare + 1)).astype(jnp.int32)
        corners = first + place_objects(place, ink, room, self.layout.overlap)
        return Layers(ink, corners, colours(colour, self), jnp.where(present, labels, -1))

    def scene(self, key: PRNGKeyArray) -> Scene:
        """Choose the pieces, then paint them, on a texture if there is one."""
        layers = self.layers(key)
        scene = self.paint(layers)
        if self.ground == "plain":
            return scene
        return scene._replace(image=self.cut_out(layers, self.key(key, "texture")))

    def cut_out(self, layers: Layers, key: PRNGKeyArray) -> Float[Array, "height width channels"]:
        """The objects as cut-outs of one texture on another."""
        above, behind, level, gap, which = jr.split(key, 5)
        inked = jax.vmap(on_canvas, (0, 0, None, None))(layers.ink, layers.corners, self.height, self.width)
        covered = blend(inked, jnp.ones((len(inked), 1), jnp.float32))
        low, high = LEVELS
        dark = jr.uniform(level, (), jnp.float32, low, high - APART)
        bright = jr.uniform(gap, (), jnp.float32, dark + APART, high)
        swap = jr.bernoulli(which)
        ground = self.waves(behind) + jnp.where(swap, bright, dark)
        objects = self.waves(above) + jnp.where(swap, dark, bright)
        return jnp.clip(ground + jnp.clip(covered, 0, 1) * (objects - ground), 0, 1)

    def waves(self, key: PRNGKeyArray) -> Float[Array, "height width channels"]:
        """A texture of mean zero."""
        turn, length, shift = jr.split(key, 3)
        shape = (WAVES, self.channels)
        angle, phase = (jr.uniform(k, shape, jnp.float32, 0, 2 * jnp.pi) for k in (turn, shift))
        frequency = jr.uniform(length, shape, jnp.float32, 1 / LONGEST, 1 / SHORTEST)
        y, x = jnp.arange(self.height, dtype=jnp.float32), jnp.arange(self.width, dtype=jnp.float32)
        along = y[:, None, None, None] * jnp.sin(angle) + x[:, None, None] * jnp.cos(angle)
        return CONTRAST * (2 / WAVES) ** 0.5 * jnp.cos(2 * jnp.pi * frequency * along + phase).sum(2)


def check_range(name: str, values: object) -> tuple[float, float]:
    """Two shares in rising order."""
    pair = tuple(values) if isinstance(values, Sequence) and not isinstance(values, str) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or not 0 < pair[0] <= pair[1] <= 1:
        raise UsageError(f"Dots: `{name}` is a pair of shares, 0 < least ≤ largest ≤ 1; got {values!r}.")
    return float(pair[0]), float(pair[1])


def check_room(area: float, side: float, field: float) -> None:
    """Refuse objects that do not fit into the smallest field, in pixels."""
    if math.ceil(side) > field or area > MOST_COVERED * field**2:
        raise UsageError(
            f"Dots: objects of {area:.0f} pixels in sum find no room in a field of {field:.0f}x{field:.0f}. "
            "Use a smaller `area`, or a larger `field`."
        )


def check_size(side: float, most: int) -> None:
    """Refuse objects that are too small to be seen: `side` is that of a square with the least area."""
    if side < SHORTEST_SIDE:
        raise UsageError(
            f"Dots: of {most} objects some would be {side:.1f} pixels a side, too small to be seen. Use a "
            "larger `area`, or smaller `counts`."
        )

"""Which scenes can be asked for, and what is said to somebody who asks for the impossible?

A layout is what every painted family has in common: how many objects, how large, on what canvas, and
whether they may cover one another. An object's side is

    size / (1 + jitter e),   e ~ N(0, 1) cut off at three standard deviations,

the form of the field's multi-digit MNIST, whose side 28 / (1.3 + 0.1 N(0, 1)) is size = 28 / 1.3 and
jitter = 0.1 / 1.3. The cut-off (0.3 % of the digits) bounds the largest side, here at 28 exactly.
"""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import NamedTuple, TypeGuard

from subitize.core.bounds import LARGEST_SIDE
from subitize.core.errors import UsageError
from subitize.core.json import JSON
from subitize.core.specs import check_choice

OVERLAPS = ("none", "any")
CUT = 3.0  # standard deviations of the jitter


class Layout(NamedTuple):
    """The options of a painted family, checked; hashable, so that it can be static under jit.

    Attributes:
        counts: the counts that occur, rising, equally often.
        height: rows of the canvas.
        width: columns of the canvas.
        size: typical side of an object, in pixels.
        jitter: relative standard deviation of one over the side.
        overlap: "none": no pixel gets more than 1 in sum; "any": what exceeds 1 is cut off.
        channels: 1 for grey, 3 for colour.
    """

    counts: tuple[int, ...]
    height: int
    width: int
    size: float
    jitter: float
    overlap: str
    channels: int

    @property
    def objects(self) -> int:
        """The largest count: how many places a scene has."""
        return self.counts[-1]

    @property
    def window(self) -> int:
        """Whole pixels that hold the largest side."""
        return math.ceil(self.size / (1 - CUT * self.jitter) - 1e-6)

    def options(self) -> JSON:
        """The arguments of `check_layout`, as JSON takes them."""
        options = self._asdict() | {"counts": list(self.counts), "canvas": [self.height, self.width]}
        del options["height"], options["width"]
        return options


def check_layout(
    family: str,
    counts: Iterable[int],
    canvas: int | Sequence[int],
    size: float | int,
    jitter: float | int,
    overlap: str,
    channels: int,
    *,
    ink: float,
) -> Layout:
    """Make a layout, or say in three clauses why it cannot be.

    Args:
        family: the name of the scenes, for the errors.
        counts: counts that may occur, each as often as the others; repetitions are ignored.
        canvas: side of a square canvas, or (height, width), in pixels.
        size: typical side of an object, in pixels.
        jitter: relative spread of the side, at least 0 and at most 0.2.
        overlap: "none" or "any".
        channels: 1 or 3.
        ink: side of an object's ink as a share of its side, which decides how many find room.

    Raises:
        UsageError: an option is of the wrong kind or out of range, or the objects cannot fit.
    """
    counts = check_counts(family, counts)
    height, width = check_canvas(family, canvas)
    check_choice("overlap", overlap, OVERLAPS)
    if channels not in (1, 3):
        raise UsageError(f"{family}: `channels` is 1 (grey) or 3 (colour); got {channels!r}.")
    if not is_number(size) or size < 4:
        raise UsageError(f"{family}: `size` is the side of an object in pixels, at least 4; got {size!r}.")
    if not is_number(jitter) or not 0 <= jitter <= 0.2:
        raise UsageError(
            f"{family}: `jitter` is the relative spread of an object's side, from 0 to 0.2; got {jitter!r}."
        )
    layout = Layout(counts, height, width, float(size), float(jitter), overlap, int(channels))
    check_room(family, layout, ink)
    return layout


def check_counts(family: str, counts: object) -> tuple[int, ...]:
    """Counts in rising order: whole, none negative, at least one above 0."""
    given = tuple(counts) if isinstance(counts, Iterable) and not isinstance(counts, str) else ()
    values = [value for value in given if is_whole(value) and value >= 0]
    if not values or len(values) < len(given):
        raise UsageError(
            f"{family}: `counts` lists how many objects a scene may hold, whole numbers from 0 up; "
            f"got {counts!r}. Write `counts=(0, 1, 2)`."
        )
    if max(values) == 0:
        raise UsageError(
            f"{family}: `counts` needs at least one number above 0, or every scene is empty and there is "
            f"nothing to learn; got {given!r}. Write `counts=(0, 1, 2)`."
        )
    return tuple(sorted({int(value) for value in values}))


def check_canvas(family: str, canvas: object) -> tuple[int, int]:
    """Height and width in pixels."""
    sides = (canvas, canvas) if is_whole(canvas) else tuple(canvas) if isinstance(canvas, Sequence) else ()
    if len(sides) != 2 or not all(is_whole(side) and 8 <= side <= LARGEST_SIDE for side in sides):
        raise UsageError(
            f"{family}: `canvas` is one side or (height, width), from 8 to {LARGEST_SIDE} pixels each; "
            f"got {canvas!r}. Write `canvas=50`."
        )
    return int(sides[0]), int(sides[1])


def check_room(family: str, layout: Layout, ink: float) -> None:
    """Refuse objects larger than the canvas and, without overlap, more of them than find room."""
    height, width = layout.height, layout.width
    if layout.window > min(height, width):
        smaller = math.floor(min(height, width) * (1 - CUT * layout.jitter))
        raise UsageError(
            f"{family}: objects of size {layout.size:.3g} grow to {layout.window} pixels with "
            f"jitter={layout.jitter:.2g}, more than a {height}×{width} canvas. "
            f"Use a larger canvas (`canvas={layout.window}`) or smaller objects (`size={smaller}`)."
        )
    room = room_for(height, width, layout.size, ink)
    if layout.overlap == "none" and layout.objects > room:
        canvas, size = roomy(layout, ink)
        raise UsageError(
            f"{family}(counts={layout.counts}) asks for up to {layout.objects} objects, but a "
            f"{height}×{width} canvas with {layout.size:.3g}-pixel objects has room for about {room} without "
            f"overlap. Use a larger canvas (`canvas={canvas}`), smaller objects (`size={size}`), "
            f'or `overlap="any"`.'
        )


def room_for(height: int, width: int, size: float | int, ink: float) -> int:
    """How many objects find a place, fitted, so that at least 98 % of such scenes end without overlap."""
    reach = height - size * (1 - ink), width - size * (1 - ink)  # ink stays that far from the edges
    return math.floor(1.4 + 0.36 * reach[0] * reach[1] / (size * ink) ** 2)


def roomy(layout: Layout, ink: float) -> tuple[int, int]:
    """The smallest larger canvas and the largest smaller size that would do."""
    n, side = layout.objects, max(layout.height, layout.width)
    canvas = next(s for s in range(side, 10**6) if room_for(s, s, layout.size, ink) >= n)
    sizes = range(math.ceil(layout.size), 0, -1)
    return canvas, next(s for s in sizes if room_for(layout.height, layout.width, s, ink) >= n)


def is_whole(value: object) -> TypeGuard[int]:
    """An integer of Python's or NumPy's; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """A finite real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)

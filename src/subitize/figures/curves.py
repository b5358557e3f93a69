"""How are curves drawn here? A panel with axes, a title, and lines; panels in a grid make a figure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from subitize.figures.style import INK, QUIET, RULE, blank, type_of

MARGIN, GAP, FOOT, HEAD = 32, 26, 24, 26


class Line(NamedTuple):
    """A line: x and y of equal length, its colour, and its width in pixels."""

    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    ink: str
    width: int = 2


class Panel(NamedTuple):
    """A panel: a title, lines, and the range of y; of x, that of the lines if none is given.

    If `log`, equal factors of x are as far apart.
    """

    title: str
    lines: Sequence[Line]
    y_range: tuple[float, float]
    caption: str = ""
    x_range: tuple[float, float] | None = None
    log: bool = False


def grid(
    panels: Sequence[Panel], columns: int, title: str, size: tuple[int, int] = (250, 150)
) -> Image.Image:
    """Panels in rows under a title.

    Args:
        panels: in reading order.
        columns: panels in a row.
        title: what this is, in a few words.
        size: width and height of a panel's axes in pixels.
    """
    rows, (wide, high) = -(-len(panels) // columns), size
    across, down = wide + GAP + 34, high + HEAD + FOOT + 18
    sheet, draw = blank(2 * MARGIN + columns * across, 2 * MARGIN + 36 + rows * down)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=type_of(20))
    for i, panel in enumerate(panels):
        x = MARGIN + 34 + (i % columns) * across
        y = MARGIN + 40 + (i // columns) * down
        draw_panel(draw, panel, (x, y + HEAD, x + wide, y + HEAD + high))
    return sheet


def draw_panel(draw: ImageDraw.ImageDraw, panel: Panel, box: tuple[int, int, int, int]) -> None:
    """One panel inside a box."""
    x0, y0, x1, y1 = box
    left, right = panel.x_range or reach(panel.lines)
    low, high = panel.y_range
    draw.text((x0, y0 - 8), panel.title, fill=INK, font=type_of(13), anchor="ls")
    for value in ticks(low, high):
        y = y1 - (value - low) / (high - low) * (y1 - y0)
        draw.line((x0, y, x1, y), fill=RULE)
        draw.text((x0 - 6, y), f"{value:g}", fill=QUIET, font=type_of(10), anchor="rm")
    draw.line((x0, y1, x1, y1), fill=INK)
    for value, end, anchor in ((left, x0, "lt"), (right, x1, "rt")):
        text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        draw.text((end, y1 + 5), text, fill=QUIET, font=type_of(10), anchor=anchor)
    draw.text(((x0 + x1) / 2, y1 + 5), panel.caption, fill=QUIET, font=type_of(10), anchor="mt")
    for line in panel.lines:
        x = x0 + along(np.asarray(line.x, float), left, right, log=panel.log) * (x1 - x0)
        share = (np.asarray(line.y, float) - low) / (high - low)
        y = y1 - np.clip(share, 0, 1) * (y1 - y0)
        points = [(a, b) for a, b, s in zip(x.tolist(), y.tolist(), share, strict=True) if math.isfinite(s)]
        if len(points) > 1:
            draw.line(points, fill=line.ink, width=line.width, joint="curve")


def along(x: np.ndarray, left: float, right: float, *, log: bool) -> np.ndarray:
    """How far x is on the way from left to right."""
    if log:
        return along(np.log(x), math.log(left), math.log(right), log=False)
    return (x - left) / max(right - left, 1e-12)


def reach(lines: Sequence[Line]) -> tuple[float, float]:
    """The range of x of some lines."""
    return min(float(np.min(line.x)) for line in lines), max(float(np.max(line.x)) for line in lines)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers inside a range, at most so many."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * i, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]

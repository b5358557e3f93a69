"""What was seen in this picture?

`overlay` shows one picture with a numbered window on each object, and beside it, never on it, the count and
its confidence. `sample_grid` shows images that a model made up. All are functions from arrays to a Pillow
image.
"""

import math

import numpy as np
from jaxtyping import Float, Num
from PIL import Image, ImageDraw

from subitize.evaluation.counting import intervals
from subitize.figures.style import (
    ACCENT,
    INK,
    QUIET,
    blank,
    colour,
    draw_bars,
    draw_tag,
    draw_window,
    enlarged,
    tile,
    to_image,
    type_of,
)

LEAST = 320  # pixels: a smaller picture is enlarged
MARGIN = 16
MOST_NUMBERED = 24  # objects in a picture: more numbers would hide what they stand for


def overlay(
    picture: Float[np.ndarray, "height width channels"],
    boxes: Num[np.ndarray, "objects 4"],
    posterior: Float[np.ndarray, "counts"],
    *,
    interval: tuple[int, int] | None = None,
    note: str = "",
    truth: int | None = None,
) -> Image.Image:
    """A picture with its windows, above a strip with the count, its confidence and its posterior.

    Args:
        picture: brightness 0..1; its pixels are enlarged by a whole factor if it is small, never changed.
        boxes: x0, y0, x1, y1 of the objects, in its pixels.
        posterior: q(0) … q(N); the count shown is its most probable one.
        interval: of 90 %, to be shown with a large count; the posterior's own if not given.
        note: a line of small type, such as a reason to look twice.
        truth: the true count, where it is known.
    """
    shown = with_windows(*enlarged(to_image(picture), LEAST), boxes)
    size = max(13, min(shown.size) // 24)
    strip = 5 * size
    sheet, draw = blank(shown.width, shown.height + strip)
    sheet.paste(shown, (0, 0))
    top, middle = shown.height, shown.height + strip / 2
    count = int(np.argmax(posterior))
    draw.text((size, middle), str(count), fill=INK, font=type_of(3 * size), anchor="lm")
    left = size + draw.textlength(str(count), type_of(3 * size)) + 0.8 * size
    lines = [noun(count), how_sure(posterior, interval)] + ([note] if note else [])
    for line, text in enumerate(lines):
        y = middle + 1.3 * size * (line - (len(lines) - 1) / 2)
        ink = (INK, QUIET, ACCENT)[line]
        draw.text((left, y), text, fill=ink, font=type_of(size), anchor="lm")
    used = left + max(draw.textlength(text, type_of(size)) for text in lines) + 2 * size
    wide = min(1.6 * size * len(posterior), shown.width - used - size)
    if wide >= 1.2 * size * len(posterior):
        right = shown.width - size
        place = right - wide, top + 0.7 * size, right, top + strip - 0.5 * size
        draw_bars(draw, place, posterior, truth, size)
    return sheet


def with_windows(shown: Image.Image, factor: float | int, boxes: np.ndarray) -> Image.Image:
    """A picture, already enlarged by a factor, with a numbered window on each object; many get rings."""
    draw, side = ImageDraw.Draw(shown), min(shown.size)
    width, size, within = max(2, side // 160), max(11, side // 24), (0, 0, *shown.size)
    boxes = factor * np.asarray(boxes, float)
    if len(boxes) > MOST_NUMBERED:
        for box in boxes:
            draw.ellipse(tuple(box), outline=colour(0), width=max(1, side // 320))
        return shown
    for number, box in enumerate(boxes):
        draw_window(draw, box, colour(number), width)
    for number, box in enumerate(boxes):  # on top of all windows
        draw_tag(draw, box, str(number + 1), colour(number), size, within)
    return shown


def sample_grid(
    images: Float[np.ndarray, "n height width channels"],
    counts: np.ndarray | None = None,
    side: int = 120,
    columns: int | None = None,
) -> Image.Image:
    """A grid of images, as near to a square as their number allows, each with its count below."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows, below = -(-len(images) // columns), 0 if counts is None else 20
    tiles = [tile(image, side)[0] for image in images]
    wide, high = max(t.width for t in tiles), max(t.height for t in tiles) + below
    sheet, draw = blank(MARGIN + columns * (wide + MARGIN), MARGIN + rows * (high + MARGIN))
    for i, picture in enumerate(tiles):
        x, y = MARGIN + i % columns * (wide + MARGIN), MARGIN + i // columns * (high + MARGIN)
        sheet.paste(picture, (x, y))
        if counts is not None:
            place = x + picture.width / 2, y + picture.height + below / 2 + 2
            draw.text(place, str(int(counts[i])), fill=INK, font=type_of(13), anchor="mm")
    return sheet


def noun(count: int) -> str:
    """The word after a number."""
    return "object" if count == 1 else "objects"


def how_sure(posterior: Float[np.ndarray, "counts"], interval: tuple[int, int] | None = None) -> str:
    """What the posterior gives the most probable count; of a large one the interval that holds 90 %."""
    if int(np.argmax(posterior)) <= MOST_NUMBERED:
        return f"confidence {percent(float(posterior.max()))}"
    low, high = interval or (int(edge[0]) for edge in intervals(posterior[None]))
    return f"90 % interval: {low} to {high}"


def percent(probability: float) -> str:
    """A probability for people: never 100 % unless it is, to the rounding of single precision."""
    if probability > 0.9995:
        return "over 99.9 %"
    return f"{100 * probability:.1f} %" if probability > 0.99 else f"{100 * probability:.0f} %"

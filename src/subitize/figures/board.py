"""A contact sheet: what is there, what was seen, and how sure is that?

One scene per row, in two columns of rows:

    picture with windows | what the model painted | each object through its window | q(count) and the truth

so that a glance tells a run that counts from one that sees two digits as one: then one window holds two.
"""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from subitize.core.interfaces import Inference
from subitize.figures.scenes import noun, percent, with_windows
from subitize.figures.style import (
    ACCENT,
    INK,
    QUIET,
    RULE,
    blank,
    colour,
    draw_bars,
    tile,
    to_image,
    type_of,
)

TILE = 132  # pixels: about the side of a picture
GAP = 14
MARGIN = 36
HEAD = 108
MOST = 6  # windows shown of a scene
CAPTIONS = ("picture", "painted by the model", "object by object", "how many")


def board(
    images: Float[np.ndarray, "scenes height width channels"],
    inferred: Inference,
    truth: np.ndarray | None = None,
    title: str = "",
) -> Image.Image:
    """Draw the sheet.

    Args:
        images: brightness 0..1.
        inferred: what was seen, with a leading axis of scenes.
        truth: true counts; None, or -1 for a scene, where nobody knows.
        title: what this is, in a few words.
    """
    results = [type(inferred)(*(np.asarray(part)[i] for part in inferred)) for i in range(len(images))]
    cards = [
        card(image, seen, None if truth is None or truth[i] < 0 else int(truth[i]))
        for i, (image, seen) in enumerate(zip(images, results, strict=True))
    ]
    columns = 1 if len(cards) < 3 else 2
    rows, (wide, high) = -(-len(cards) // columns), cards[0].size
    across = columns * wide + (columns - 1) * MARGIN
    sheet, draw = blank(2 * MARGIN + across, HEAD + rows * (high + GAP) + MARGIN - GAP)
    headline(draw, sheet.width, title, summary(np.array([seen.count for seen in results]), truth))
    for i, picture in enumerate(cards):
        x, y = MARGIN + i // rows * (wide + MARGIN), HEAD + i % rows * (high + GAP)
        sheet.paste(picture, (x, y))
        if i % rows:
            draw.line((x, y - GAP // 2, x + wide, y - GAP // 2), fill=RULE)
        else:
            for left, caption in zip(fields(results[i], picture.height), CAPTIONS, strict=True):
                draw.text((x + left, y - 10), caption, fill=QUIET, font=type_of(12), anchor="ls")
    return sheet


def fields(seen, side: int) -> tuple[int, int, int, int]:
    """Where the four fields of a card begin, in pixels from its left."""
    patch, columns = slots(seen, side)
    third = 2 * (round(side * seen.patches.shape[2] / seen.patches.shape[1]) + GAP)
    return 0, third // 2, third, third + columns * (patch + 8) + GAP


def slots(seen, side: int) -> tuple[int, int]:
    """Side of a window's patch, and how many stand side by side: one row of three, or two rows."""
    shown = min(MOST, len(seen.boxes))
    return (round(0.64 * side), shown) if shown < 4 else ((side - 8) // 2, -(-shown // 2))


def card(image: np.ndarray, seen, truth: int | None) -> Image.Image:
    """One scene: four fields side by side."""
    shown, factor = tile(image, TILE)
    count, (patch, columns) = int(seen.count), slots(seen, shown.height)
    bars = max(112, 20 * len(seen.posterior))
    _, second, third, last = fields(seen, shown.height)
    sheet, draw = blank(last + bars, shown.height)
    sheet.paste(with_windows(shown, factor, seen.boxes[:count]), (0, 0))
    sheet.paste(tile(seen.reconstruction, TILE)[0], (second, 0))
    for slot in range(min(MOST, len(seen.boxes))):
        x, y = third + slot % columns * (patch + 8), slot // columns * (patch + 8)
        draw_slot(sheet, draw, (x, y, x + patch, y + patch), seen, slot)
    draw_bars(draw, (last, 34, last + bars, shown.height - 2), seen.posterior, truth)
    wrong = truth is not None and truth != count
    verdict = f"{noun(count)}, not {truth}" if wrong else percent(float(seen.posterior[count]))
    draw.text((last, 0), str(count), fill=ACCENT if wrong else INK, font=type_of(26), anchor="lt")
    after = last + draw.textlength(str(count), type_of(26)) + 8
    draw.text((after, 20), verdict, fill=ACCENT if wrong else QUIET, font=type_of(12), anchor="ls")
    return sheet


def draw_slot(sheet: Image.Image, draw: ImageDraw.ImageDraw, frame: tuple, seen, slot: int) -> None:
    """What was painted for one object, seen through its window; an empty frame for one that is not there."""
    x0, y0, x1, y1 = frame
    if slot >= int(seen.count):
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=RULE, width=1)
        return
    inside = to_image(cut(seen.patches[slot], seen.boxes[slot])).resize((x1 - x0 - 6, y1 - y0 - 6))
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour(slot))
    sheet.paste(inside, (x0 + 3, y0 + 3))


def cut(patch: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of a canvas inside a window; black where the window leaves the canvas."""
    x0, y0, x1, y1 = (int(edge) for edge in np.round(box))
    side = max(1, x1 - x0, y1 - y0)
    found = np.zeros((side, side, patch.shape[-1]), patch.dtype)
    top, left = max(0, y0), max(0, x0)
    part = patch[top : max(top, y0 + side), left : max(left, x0 + side)]
    found[top - y0 : top - y0 + part.shape[0], left - x0 : left - x0 + part.shape[1]] = part
    return found


def headline(draw: ImageDraw.ImageDraw, width: int, title: str, note: str) -> None:
    """Title on the left, what came out on the right, a rule below."""
    draw.text((MARGIN, 30), title, fill=INK, font=type_of(22), anchor="lt")
    draw.text((width - MARGIN, 52), note, fill=QUIET, font=type_of(14), anchor="rs")
    draw.line((MARGIN, 70, width - MARGIN, 70), fill=INK)


def summary(count: np.ndarray, truth: np.ndarray | None) -> str:
    """What came out, in a sentence."""
    known = np.zeros(len(count), bool) if truth is None else np.asarray(truth) >= 0
    if not known.any():
        return f"{len(count)} scenes, {int(count.sum())} objects"
    right = int((count == np.asarray(truth))[known].sum())
    return f"{right} of {int(known.sum())} counts right · the dot marks the truth"

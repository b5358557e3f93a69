"""What do all pictures here have in common?

Off-white paper, dark type, one accent, and eight window colours that people with any colour vision can tell
apart and that show on black as on white (after Okabe and Ito 2008, "Color universal design", whose black and
dark blue would vanish on a dark picture). Pixels are enlarged by whole factors only, so that each one stays a
square of its own colour. Pillow is all that is needed; its own typeface comes with it.
"""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, QUIET, RULE, ACCENT = "#fbfaf7", "#22252a", "#83878f", "#e3e0d8", "#d55e00"
WINDOWS = ("#e69f00", "#56b4e9", "#2fbf8f", "#f0e442", "#e8743b", "#d98cc0", "#9d8df1", "#bfbfbf")

Box = Sequence[float | int] | np.ndarray  # x0, y0, x1, y1


def colour(number: int) -> str:
    """Colour of the window of object `number`, from 0; they come round again after the last."""
    return WINDOWS[number % len(WINDOWS)]


@functools.cache
def type_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface at a size in pixels."""
    return ImageFont.load_default(size)


def to_image(values: np.ndarray) -> Image.Image:
    """An array [height, width, 1 or 3] of brightness 0..1 as an image; 8-bit pictures come back exactly."""
    bytes_ = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return Image.fromarray(np.repeat(bytes_, 3, -1) if bytes_.shape[-1] == 1 else bytes_)


def enlarged(image: Image.Image, least: int) -> tuple[Image.Image, int]:
    """The image by the smallest whole factor that makes its shorter side at least `least`, and the factor."""
    factor = max(1, -(-least // min(image.size)))
    factor = min(factor, max(1, 4 * least // max(image.size)))  # a long strip is not blown up
    return enlarged_by(image, factor), factor


def enlarged_by(image: Image.Image, factor: int) -> Image.Image:
    """Every pixel a square of so many."""
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def tile(values: np.ndarray, side: int) -> tuple[Image.Image, float]:
    """An array as an image about `side` large, and the factor: whole if enlarged, a fraction if shrunk."""
    image = to_image(values)
    factor = side / max(image.size)
    factor = float(round(factor)) if factor > 2 / 3 else factor
    size = max(1, round(factor * image.width)), max(1, round(factor * image.height))
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    return image.resize(size, how), factor


def blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet and the pen to draw on it."""
    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """One picture below the other."""
    sheet, _ = blank(max(p.width for p in pictures), sum(p.height for p in pictures))
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def titled(picture: Image.Image, title: str) -> Image.Image:
    """A picture below its title."""
    margin, size = 16, 15
    wide = max(picture.width, round(type_of(size).getlength(title)))
    sheet, draw = blank(wide + 2 * margin, picture.height + 2 * margin + 2 * size)
    draw.text((margin, margin), title, fill=INK, font=type_of(size))
    sheet.paste(picture, (margin, margin + 2 * size))
    return sheet


def draw_window(draw: ImageDraw.ImageDraw, box: Box, ink: str, width: int) -> None:
    """The outline of a window, with a dark rim so that it shows on a bright picture too."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    x1, y1 = max(x1 - 1, x0), max(y1 - 1, y0)
    rim = max(1, width // 2)
    draw.rectangle((x0 - rim, y0 - rim, x1 + rim, y1 + rim), outline="#101114", width=rim)
    draw.rectangle((x0, y0, x1, y1), outline=ink, width=width)


def draw_tag(draw: ImageDraw.ImageDraw, box: Box, text: str, ink: str, size: int, within: Box) -> None:
    """A number on the window's top edge, pushed back inside where it would leave the picture."""
    font = type_of(size)
    wide, high = round(draw.textlength(text, font)) + size // 2, round(1.25 * size)
    x = min(max(round(box[0]), within[0]), within[2] - wide)
    y = round(box[1]) - high
    y = min(max(y if y >= within[1] else round(box[1]), within[1]), within[3] - high)
    draw.rectangle((x - 1, y - 1, x + wide, y + high), fill="#101114")
    draw.rectangle((x, y, x + wide - 1, y + high - 1), fill=ink)
    draw.text((x + wide / 2, y + high / 2), text, fill="#101114", font=font, anchor="mm")


def draw_bars(
    draw: ImageDraw.ImageDraw, box: Box, posterior: np.ndarray, truth: int | None = None, size: int = 12
) -> None:
    """A posterior over counts as bars, the most probable one in the accent; a dot marks the truth."""
    x0, y0, x1, y1 = box
    base, step = y1 - round(1.9 * size), (x1 - x0) / len(posterior)
    wide, best = min(0.62 * step, 2.2 * size), int(np.argmax(posterior))
    for n, p in enumerate(posterior):
        middle, high = x0 + (n + 0.5) * step, round((base - y0) * float(p))
        if high > 0:
            ink = ACCENT if n == best else QUIET
            draw.rectangle((middle - wide / 2, base - high, middle + wide / 2, base - 1), fill=ink)
        label = INK if n in (best, truth) else QUIET
        draw.text((middle, base + 0.3 * size), str(n), fill=label, font=type_of(size), anchor="mt")
        if n == truth:
            draw.ellipse((middle - 2.5, y1 - 5, middle + 2.5, y1), fill=INK)
    draw.line((x0, base, x1, base), fill=INK)

"""How does a file, or the bytes of one, become an array, or one clear sentence?

A picture is read once, as float32 [height, width, channels] between 0 (black) and 1:

    grey of 8 bits  v / 255      grey of 16 bits   v / 65535      real numbers  stretched only if outside 0..1
    colour          v / 255      alpha a           v a, that is, over black

Whatever is wrong with the file becomes a `PictureError` with a short `reason`. Only formats on the
list are tried, none of which can run code; the size is judged from the header, before any decoding.

What is lost although the file is read is a remark:

    first_of_N_pages        the file has N pages, and only the first one is read
    narrow_range            the values of a file of more than 8 bits span less than 1/16 of its range
    lost_in_transparency    all that the picture shows is in its transparency, and over black nothing is left
"""

import io
import os
import stat
import warnings
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from subitize.core.errors import SubitizeError, printable

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
MAX_PIXELS = 64_000_000  # a square of 8,000; the array of a colour picture then takes 0.8 GB
MIN_SIDE = 8  # pixels
NARROW = 1 / 16  # share of the range of a file: 12 bits in a file of 16
NOTHING = 2 / 255  # brightest minus darkest pixel of what shows nothing

UNREADABLE = "the file may not be opened; change its permissions."
NOT_A_PICTURE = f"this is no {', '.join(FORMATS)} picture, or its header is damaged; save it again as PNG."
TOO_LARGE = f"a picture may have {MAX_PIXELS // 1_000_000} million pixels"
SMALLER = "Scale it down or cut it up."


class PictureError(SubitizeError):
    """One file is not a picture that can be read; the others are not concerned.

    Attributes:
        reason: missing, not_a_file, unreadable, empty, not_a_picture, truncated, damaged, too_large,
            too_small or not_finite.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, name: str | Path, reason: str, sentence: str):
        super().__init__(f"{printable(name)}: {sentence}")
        self.reason = reason


class Picture(NamedTuple):
    """A picture as its file has it.

    Attributes:
        pixels: float32 [height, width, 1 for grey or 3 for colour] in 0..1, upright, alpha laid over black.
        remarks: codes of what is lost although the file is read.
    """

    pixels: np.ndarray
    remarks: tuple[str, ...] = ()


def read_picture(source: str | Path | bytes, name: str | Path = "the picture") -> Picture:
    """Read the first page of a picture.

    Args:
        source: a file of one of `FORMATS`, whatever its suffix, or the bytes of one.
        name: what to call it in errors, if it is bytes; a file is called by its path.

    Raises:
        PictureError: it is not a usable picture; `.reason` says why in a word.
    """
    name = name if isinstance(source, bytes) else source
    # catch_warnings: a decoder's remark about a stranger's file is no business of the user's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with opened(source, name) as stream:
                return decode(stream, name)
        except SubitizeError:
            raise
        except Image.UnidentifiedImageError:
            raise PictureError(name, "not_a_picture", NOT_A_PICTURE) from None
        except Image.DecompressionBombError:
            raise PictureError(name, "too_large", f"{TOO_LARGE}; it has more. {SMALLER}") from None
        except PermissionError:
            raise PictureError(name, "unreadable", UNREADABLE) from None
        except Exception as error:  # decoders raise anything: SyntaxError, struct.error, EOFError, ...
            cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
            reason = "truncated" if cut else "damaged"
            said = printable(str(error) or type(error).__name__)
            raise PictureError(name, reason, f"the picture is {reason} ({said}); save it again.") from None


def opened(source: str | Path | bytes, name: str | Path) -> io.BytesIO | io.BufferedReader:
    """A stream with something in it, of an ordinary file (a pipe would block for ever) or of bytes."""
    # never a name: Pillow maps a named TIFF into memory and then mistakes a sideways one's rows
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            status = os.stat(source)
        except PermissionError:
            raise PictureError(name, "unreadable", UNREADABLE) from None
        except (OSError, ValueError):
            link = " (a link that points nowhere)" if os.path.islink(source) else ""
            raise PictureError(name, "missing", f"there is no such file{link}.") from None
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(name, "not_a_file", "this is no ordinary file; give a picture.")
        size = status.st_size
    if size == 0:
        raise PictureError(name, "empty", "the file has 0 bytes; copy or save it again.")
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def decode(stream: io.BytesIO | io.BufferedReader, name: str | Path) -> Picture:
    """The first page of a stream."""
    with Image.open(stream, formats=FORMATS) as picture:
        check_size(picture.size, name)
        upright, remarks = ImageOps.exif_transpose(picture), pages(picture)
    if upright.mode == "F":
        return with_remarks(stretched(name, np.asarray(upright), 1.0), remarks)
    if upright.mode.startswith("I"):  # I;16 and its byte orders, and I of 32 bits
        return with_remarks(stretched(name, np.asarray(upright), 65535.0), remarks)
    if upright.has_transparency_data:
        return with_remarks(over_black(np.asarray(upright.convert("RGBA"), np.float32) / 255), remarks)
    grey = upright.mode in ("1", "L")
    values = np.asarray(upright.convert("L" if grey else "RGB"), np.float32)
    return Picture((values / 255).reshape(*values.shape[:2], -1), remarks)


def check_size(size: tuple[int, int], name: str | Path) -> None:
    """Refuse what is too large to decode, or too small to hold anything."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise PictureError(name, "too_large", f"{TOO_LARGE}; it has {width:,} x {height:,}. {SMALLER}")
    if min(width, height) < MIN_SIDE:
        sentence = f"a picture needs at least {MIN_SIDE} x {MIN_SIDE} pixels; it has {width} x {height}."
        raise PictureError(name, "too_small", sentence)


def pages(picture: Any) -> tuple[str, ...]:
    """A remark on a file of several pages; those that a camera adds for itself, in JPEG, are none."""
    number = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    return (f"first_of_{number}_pages",) if number > 1 else ()


def with_remarks(picture: Picture, remarks: tuple[str, ...]) -> Picture:
    """The picture with other remarks before its own."""
    return Picture(picture.pixels, remarks + picture.remarks)


def stretched(name: str | Path, values: np.ndarray, white: float) -> Picture:
    """Grey values of a wide type in 0..1: `white` is 1, unless the picture goes beyond it or below 0."""
    if not np.isfinite(values).all():
        sentence = "some pixels are no numbers (NaN or infinite); replace them and save it again."
        raise PictureError(name, "not_finite", sentence)
    least, most = float(values.min()), float(values.max())
    low, high = min(0.0, least), max(white, most)
    pixels = ((values.astype(np.float64) - low) / (high - low)).astype(np.float32)[..., None]
    narrow = 0 < most - least < NARROW * (high - low)
    return Picture(pixels, ("narrow_range",) if narrow else ())


def over_black(rgba: np.ndarray) -> Picture:
    """Colours in 0..1 with their alpha laid over black."""
    pixels, alpha = rgba[..., :3] * rgba[..., 3:], rgba[..., 3]
    lost = np.ptp(pixels) <= NOTHING < np.ptp(alpha)
    return Picture(pixels, ("lost_in_transparency",) if lost else ())

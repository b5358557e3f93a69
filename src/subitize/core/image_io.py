"""How does a file, or a page of one, or its bytes, become an array, or one clear sentence?

A picture is read once, as float32 [height, width, channels] between 0 (black) and 1:

    grey of 8 bits  v / 255      grey of 16 bits   v / 65535      real numbers  stretched only if outside 0..1
    colour          v / 255      alpha a           over black, or over white if far more is seen so

Whatever is wrong with the file becomes a `PictureError` with a short `reason`. Only formats on the
list are tried, none of which can run code; the size is judged from the header, before any decoding.

What is lost although the file is read is a remark:

    first_of_N_pages        the file has N pages, and only the first one is read
    narrow_range            the values of a file of more than 8 bits span less than 1/16 of its range
"""

import errno
import importlib.util
import io
import os
import stat
import warnings
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from subitize.core.errors import SubitizeError, printable

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".avif"),
)
STRANGE = {  # suffixes of pictures that are not read, and what to do
    ".heic .heif": "phones write it; `pip install 'subitize[heic]'` reads it, or save it as JPEG",
    ".czi .nd2 .lif .oib .oif .vsi .ims .lsm .dv .mrc .zvi": "a microscope's own; export it as TIFF",
    ".svs .ndpi .scn .mrxs": "a slide scanner's own; export parts of it as TIFF",
    ".dcm .nii": "a medical scanner's own; export it as TIFF",
    ".raw .dng .cr2 .cr3 .nef .arw .raf": "a camera's raw data; save it as JPEG or TIFF",
    ".psd .xcf": "a drawing program's own; save it as PNG",
}
STRANGE_SUFFIXES = {suffix: what for suffixes, what in STRANGE.items() for suffix in suffixes.split()}
HEIF = (".heic", ".heif")  # read where pillow-heif is installed
MAX_PIXELS = 64_000_000  # a square of 8,000; the array of a colour picture then takes 0.8 GB
MIN_SIDE = 8  # pixels
NARROW_RANGE = "narrow_range"  # a remark
NARROW = 1 / 16  # share of the range of a file: 12 bits in a file of 16
NOTHING = 2 / 255  # brightest minus darkest pixel of what shows nothing

DRIVE_GONE = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT)
UNREADABLE = "the file may not be opened; change its permissions."
NOT_A_PICTURE = f"this is no {', '.join(FORMATS)} picture, or its header is damaged; save it again as PNG."
TOO_LARGE = f"a picture may have {MAX_PIXELS // 1_000_000} million pixels"
SMALLER = "Scale it down or cut it up."


class PictureError(SubitizeError):
    """One file is not a picture that can be read; the others are not concerned.

    Attributes:
        reason: missing, not_a_file, unreadable, empty, not_a_picture, unknown_format, truncated, damaged,
            too_large, too_small, not_finite, no_such_page or pages_differ.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, name: str | Path, reason: str, sentence: str):
        super().__init__(f"{printable(name)}: {sentence}")
        self.reason = reason


class Picture(NamedTuple):
    """A picture as its file has it.

    Attributes:
        pixels: float32 [height, width, 1 for grey or 3 for colour] in 0..1, upright, nothing transparent.
        remarks: codes of what is lost although the file is read.
    """

    pixels: np.ndarray
    remarks: tuple[str, ...] = ()


class Page(NamedTuple):
    """A page of a file of several, or all of them as one picture.

    Attributes:
        file: the file.
        number: of the page, from 0; None for the brightest that any page has in each pixel.
    """

    file: Path
    number: int | None


def pages_in(file: Path) -> int:
    """How many pages a file has; one if it cannot be read, which reading it will tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(file, file) as stream, Image.open(stream, formats=formats_of(file)) as picture:
                return pages_of(picture)
    except Exception:  # decoders raise anything
        return 1


def read_picture(source: str | Path | bytes | Page, name: str | Path = "the picture") -> Picture:
    """Read a picture: the first page of a file, or the page that is asked for.

    Args:
        source: a file of one of `FORMATS`, whatever its suffix, the bytes of one, or a page of a file.
        name: what to call it in errors, if it is bytes; a file is called by its path.

    Raises:
        PictureError: it is not a usable picture; `.reason` says why in a word.
    """
    file = source.file if isinstance(source, Page) else source
    name = name if isinstance(file, bytes) else file
    # catch_warnings: a decoder's remark about a stranger's file is no business of the user's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with opened(file, name) as stream:
                if Path(name).suffix.lower() in STRANGE_SUFFIXES and formats_of(name) == FORMATS:
                    raise unknown(name)  # some are TIFF inside, and hold a thumbnail besides
                return decode(stream, name, source if isinstance(source, Page) else None)
        except SubitizeError:
            raise
        except Image.UnidentifiedImageError:
            raise unknown(name) from None
        except Image.DecompressionBombError:
            raise PictureError(name, "too_large", f"{TOO_LARGE}; it has more. {SMALLER}") from None
        except PermissionError:
            raise PictureError(name, "unreadable", UNREADABLE) from None
        except FileNotFoundError:
            raise missing(name) from None
        except Exception as error:  # decoders raise anything: SyntaxError, struct.error, EOFError, ...
            if isinstance(error, OSError) and error.errno in DRIVE_GONE:
                why = f"the system cannot read the file ({error.strerror}); look whether its drive is there."
                raise PictureError(name, "unreadable", why) from None
            cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
            reason = "truncated" if cut else "damaged"
            said = printable(str(error) or type(error).__name__)
            raise PictureError(name, reason, f"the picture is {reason} ({said}); save it again.") from None


def formats_of(name: str | Path) -> tuple[str, ...]:
    """The formats that a file of this name may have."""
    if Path(name).suffix.lower() in HEIF and importlib.util.find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return (*FORMATS, "HEIF")  # some are JPEG with the name of the other
    return FORMATS


def missing(name: str | Path) -> PictureError:
    """What to say of a file that is not there, or no more."""
    link = " (a link that points nowhere)" if os.path.islink(name) else ""
    return PictureError(name, "missing", f"there is no such file{link}.")


def unknown(name: str | Path) -> PictureError:
    """What to say of a file of no known format."""
    what = STRANGE_SUFFIXES.get(Path(name).suffix.lower())
    if what and formats_of(name) == FORMATS:
        return PictureError(name, "unknown_format", f"this format is not read: {what}.")
    return PictureError(name, "not_a_picture", NOT_A_PICTURE)


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
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in DRIVE_GONE:
                raise
            raise missing(name) from None
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(name, "not_a_file", "this is no ordinary file; give a picture.")
        size = status.st_size
    if size == 0:
        raise PictureError(name, "empty", "the file has 0 bytes; copy or save it again.")
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def decode(stream: io.BytesIO | io.BufferedReader, name: str | Path, page: Page | None = None) -> Picture:
    """A page of a stream; the first one, with a remark if there are more, if none is asked for."""
    with Image.open(stream, formats=formats_of(name)) as picture:
        check_size(picture.size, name)
        number = pages_of(picture)
        if page is None:
            remarks = (f"first_of_{number}_pages",) if number > 1 else ()
            return with_remarks(decoded(picture, name), remarks)
        if page.number is not None:
            if page.number >= number:
                sentence = f"page {page.number + 1} is needed, and it has {number}. Count it again."
                raise PictureError(name, "no_such_page", sentence)
            return page_of(picture, page.number, name)
        return brightest([page_of(picture, each, name) for each in range(number)], name)


def page_of(picture: Image.Image, number: int, name: str | Path) -> Picture:
    """One page of an open file."""
    picture.seek(number)
    check_size(picture.size, name)
    return decoded(picture, name)


def brightest(pages: list[Picture], name: str | Path) -> Picture:
    """The largest value that any of some pages has in each pixel."""
    if len({page.pixels.shape for page in pages}) > 1:
        sentence = "its pages differ in size or colour, and cannot be laid over each other; count each."
        raise PictureError(name, "pages_differ", sentence)
    return Picture(np.max([page.pixels for page in pages], axis=0), pages[0].remarks)


def decoded(picture: Image.Image, name: str | Path) -> Picture:
    """The page that an open file stands at."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F":
        return stretched(name, np.asarray(upright), 1.0)
    if upright.mode.startswith("I"):  # I;16 and its byte orders, and I of 32 bits
        return stretched(name, np.asarray(upright), 65535.0)
    if upright.has_transparency_data:
        return Picture(over_ground(np.asarray(upright.convert("RGBA"), np.float32) / 255))
    grey = upright.mode in ("1", "L")
    values = np.asarray(upright.convert("L" if grey else "RGB"), np.float32)
    return Picture((values / 255).reshape(*values.shape[:2], -1))


def check_size(size: tuple[int, int], name: str | Path) -> None:
    """Refuse what is too large to decode, or too small to hold anything."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise PictureError(name, "too_large", f"{TOO_LARGE}; it has {width:,} x {height:,}. {SMALLER}")
    if min(width, height) < MIN_SIDE:
        sentence = f"a picture needs at least {MIN_SIDE} x {MIN_SIDE} pixels; it has {width} x {height}."
        raise PictureError(name, "too_small", sentence)


def pages_of(picture: Image.Image) -> int:
    """How many pages an open file has; those that a camera adds for itself, in JPEG, are none."""
    return 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)


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
    return Picture(pixels, (NARROW_RANGE,) if narrow else ())


def over_ground(rgba: np.ndarray) -> np.ndarray:
    """Colours in 0..1 with their alpha over black, or over white if that shows more than twice as much."""
    colours, alpha = rgba[..., :3], rgba[..., 3:]
    black, white = colours * alpha, colours * alpha + 1 - alpha
    return white if np.ptp(white) > 2 * np.ptp(black) else black

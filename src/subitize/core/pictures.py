"""How does a file that somebody calls a picture become an array, or one clear sentence?

A picture is read once, as float32 [height, width, channels] between 0 (black) and 1:

    grey of 8 bits  v / 255      grey of 16 bits   v / 65535      real numbers  stretched only if outside 0..1
    colour -> grey  0.299 r + 0.587 g + 0.114 b (ITU-R BT.601)    alpha a       v a, that is, over black

Whatever is wrong with the file becomes a `PictureError` with a short `reason`. Only formats on the
list are tried, none of which can run code; the size is judged from the header, before any decoding.
"""

import itertools
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps

from subitize.core.errors import NoInputError, SubitizeError, UsageError, did_you_mean

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
LARGEST = 64_000_000  # pixels: a square of 8,000; the array of a colour picture then takes 0.8 GB
SMALLEST = 8  # pixels a side
FITS = ("resize", "crop", "pad")
INVERTS = ("auto", "always", "never")

UNREADABLE = "the file may not be opened; change its permissions."
NOT_A_PICTURE = f"this is no {', '.join(FORMATS)} picture, or its header is damaged; save it again as PNG."
TOO_LARGE = f"a picture may have {LARGEST // 1_000_000} million pixels"
SMALLER = "Scale it down or cut it up."


class PictureError(SubitizeError):
    """One file is not a picture that can be read; the others are not concerned.

    Attributes:
        reason: missing, not_a_file, unreadable, empty, not_a_picture, truncated, damaged, too_large,
            too_small or not_finite.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, path: str | Path, reason: str, sentence: str):
        super().__init__(f"{printable(path)}: {sentence}")
        self.reason = reason


def printable(path: str | Path) -> str:
    """A file name that can be written to any UTF-8 file, whatever bytes the disk holds."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_picture(path: str | Path, channels: int) -> np.ndarray:
    """Read the first frame of a picture, upright, as float32 [height, width, channels] in 0..1.

    Args:
        path: a file of one of `FORMATS`, whatever its suffix.
        channels: 1 for grey, 3 for colour (a grey picture is repeated).

    Raises:
        PictureError: the file is not a usable picture; `.reason` says why in a word.
    """
    check_file(path)
    # catch_warnings: a decoder's remark about a stranger's file is no business of the user's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = decode(path)
        except SubitizeError:
            raise
        except Image.UnidentifiedImageError:
            raise PictureError(path, "not_a_picture", NOT_A_PICTURE) from None
        except Image.DecompressionBombError:
            raise PictureError(path, "too_large", f"{TOO_LARGE}; it has more. {SMALLER}") from None
        except PermissionError:
            raise PictureError(path, "unreadable", UNREADABLE) from None
        except Exception as error:  # decoders raise anything: SyntaxError, struct.error, EOFError, ...
            cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
            reason = "truncated" if cut else "damaged"
            sentence = f"the picture is {reason} ({str(error) or type(error).__name__}); save it again."
            raise PictureError(path, reason, sentence) from None
    return to_channels(values, channels)


def check_file(path: str | Path) -> None:
    """Refuse what is no ordinary file with something in it (a pipe would block for ever)."""
    try:
        status = os.stat(path)
    except PermissionError:
        raise PictureError(path, "unreadable", UNREADABLE) from None
    except (OSError, ValueError):
        link = " (a link that points nowhere)" if os.path.islink(path) else ""
        raise PictureError(path, "missing", f"there is no such file{link}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(path, "not_a_file", "this is no ordinary file; give a picture.")
    if status.st_size == 0:
        raise PictureError(path, "empty", "the file has 0 bytes; copy or save it again.")


def decode(path: str | Path) -> np.ndarray:
    """Pixels as float32 [height, width, 1 | 3], upright, alpha laid over black."""
    # a stream, not a name: Pillow maps a named TIFF into memory and then mistakes a sideways one's rows
    with open(path, "rb") as stream, Image.open(stream, formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > LARGEST:
            raise PictureError(path, "too_large", f"{TOO_LARGE}; it has {width:,} x {height:,}. {SMALLER}")
        if min(width, height) < SMALLEST:
            sentence = f"a picture needs at least {SMALLEST} x {SMALLEST} pixels; it has {width} x {height}."
            raise PictureError(path, "too_small", sentence)
        upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F":
        return stretch(path, np.asarray(upright), 1.0)
    if upright.mode.startswith("I"):  # I;16 and its byte orders, and I of 32 bits
        return stretch(path, np.asarray(upright), 65535.0)
    if upright.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"), np.float32) / 255
        return rgba[..., :3] * rgba[..., 3:]
    grey = upright.mode in ("1", "L")
    values = np.asarray(upright.convert("L" if grey else "RGB"), np.float32)
    return (values / 255).reshape(*values.shape[:2], -1)


def stretch(path: str | Path, values: np.ndarray, white: float) -> np.ndarray:
    """Grey values of a wide type into 0..1: `white` is 1, unless the picture goes beyond it or below 0."""
    if not np.isfinite(values).all():
        sentence = "some pixels are no numbers (NaN or infinite); replace them and save it again."
        raise PictureError(path, "not_finite", sentence)
    low, high = min(0.0, float(values.min())), max(white, float(values.max()))
    return ((values.astype(np.float64) - low) / (high - low)).astype(np.float32)[..., None]


def to_channels(values: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour by repetition, colour to grey by the weights of the eye."""
    if values.shape[-1] == channels:
        return values
    if channels == 3:
        return np.repeat(values, 3, axis=-1)
    return (values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]


def find_pictures(paths: Iterable[str | Path]) -> list[tuple[Path, str]]:
    """Files to read, in an order that depends on their names alone.

    A file named explicitly is always listed. A folder gives every file in it with a picture's suffix, hidden
    ones excepted; a folder in it that may not be opened is listed too, so that nothing is lost silently.

    Args:
        paths: files and folders; folders inside folders are walked, links to folders are not.

    Returns:
        Pairs of the file and its name relative to the folder given; names are unique.

    Raises:
        NoInputError: a path does not exist, or there is no picture in any of them.
    """
    paths = [Path(path) for path in paths]
    found: dict[Path, str] = {}
    for path in paths:
        if not path.exists() and not path.is_symlink():
            siblings = os.listdir(path.parent) if path.parent.is_dir() else []
            hint = did_you_mean(path.name, siblings)
            raise NoInputError(f"There is no file or folder {printable(path)}.{hint} Give one that exists.")
        for file in sorted(walk(path)) if path.is_dir() else [path]:
            found.setdefault(
                file, printable(file.relative_to(path).as_posix() if path.is_dir() else file.name)
            )
    if not found:
        where = ", ".join(map(printable, paths)) or "an empty list of paths"
        suffixes = " ".join(SUFFIXES)
        raise NoInputError(
            f"Pictures are needed, but there is none in {where}. Files that count: {suffixes}."
        )
    return list(zip(found, unique(found.values()), strict=True))


def walk(folder: Path) -> Iterator[Path]:
    """Files of a folder that look like pictures, and folders in it that could not be opened."""
    closed: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(root, name)
    yield from closed


def unique(names: Iterable[str]) -> list[str]:
    """The names, with ~2, ~3, ... before the suffix of those that came before."""
    free: dict[str, None] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        candidates = (f"{stem}~{number}{suffix}" for number in itertools.count(2))
        free[name if name not in free else next(c for c in candidates if c not in free)] = None
    return list(free)


def border(values: np.ndarray) -> np.ndarray:
    """The pixels along the four edges, [pixels, channels]: what the ground looks like."""
    edges = (values[0], values[-1], values[:, 0], values[:, -1])
    return np.concatenate(edges)


def invert_picture(values: np.ndarray, how: str = "auto") -> np.ndarray:
    """Dark objects on a bright ground become bright ones on a dark ground, which is what AIR paints.

    Args:
        values: [height, width, channels] in 0..1.
        how: "auto" turns a picture over if the median of its border is brighter than 0.5; "always"; "never".
    """
    check_word("invert", how, INVERTS)
    bright = how == "always" or (how == "auto" and np.median(border(values)) > 0.5)
    return 1 - values if bright else values


def fit_picture(values: np.ndarray, height: int, width: int, how: str = "resize") -> np.ndarray:
    """Bring a picture to height x width; its shape is kept, and what stays free gets the border's median.

    Args:
        values: [height, width, channels] in 0..1, any size.
        height: rows wanted, in pixels.
        width: columns wanted, in pixels.
        how: "resize" scales until all of it just fits (antialiased); "crop" keeps the scale and cuts
            the middle out; "pad" keeps the scale unless it must shrink to fit.

    Returns:
        float32 [height, width, channels] in 0..1.
    """
    check_word("fit", how, FITS)
    scale = min(height / values.shape[0], width / values.shape[1])
    if how == "resize" or (how == "pad" and scale < 1):
        rows, columns = (max(1, round(side * scale)) for side in values.shape[:2])
        values = resample(values, rows, columns)
    top, left = (
        max(0, (have - want) // 2) for have, want in zip(values.shape, (height, width), strict=False)
    )
    cut = values[top : top + height, left : left + width]
    canvas = np.empty((height, width, values.shape[2]), np.float32)
    canvas[:] = np.median(border(values), axis=0)
    y, x = (height - cut.shape[0]) // 2, (width - cut.shape[1]) // 2
    canvas[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    return canvas


def resample(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Scale by hat-shaped weights, widened when shrinking so that nothing aliases."""
    layers = [Image.fromarray(values[..., c].astype(np.float32)) for c in range(values.shape[2])]
    layers = [np.asarray(layer.resize((columns, rows), Image.Resampling.BILINEAR)) for layer in layers]
    return np.clip(np.stack(layers, -1), 0, 1)


def check_word(option: str, word: str, known: tuple[str, ...]) -> None:
    """Refuse a word that an option does not know."""
    if word not in known:
        raise UsageError(
            f"`{option}` is one of {', '.join(known)}; got {word!r}.{did_you_mean(str(word), known)}"
        )


def prepare_picture(
    path: str | Path, height: int, width: int, channels: int, fit: str = "resize", invert: str = "auto"
) -> np.ndarray:
    """Read a picture as a model trained on such pictures expects it: see the three functions it calls.

    Returns:
        float32 [height, width, channels] in 0..1, objects bright on a dark ground.
    """
    return fit_picture(invert_picture(read_picture(path, channels), invert), height, width, fit)

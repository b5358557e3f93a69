"""Handwritten characters of many alphabets, one at a time: what are they made of?

Omniglot's two small background sets: 242 characters of 8 alphabets (what is in both sets is taken once), each
drawn by 20 people on 105x105 pixels. A drawing becomes white ink on black, shrunk to the canvas by averaging
and stretched until its brightest pixel is white. People 1 to 15 are for training, 16 to 20 are held out: the
characters are the same, the hands are not. Nobody knows how many strokes there are.

B. Lake, R. Salakhutdinov, J. Tenenbaum (2015), "Human-level concept learning through probabilistic program
induction"; MIT licence.
"""

import io
import zipfile
import zlib
from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8
from PIL import Image

from subitize.core.errors import NoInputError, UsageError
from subitize.core.json import JSON
from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.files import Download, found
from subitize.scenes.layout import is_whole
from subitize.scenes.stack import AbstractStack

MIRRORS = ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",)
ARCHIVES = {  # name: SHA-256, kilobytes
    "images_background_small1.zip": (
        "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
        1319,
    ),
    "images_background_small2.zip": (
        "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
        1581,
    ),
}
OTHERWISE = "Put both zip files of Omniglot's small background sets there."
DRAWN_ON = 105  # pixels along each side of a drawing
HANDS = {"train": range(1, 16), "test": range(16, 21)}


class Omniglot(AbstractStack):
    """Single characters, read from `$SUBITIZE_DATA/omniglot`, else a cache, else downloaded.

    Args:
        split: "train" (15 people) or "test" (5 others).
        canvas: side of the image in pixels.

    Raises:
        UsageError: an option is out of range.
        NoInputError: the drawings can be neither found nor downloaded, or the files are damaged.
    """

    pictures: UInt8[Array, "pictures height width 1"]
    split: str = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "omniglot"

    def __init__(self, split: str = "train", *, canvas: int = 50):
        check_choice("split", split, SPLITS)
        if not is_whole(canvas) or not 16 <= canvas <= DRAWN_ON:
            raise UsageError(f"Omniglot: `canvas` is a side from 16 to {DRAWN_ON} pixels; got {canvas!r}.")
        self.split = split
        drawings = [shrunk(drawing, canvas) for drawing in read_drawings(HANDS[split])]
        self.pictures = jnp.asarray(np.stack(drawings)[..., None])

    def options(self) -> JSON:
        """The side of the canvas."""
        return {"canvas": self.height}


def read_drawings(hands: range) -> list[Image.Image]:
    """The drawings of these people, ink white on black, in the order of alphabets, characters and people."""
    drawings: dict[tuple[str, str, int], Image.Image] = {}
    for name, (sha256, kilobytes) in ARCHIVES.items():
        path = found(Download("omniglot", name, sha256, kilobytes, MIRRORS, OTHERWISE))
        try:
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.namelist()):
                    if member.endswith(".png"):
                        *_, alphabet, character, file = Path(member).parts
                        hand = int(Path(file).stem.split("_")[1])
                        if hand in hands:
                            drawings.setdefault((alphabet, character, hand), inked(archive.read(member)))
            if not drawings:
                raise ValueError("it holds no drawing")
        except (OSError, ValueError, IndexError, zipfile.BadZipFile, zlib.error) as error:
            raise NoInputError(
                f"{path} is not a sound archive of Omniglot's drawings ({error}). Delete it and let it be "
                "downloaded again, or replace it."
            ) from None
    return [drawings[key] for key in sorted(drawings)]


def inked(png: bytes) -> Image.Image:
    """A drawing, black on white, as white ink on black."""
    with Image.open(io.BytesIO(png)) as drawing:
        return drawing.convert("L").point(lambda value: 255 - value)


def shrunk(drawing: Image.Image, canvas: int) -> UInt8[np.ndarray, "canvas canvas"]:
    """A drawing on the canvas: block means, stretched so that the brightest pixel is white."""
    small = np.asarray(drawing.resize((canvas, canvas), Image.Resampling.BOX), np.float32)
    return np.round(255 * small / max(small.max(), 1)).astype(np.uint8)

"""How does anybody's folder of pictures become a dataset to learn from, with no truth in it?

Each picture is read and brought to the canvas as it will be when it is counted (`subitize.core.preprocess`),
and kept on the device as bytes. A scene is one of them, drawn uniformly. A picture is held out if

    SHA-256(its name in the folder) mod 10 = 0,

which depends on nothing else: adding pictures, or another machine, moves none from one side to the other.
Only where that would leave a side empty, in a folder of a few pictures, one picture changes sides.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from subitize.core.errors import NoInputError, UsageError, printable
from subitize.core.image_io import PictureError, read_picture
from subitize.core.picture_files import find_pictures
from subitize.core.preprocess import Preprocessor
from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.layout import check_canvas
from subitize.scenes.stack import AbstractStack


class Folder(AbstractStack):
    """Scenes that are the pictures of a folder: count -1, no boxes, no labels.

    Args:
        path: a folder; pictures in folders inside it count too.
        split: "train" (about 90 % of the pictures) or "test" (the rest).
        canvas: side, or (height, width), in pixels, that every picture is brought to.
        channels: 1 for grey, 3 for colour.
        fit: "resize" (all of it, scaled), "crop" (the middle, as it is) or "pad" (as it is, or shrunk).
        invert: "auto" turns a picture over if its border's median is brighter than 0.5; "always"; "never".

    Attributes:
        files: name of each picture in this split.
        skipped: (name, why) of each file, of either split, that could not be read.
        remarks: lines on what else in the folder was left out.

    Raises:
        NoInputError: there is no folder, no picture in it, none that can be read, or none for this split.
        UsageError: an option is out of range.
    """

    pictures: UInt8[Array, "pictures height width channels"]
    path: str = eqx.field(static=True)
    split: str = eqx.field(static=True)
    fit: str = eqx.field(static=True)
    invert: str = eqx.field(static=True)
    files: tuple[str, ...] = eqx.field(static=True)
    skipped: tuple[tuple[str, str], ...] = eqx.field(static=True)
    remarks: tuple[str, ...] = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "folder"

    def __init__(
        self,
        path: str | Path,
        split: str = "train",
        *,
        canvas: int | Sequence[int] = 50,
        channels: int = 1,
        fit: str = "resize",
        invert: str = "auto",
    ):
        check_choice("split", split, SPLITS)
        if channels not in (1, 3):
            raise UsageError(f"Folder: `channels` is 1 (grey) or 3 (colour); got {channels!r}.")
        height, width = check_canvas("Folder", canvas)
        preprocessor = Preprocessor(height, width, channels, fit, invert)
        good, self.skipped, self.remarks = read_folder(Path(path), preprocessor)
        held = held_out(good)
        self.files = tuple(name for name in good if (name in held) == (split == "test"))
        if not self.files:
            raise NoInputError(
                f"The {split} split needs at least one picture of two, since one in ten is held out; "
                f"{printable(path)} has {len(good)} that can be read. Add pictures."
            )
        self.pictures = jnp.asarray(np.stack([good[name] for name in self.files]))
        self.path, self.split, self.fit, self.invert = str(path), split, fit, invert

    @property
    def name(self) -> str:
        """The path: `load` takes it."""
        return self.path

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(name, why) of each file that could not be read."""
        return self.skipped

    def options(self) -> dict[str, Any]:
        """How the pictures were brought to the canvas."""
        canvas = [self.height, self.width]
        return {"canvas": canvas, "channels": self.channels, "fit": self.fit, "invert": self.invert}


def read_folder(
    folder: Path, preprocessor: Preprocessor
) -> tuple[dict[str, np.ndarray], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Readable pictures by name, as the preprocessor makes them; (name, why) of the others; remarks."""
    found = find_pictures([folder])
    good, skipped = read_files(found.files, preprocessor)
    if not good:
        raise NoInputError(
            f"Pictures are needed, but none of the {len(skipped)} in {printable(folder)} can be read; "
            f"the first: {skipped[0][1]}"
        )
    return good, skipped, tuple(found.remarks())


def read_files(
    files: Iterable[tuple[Path, str]], preprocessor: Preprocessor
) -> tuple[dict[str, np.ndarray], tuple[tuple[str, str], ...]]:
    """Pictures by name, as the preprocessor makes them, and (name, why) of files that cannot be read."""
    good, skipped = {}, []
    for file, name in files:
        try:
            good[name] = preprocessor(read_picture(file).pixels)
        except PictureError as error:
            skipped.append((name, str(error)))
    return good, tuple(skipped)


def held_out(names: Sequence[str] | dict[str, Any]) -> set[str]:
    """One name in ten, by hash; of few names at least one, as long as there are two."""
    hashes = {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) for name in names}
    chosen = {name for name, number in hashes.items() if number % 10 == 0}
    if len(hashes) < 2:
        return set()
    first, last = min(hashes, key=hashes.__getitem__), max(hashes, key=hashes.__getitem__)
    if not chosen:
        return {first}
    return chosen - {last} if len(chosen) == len(hashes) else chosen

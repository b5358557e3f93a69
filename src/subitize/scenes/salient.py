"""Photographs in which people counted what strikes the eye: the salient object subitizing set.

It is for those who have it, in the files of its authors. The folder holds `imgIdx.mat`, an array of
structures in either of MATLAB's two formats, with

    name      of the picture, beside the index or in `img/`,
    label     0, 1, 2, 3, or 4 for four and more, by which the set's own pictures are classed,
    istest    whether the picture is of the test; without this field all are (as in its subset MSO).

Zhang, Ma, Sameki, Sclaroff, Betke, Lin, Shen, Price and Měch (2015), "Salient object subitizing".
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from subitize.core.errors import NoInputError, SubitizeError, UsageError
from subitize.core.pictures import FITS, PictureError, check_word, prepare_picture, printable
from subitize.scenes.base import SPLITS
from subitize.scenes.layout import check_canvas
from subitize.scenes.stack import AbstractStack

INDEX = "imgIdx.mat"
ARRAY = "imgIdx"  # its variable
MOST = 4  # which stands for all above too


class Photograph(NamedTuple):
    """A line of the index."""

    name: str
    label: int
    test: bool


class Salient(AbstractStack):
    """Scenes that are photographs, with the class of their number.

    Args:
        path: the folder of the set.
        split: "train" or "test", as its authors divided it.
        canvas: side, or (height, width), in pixels, that every photograph is brought to.
        channels: 3 for colour, or 1.
        fit: "resize" (all of it, scaled), "crop" (the middle, as it is) or "pad" (as it is, or shrunk).

    Attributes:
        known: 0 … 4 for each photograph; 4 for four and more.
        files: name of each photograph.
        skipped: (name, why) of each that could not be read.

    Raises:
        NoInputError: there is no index, it is not the set's, or no photograph of this split can be read.
        UsageError: an option is out of range, or the index asks for a library that is not installed.
    """

    pictures: UInt8[Array, "pictures height width channels"]
    known: Int[np.ndarray, "pictures"]
    path: str = eqx.field(static=True)
    split: str = eqx.field(static=True)
    fit: str = eqx.field(static=True)
    files: tuple[str, ...] = eqx.field(static=True)
    skipped: tuple[tuple[str, str], ...] = eqx.field(static=True)
    has_truth: ClassVar[bool] = False  # nobody drew boxes
    family: ClassVar[str] = "salient"

    def __init__(
        self,
        path: str | Path,
        split: str = "train",
        *,
        canvas: int | Sequence[int] = 64,
        channels: int = 3,
        fit: str = "resize",
    ):
        check_word("split", split, SPLITS)
        check_word("fit", fit, FITS)
        if channels not in (1, 3):
            raise UsageError(f"Salient: `channels` is 1 (grey) or 3 (colour); got {channels!r}.")
        height, width = check_canvas("Salient", canvas)
        folder, good, skipped = Path(path), [], []
        for photograph in read_index(folder / INDEX):
            if photograph.test == (split == "test"):
                try:
                    file = place_of(folder, photograph.name)
                    good.append((photograph, prepare_picture(file, height, width, channels, fit, "never")))
                except PictureError as error:
                    skipped.append((photograph.name, str(error)))
        if not good:
            why = f"; the first: {skipped[0][1]}" if skipped else ""
            raise NoInputError(
                f"None of the {len(skipped)} photographs of the {split} split, listed in "
                f"{printable(folder / INDEX)}, can be read{why} Put them beside the index, or into img/."
            )
        self.pictures = jnp.asarray(np.round(255 * np.stack([values for _, values in good])).astype(np.uint8))
        self.known = np.array([photograph.label for photograph, _ in good])
        self.files, self.skipped = tuple(photograph.name for photograph, _ in good), tuple(skipped)
        self.path, self.split, self.fit = str(path), split, fit

    @property
    def name(self) -> str:
        """The path: `load` takes it."""
        return self.path

    def options(self) -> dict[str, Any]:
        """How the photographs were brought to the canvas."""
        return {"canvas": [self.height, self.width], "channels": self.channels, "fit": self.fit}


def place_of(folder: Path, name: str) -> Path:
    """Beside the index, or else in `img/`."""
    beside = folder / name
    return beside if beside.is_file() else folder / "img" / name


def read_index(path: Path) -> list[Photograph]:
    """The lines of an index.

    Raises:
        NoInputError: there is none, or it is not the set's.
        UsageError: it asks for a library that is not installed.
    """
    from scipy.io import loadmat  # here, as h5py below: hardly anybody needs them
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise NoInputError(f"The salient object subitizing set has its index in {INDEX}; there is no {path}.")
    try:
        try:
            entries = loadmat(path, simplify_cells=True)[ARRAY]
        except NotImplementedError:  # of version 7.3, which is HDF5
            return list(hierarchical(path))
        entries = [entries] if isinstance(entries, dict) else entries
        return [photograph(entry["name"], entry["label"], entry.get("istest", 1)) for entry in entries]
    except SubitizeError:
        raise
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, MatReadError):
        raise NoInputError(
            f"{path} is not the index of the salient object subitizing set, or it is damaged."
        ) from None


def hierarchical(path: Path) -> Iterator[Photograph]:
    """The lines of an index of MATLAB's version 7.3: columns of references."""
    try:
        import h5py
    except ImportError:
        raise UsageError(
            f"{path} is of MATLAB's version 7.3, which h5py reads: install subitize[salient]."
        ) from None
    with h5py.File(path) as opened:
        file: Any = opened
        array = file[ARRAY]
        for i in range(len(array["name"])):
            values = {field: np.ravel(file[array[field][i, 0]][()]) for field in array}
            name = "".join(map(chr, values["name"]))
            yield photograph(name, values["label"][0], values.get("istest", [1])[0])


def photograph(name: str, label: Any, test: Any) -> Photograph:
    """A line, if it makes sense."""
    if not name or not 0 <= int(label) <= MOST:
        raise ValueError("not a line of this index")
    return Photograph(str(name), int(label), bool(test))

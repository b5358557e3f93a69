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
from typing import Any, ClassVar, NamedTuple, SupportsInt

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from subitize.core.errors import NoInputError, SubitizeError, UsageError, printable
from subitize.core.json import JSON
from subitize.core.preprocess import Preprocessor
from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.folder import read_files
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
        invert: "never", as photographs are; "auto" and "always" as for a folder.

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
    invert: str = eqx.field(static=True)
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
        invert: str = "never",
    ):
        check_choice("split", split, SPLITS)
        if channels not in (1, 3):
            raise UsageError(f"Salient: `channels` is 1 (grey) or 3 (colour); got {channels!r}.")
        height, width = check_canvas("Salient", canvas)
        folder = Path(path)
        listed = {p.name: p.label for p in read_index(folder / INDEX) if p.test == (split == "test")}
        if not listed:
            raise NoInputError(f"{printable(folder / INDEX)} lists no photograph of the {split} split.")
        files = ((place_of(folder, name), name) for name in listed)
        good, self.skipped = read_files(files, Preprocessor(height, width, channels, fit, invert))
        if not good:
            raise NoInputError(
                f"None of the {len(listed)} photographs of the {split} split can be read; the first: "
                f"{self.skipped[0][1]} Put them beside {INDEX}, or into img/."
            )
        self.pictures = jnp.asarray(np.stack(list(good.values())))
        self.files, self.known = tuple(good), np.array([listed[name] for name in good])
        self.path, self.split, self.fit, self.invert = str(path), split, fit, invert

    @property
    def name(self) -> str:
        """The path: `load` takes it."""
        return self.path

    @property
    def labels(self) -> Array:
        """The class of each photograph's number."""
        return jnp.asarray(self.known)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(name, why) of each file that could not be read."""
        return self.skipped

    def options(self) -> JSON:
        """How the photographs were brought to the canvas."""
        canvas = [self.height, self.width]
        return {"canvas": canvas, "channels": self.channels, "fit": self.fit, "invert": self.invert}


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
    if not path.is_file():
        raise NoInputError(f"The salient object subitizing set has its index in {INDEX}; there is no {path}.")
    try:
        return [photograph(*line) for line in lines_of(path)]
    except SubitizeError:
        raise
    except Exception:  # a decoder of a stranger's file raises anything
        raise NoInputError(
            f"{path} is not the index of the salient object subitizing set, or it is damaged."
        ) from None


def lines_of(path: Path) -> Iterator[tuple[str, SupportsInt, object]]:
    """Name, label and istest of each structure, in whichever format."""
    from scipy.io import loadmat  # here, as h5py below: hardly anybody needs them

    try:
        array = loadmat(path, simplify_cells=True)[ARRAY]
    except NotImplementedError:  # of version 7.3, which is HDF5
        yield from hierarchical(path)
        return
    for entry in [array] if isinstance(array, dict) else array:
        yield entry["name"], entry["label"], entry.get("istest", True)


def hierarchical(path: Path) -> Iterator[tuple[str, SupportsInt, object]]:
    """The same from MATLAB's version 7.3: an array of references for each field."""
    try:
        import h5py
    except ImportError:
        raise UsageError(
            f"{path} is of MATLAB's version 7.3, which h5py reads: install subitize[salient]."
        ) from None
    with h5py.File(path) as opened:
        file: Any = opened
        fields = {field: file[ARRAY][field][()].ravel() for field in file[ARRAY]}
        tests = fields.get("istest", [None] * len(fields["name"]))
        for name, label, test in zip(fields["name"], fields["label"], tests, strict=True):
            text = file[name][()].astype("<u2").tobytes().decode("utf-16-le")
            yield text, file[label][()].item(), True if test is None else file[test][()].item()


def photograph(name: str, label: SupportsInt, test: object) -> Photograph:
    """A line, if it makes sense: a file's name and no path, and one of the classes."""
    if name != Path(name).name or "\0" in name or label not in range(MOST + 1) or test not in (0, 1):
        raise ValueError("not a line of this index")
    return Photograph(str(name), int(label), bool(test))

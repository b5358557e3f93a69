"""The scenes on which the field compares: nought, one or two MNIST digits on a canvas of 50x50.

Every public Attend-Infer-Repeat is measured on the same dataset, and its settings are the defaults here:
counts 0, 1, 2 equally often, digits of side 28 / (1.3 + 0.1 N(0, 1)) placed uniformly inside the canvas,
places redrawn if any summed pixel exceeds 1. Training scenes use the 60,000 training digits only,
held-out scenes the 10,000 test digits only.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), "Gradient-based learning applied to document
recognition"; S. M. A. Eslami et al. (2016), "Attend, Infer, Repeat", for the scenes.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from subitize.core.errors import NoInputError
from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.glyphs import draw_glyphs
from subitize.scenes.idx import find_idx, read_idx
from subitize.scenes.layout import Layout, check_layout
from subitize.scenes.painting import AbstractPainted

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class MNIST(AbstractPainted):
    """Scenes of MNIST digits, read from `$SUBITIZE_DATA/mnist`, else a cache, else downloaded.

    Args:
        split: "train" (the 60,000 training digits) or "test" (the 10,000 test digits).
        counts: counts that occur, equally often.
        canvas: side, or (height, width), in pixels.
        size: typical side of a digit with its margin, in pixels.
        jitter: relative spread of one over the side.
        overlap: "none" (no summed pixel exceeds 1) or "any" (sums are cut off at 1).
        channels: 1, or 3 for digits of random colours.

    Raises:
        UsageError: an option is out of range, or the digits find no room.
        NoInputError: the digits can be neither found nor downloaded, or the files are damaged.
    """

    pictures: UInt8[Array, "pictures 28 28"]
    classes: Int[Array, "pictures"]
    split: str = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    family: ClassVar[str] = "mnist"

    def __init__(
        self,
        split: str = "train",
        *,
        counts: Iterable[int] = (0, 1, 2),
        canvas: int | Sequence[int] = 50,
        size: float | int = 28 / 1.3,
        jitter: float | int = 0.1 / 1.3,
        overlap: str = "none",
        channels: int = 1,
    ):
        check_choice("split", split, SPLITS)
        self.split = split
        self.layout = check_layout("MNIST", counts, canvas, size, jitter, overlap, channels, ink=0.6)
        pictures, classes = read_digits(split)
        self.pictures, self.classes = jnp.asarray(pictures), jnp.asarray(classes)

    def objects(
        self, key: PRNGKeyArray, sides: Float[Array, "objects"]
    ) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
        """Digits drawn uniformly from this split."""
        return draw_glyphs(key, self.pictures, self.classes, sides, self.layout.window)


def read_digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The digits of one split, uint8 [pictures, 28, 28], and their classes, int32."""
    images, labels = (find_idx(name) for name in FILES[split])
    pictures, classes = read_idx(images), read_idx(labels)
    if pictures.ndim != 3 or pictures.shape[1:] != (28, 28) or classes.shape != pictures.shape[:1]:
        raise NoInputError(
            f"MNIST needs pictures of 28x28 and one label for each; {images} holds {pictures.shape} and "
            f"{labels} holds {classes.shape}. Delete both files and let them be downloaded again."
        )
    return pictures, classes.astype(np.int32)

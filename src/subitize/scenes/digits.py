"""Digits that need no download: can a machine without a network learn to count?

scikit-learn bundles 1,797 handwritten digits of 8x8 pixels with 17 levels of ink. Each is framed by one
empty pixel, enlarged to 30x30 by cubic interpolation, cut to 28x28, and its contrast raised,

    ink = clip((v - 0.4) / 0.45, 0, 1),

which gives back the pen's edge that the enlargement blurs. The last 297 pictures make the held-out scenes.

E. Alpaydin and C. Kaynak (1998), "Optical recognition of handwritten digits", UCI repository, CC BY 4.0.
"""

import functools
from collections.abc import Iterable, Sequence
from importlib.metadata import distribution
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from subitize.core.specs import check_choice
from subitize.scenes.base import SPLITS
from subitize.scenes.glyphs import draw_glyphs
from subitize.scenes.layout import Layout, check_layout
from subitize.scenes.painting import AbstractPainted

TABLE = "sklearn/datasets/data/digits.csv.gz"  # in each row 64 values of ink and the class
MARGIN = 1e-6  # of a level of grey
HELD_OUT = 297  # pictures at the end of the file: the training part is 1,500


class Digits(AbstractPainted):
    """Scenes of scikit-learn's bundled digits: the default, since it needs nothing but the package.

    Args:
        split: "train" (the first 1,500 digits) or "test" (the last 297).
        counts: counts that occur, equally often.
        canvas: side, or (height, width), in pixels.
        size: typical side of a digit with its frame, in pixels; its ink is about three quarters as high.
        jitter: relative spread of the side.
        overlap: "none" (no summed pixel exceeds 1) or "any" (sums are cut off at 1).
        channels: 1, or 3 for digits of random colours.

    Raises:
        UsageError: an option is out of range, or the digits find no room.
    """

    pictures: UInt8[Array, "pictures 28 28"]
    classes: Int[Array, "pictures"]
    split: str = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    family: ClassVar[str] = "digits"

    def __init__(
        self,
        split: str = "train",
        *,
        counts: Iterable[int] = (0, 1, 2),
        canvas: int | Sequence[int] = 40,
        size: float | int = 18.0,
        jitter: float | int = 0.08,
        overlap: str = "none",
        channels: int = 1,
    ):
        check_choice("split", split, SPLITS)
        self.split = split
        self.layout = check_layout("Digits", counts, canvas, size, jitter, overlap, channels, ink=0.6)
        pictures, classes = bundled()
        part = slice(None, -HELD_OUT) if split == "train" else slice(-HELD_OUT, None)
        self.pictures, self.classes = jnp.asarray(pictures[part]), jnp.asarray(classes[part])

    def objects(
        self, key: PRNGKeyArray, sides: Float[Array, "objects"]
    ) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
        """Digits drawn uniformly from this split."""
        return draw_glyphs(key, self.pictures, self.classes, sides, self.layout.window)


@functools.cache
def bundled() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits enlarged, uint8 [pictures, 28, 28], and their classes, in the file's order."""
    # The table itself, not load_digits(): to import scikit-learn is a third of all that a start imports.
    table = np.loadtxt(str(distribution("scikit-learn").locate_file(TABLE)), delimiter=",")
    values, classes = table[:, :-1], table[:, -1]
    framed = np.pad(values.reshape(-1, 8, 8) / 16.0, ((0, 0), (1, 1), (1, 1)))
    with jax.enable_x64(new_val=True):  # single precision would round otherwise on another processor
        large = jax.image.resize(framed, (len(framed), 30, 30), "cubic")[:, 1:-1, 1:-1]
    ink = np.clip((np.asarray(large) - 0.4) / 0.45, 0, 1)
    # Many values are exact halves: the margin decides them, or rounding errors would.
    return np.floor(255 * ink + 0.5 + MARGIN).astype(np.uint8), classes.astype(np.int32)

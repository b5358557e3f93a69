"""Which pictures are likelihoods compared on? Single digits of 28x28 pixels, each of them black or white.

Every pixel is lit once and for all with its brightness as probability: the same bits every time. The
procedure is that of Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks";
the bits are drawn anew, so they are not those of the file that has gone round since.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from subitize.core.pictures import check_word
from subitize.scenes.digits import Digits
from subitize.scenes.mnist import read_digits
from subitize.scenes.stack import AbstractStack

PARTS = {  # of MNIST's files: the field's 50,000 for training, 10,000 for validation, 10,000 for test
    "train": ("train", slice(None, 50_000)),
    "valid": ("train", slice(50_000, None)),
    "test": ("test", slice(None)),
}
SEEDS = {"train": 2008, "test": 2009}  # of the bits of either file


class Bits(AbstractStack):
    """Single digits in black and white.

    Args:
        split: "train", "test" or, of MNIST, "valid".
        digits: "mnist" (50,000, 10,000 and 10,000), or "digits" (the bundled 1,500 and 297).

    Raises:
        UsageError: an option is out of range.
        NoInputError: the digits can be neither found nor downloaded.
    """

    pictures: UInt8[Array, "pictures 28 28 1"]
    split: str = eqx.field(static=True)
    digits: str = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "bits"

    def __init__(self, split: str = "train", *, digits: str = "mnist"):
        check_word("digits", digits, ("mnist", "digits"))
        check_word("split", split, tuple(PARTS) if digits == "mnist" else tuple(SEEDS))
        file, part = PARTS[split]
        grey = read_digits(file)[0] if digits == "mnist" else np.asarray(Digits(file).pictures)
        lit = np.random.default_rng(SEEDS[file]).random(grey.shape) < grey / 255
        self.pictures = jnp.asarray(255 * lit[part, ..., None].astype(np.uint8))
        self.split, self.digits = split, digits

    def options(self) -> dict[str, Any]:
        """Which digits they are."""
        return {"digits": self.digits}

    def vectors(self) -> UInt8[Array, "pictures pixels"]:
        """Every picture as a vector of zeros and ones."""
        return self.pictures.reshape(len(self.pictures), -1) // 255

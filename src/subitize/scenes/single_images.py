"""Which pictures are generative models compared on? Single digits or characters of 28x28 pixels.

    images     grey, from 0 to 1
    bits       black or white

Of bits every pixel is lit once and for all with its brightness as probability: the same bits every time. The
procedure is that of Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks";
the bits are drawn anew, so they are not those of the file that has gone round since. With dynamic
binarization the training pictures stay grey: a learner of bits then draws them anew at every visit (Burda,
Grosse and Salakhutdinov 2016). The test pictures are the same fixed bits.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from subitize.core.errors import UsageError
from subitize.core.json import JSON
from subitize.core.specs import check_choice
from subitize.scenes.digits import Digits
from subitize.scenes.mnist import read_digits
from subitize.scenes.omniglot import Omniglot
from subitize.scenes.stack import AbstractStack

SIDE = 28  # pixels
WHOLE = {"train": ("train", slice(None)), "test": ("test", slice(None))}
PARTS = {  # for each split a file, and what of it: MNIST's training file is split as the field does
    "mnist": WHOLE | {"train": ("train", slice(None, 50_000)), "valid": ("train", slice(50_000, None))},
    "digits": WHOLE,
    "omniglot": WHOLE,
}
GREY = {  # pictures [n, 28, 28] of a file, before they are black and white, and their classes if known
    "mnist": lambda file: read_digits(file),
    "digits": lambda file: (np.asarray((dataset := Digits(file)).pictures), np.asarray(dataset.classes)),
    "omniglot": lambda file: (np.asarray(Omniglot(file, canvas=SIDE).pictures[..., 0]), None),
}
SEEDS = {"train": 2008, "test": 2009}  # of the bits of either file


class GreyImages(AbstractStack):
    """Single digits or characters in grey.

    Args:
        split: "train", "test" or, of MNIST, "valid".
        of: "mnist" (50,000, 10,000 and 10,000), "digits" (the bundled 1,500 and 297), or "omniglot" (3,630
            drawings of 242 characters by 15 people, and 1,210 of the same characters by 5 others).

    Raises:
        UsageError: an option is out of range.
        NoInputError: the pictures can be neither found nor downloaded.
    """

    pictures: UInt8[Array, "pictures 28 28 1"]
    classes: Int[Array, " pictures"] | None  # of digits; nobody knows those of characters here
    split: str = eqx.field(static=True)
    of: str = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "images"

    def __init__(self, split: str = "train", *, of: str = "mnist"):
        grey, self.classes, part = read_single(split, of)
        self.pictures = jnp.asarray(grey[part, ..., None].astype(np.uint8))
        self.split, self.of = split, of

    @property
    def labels(self) -> Array | None:
        """Which digit each is."""
        return self.classes

    def options(self) -> JSON:
        """Which pictures they are."""
        return {"of": self.of}


class BinarizedImages(AbstractStack):
    """Single digits or characters in black and white.

    Args:
        split: as of `GreyImages`.
        of: as of `GreyImages`.
        dynamic: whether training pictures stay grey, for learners that binarize them at every visit.

    Raises:
        UsageError: an option is out of range.
        NoInputError: the pictures can be neither found nor downloaded.
    """

    pictures: UInt8[Array, "pictures 28 28 1"]
    classes: Int[Array, " pictures"] | None
    split: str = eqx.field(static=True)
    of: str = eqx.field(static=True)
    dynamic: bool = eqx.field(static=True)
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "bits"

    def __init__(self, split: str = "train", *, of: str = "mnist", dynamic: bool = False):
        grey, self.classes, part = read_single(split, of)
        if not (dynamic and split == "train"):
            rng = np.random.default_rng(SEEDS["test" if split == "test" else "train"])
            grey = 255 * (rng.random(grey.shape) < grey / 255)
        self.pictures = jnp.asarray(grey[part, ..., None].astype(np.uint8))
        self.split, self.of, self.dynamic = split, of, dynamic

    @property
    def labels(self) -> Array | None:
        """Which digit each is."""
        return self.classes

    def options(self) -> JSON:
        """Which pictures they are."""
        return {"of": self.of, "dynamic": self.dynamic}

    def vectors(self) -> UInt8[Array, "pictures pixels"]:
        """Every picture as a vector of zeros and ones.

        Raises:
            UsageError: they are grey, to be binarized at every visit.
        """
        if self.dynamic and self.split == "train":
            raise UsageError("Training pictures of dynamic binarization are grey. Ask for `dynamic=False`.")
        return self.pictures.reshape(len(self.pictures), -1) // 255


def read_single(split: str, of: str) -> tuple[np.ndarray, Array | None, slice]:
    """Grey pictures [n, 28, 28] of a file from 0 to 255, the classes of a split, and which of them it has.

    Raises:
        UsageError: an option is out of range.
        NoInputError: the pictures can be neither found nor downloaded.
    """
    check_choice("of", of, tuple(PARTS))
    check_choice("split", split, tuple(PARTS[of]))
    file, part = PARTS[of][split]
    grey, classes = GREY[of](file)
    return grey, None if classes is None else jnp.asarray(classes[part].astype(np.int32)), part

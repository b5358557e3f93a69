"""Which of a model's answers should a person look at again?

An answer comes with reasons for doubt:

    low_confidence        q(count) < 0.9
    at_max_count          the count is N, the most that this model can see: there may be more
    poor_reconstruction   what was seen explains less than half of the picture:
                          Σ (x - x̂)² > 1/2 Σ (x - median)²; it is unlike what the model was trained on
    unexplained_part      some window is left with 0.4 of what the fullest one holds: an object may be missing
    low_contrast          brightest and darkest pixel are less than 0.05 apart: a faint picture; stretch it
    narrow_range          a file of 16 bits, or of real numbers, spans less than 1/16 of its range, such as
                          one of 12 bits in 16: little or nothing of it is seen; stretch it
    colour_lost           a grey model looks at a picture of which little is left without its colours; train
                          with --channels 3
    first_of_N_pages      the file has N pages, and only the first one was read, as --pages first asks
    blank                 brightest and darkest pixel are the same, or nearly (2/255), with none of the three
                          reasons above it: explains a count of 0, and speaks against any other

They are signs, not proofs: a model can be wrong without any of them.
"""

from collections.abc import Sequence

import numpy as np

from subitize.core.image_io import NOTHING
from subitize.core.preprocess import to_channels

SURE = 0.9  # probability of the count from which on it is believed
CONTRAST = 0.05  # brightest minus darkest pixel of a picture that is not faint
EXPLAINED = 0.5  # share of the picture's variation that the objects must explain
LEFT = 0.4  # share of the fullest window that may stay unexplained in any window
COLOURFUL = 4.0  # times the contrast without colours
FAINT_BECAUSE = ("narrow_range", "colour_lost")


def doubts(
    picture: np.ndarray,
    reconstruction: np.ndarray,
    posterior: np.ndarray,
    window: int,
    remarks: Sequence[str] = (),
) -> list[str]:
    """Codes of what speaks against believing the count.

    Args:
        picture: what the model saw, [height, width, channels] in 0..1.
        reconstruction: what it painted of that.
        posterior: q(0) … q(N).
        window: side of a window of the size of an object, in pixels.
        remarks: codes of what was lost before the model saw it.
    """
    contrast, found = np.ptp(picture), list(remarks)
    told_why = any(remark in FAINT_BECAUSE for remark in remarks)
    if contrast <= NOTHING:
        return found if told_why else [*found, "blank"]
    if contrast < CONTRAST and not told_why:
        found.append("low_contrast")
    if posterior.max() < SURE:
        found.append("low_confidence")
    if posterior.argmax() == len(posterior) - 1:
        found.append("at_max_count")
    left = np.square(picture - reconstruction).sum(-1)
    held = np.square(picture - np.median(picture, axis=(0, 1))).sum(-1)
    if left.sum() > (1 - EXPLAINED) * held.sum():
        found.append("poor_reconstruction")
    if fullest(left, window) > LEFT * fullest(held, window):
        found.append("unexplained_part")
    return found


def fullest(values: np.ndarray, window: int) -> float:
    """The largest sum of values [height, width] over a square of `window` pixels inside them."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    k = min(window, *values.shape)
    return float((sums[k:, k:] - sums[:-k, k:] - sums[k:, :-k] + sums[:-k, :-k]).max())


def colour_is_lost(pixels: np.ndarray, seen: np.ndarray) -> bool:
    """Whether a picture [height, width, 3] is faint to a grey model although its colours are not.

    Args:
        pixels: the picture as its file has it.
        seen: what the model sees of it, [height, width, channels].
    """
    if pixels.shape[-1] == 1 or seen.shape[-1] == 3 or np.ptp(seen) >= CONTRAST:
        return False
    coloured = np.ptp(pixels, axis=(0, 1)).max()
    return bool(coloured >= CONTRAST and coloured > COLOURFUL * np.ptp(to_channels(pixels, 1)))

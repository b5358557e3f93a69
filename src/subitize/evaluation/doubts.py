"""Which of a model's answers should a person look at again?

An answer comes with codes of what speaks against believing it: `subitize.evaluation.reasons` says what each
means, and this file when AIR and DAIR give it.
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

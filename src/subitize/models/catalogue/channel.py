"""In which of its channels do the objects of a coloured picture stand out?

grey                as the eye weighs red, green and blue (ITU-R BT.601)
red, green, blue    each by itself
colourful           the largest of the three minus the smallest
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from subitize.core.preprocess import EYE
from subitize.models.catalogue.normalize import thinned

CHANNELS = ("grey", "red", "green", "blue", "colourful")
BETTER = 0.1  # by how much another channel must fall better into two classes, to be taken for grey
LEVEL = 1 / 255  # of grey: smaller differences show nothing


def grey_of(pixels: np.ndarray, channel: str) -> np.ndarray:
    """A channel [height, width] of a picture [height, width, 1 | 3]."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0]
    if channel == "grey":
        return pixels @ EYE
    if channel == "colourful":
        return pixels.max(-1) - pixels.min(-1)
    return pixels[..., CHANNELS.index(channel) - 1]


def chosen_channel(pictures: Sequence[np.ndarray]) -> str:
    """The channel in which pictures fall best into two classes; grey unless another is clearly better."""
    coloured = [each for each in pictures if each.shape[-1] == 3 and np.ptp(each, axis=-1).max() > 0]
    if not coloured:
        return "grey"
    score = {name: np.median([separability(grey_of(each, name)) for each in coloured]) for name in CHANNELS}
    best = max(CHANNELS, key=lambda name: score[name])
    return best if score[best] > score["grey"] + BETTER else "grey"


def separability(grey: np.ndarray) -> float:
    """Share of the variation that Otsu's two classes explain, of a picture without its wide changes."""
    small = thinned(grey)
    wide = ndimage.gaussian_filter(small, 1) - ndimage.gaussian_filter(small, max(small.shape) / 6)
    if np.ptp(wide) < LEVEL:
        return 0.0
    above = wide > threshold_otsu(wide)
    share = above.mean()
    between = share * (1 - share) * (wide[above].mean() - wide[~above].mean()) ** 2 if 0 < share < 1 else 0.0
    return float(between / wide.var())

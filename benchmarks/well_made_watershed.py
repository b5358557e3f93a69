"""What does a watershed find that is made as well as one would by hand, at the pictures' own resolution?

The ground is taken away, and objects are what Otsu's threshold leaves of 20 pixels and more, holes filled,
and each peak of the distance to their edge is one, no two nearer than 0.7 of the median inner radius of the
folder's objects. The product's own `watershed` column works on normalized pictures, which are smaller.
"""

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max

from subitize.models.catalogue.normalize import SURROUNDINGS, components, depth, ground, upright
from subitize.models.catalogue.rivals import APART

LEAST = 20  # pixels of an object


def centres(pictures: dict[str, np.ndarray], diameter: float, *, dark: bool) -> dict[str, np.ndarray]:
    """The centres (x, y) of what it finds in each grey picture of a folder, in pixels.

    Args:
        pictures: grey, by their names.
        diameter: of a typical object, about; it decides only how wide the ground is.
        dark: whether objects are darker than their ground.
    """
    square = max(1, round(diameter / 3))
    flat = {name: upright(grey, dark=dark) for name, grey in pictures.items()}
    flat = {name: picture - ground(picture, square, SURROUNDINGS) for name, picture in flat.items()}
    inside = {name: depth(standing(picture)) for name, picture in flat.items()}
    radius = float(np.median([np.median(inner_radii(each)) for each in inside.values() if each.any()]))
    apart = max(1, round(APART * radius))
    found = {}
    for name, depths in inside.items():
        labels = ndimage.label(depths > 0)[0]
        smooth = ndimage.gaussian_filter(depths, 1)
        peaks = peak_local_max(smooth, min_distance=apart, labels=labels, exclude_border=False)
        found[name] = peaks[:, ::-1] + 0.5
    return found


def standing(flat: np.ndarray) -> np.ndarray:
    """Where objects are in a picture without its ground."""
    labels, _ = components(flat, blur=1.0)
    large = np.bincount(labels.ravel()) >= LEAST
    large[0] = False
    return large[labels]


def inner_radii(depths: np.ndarray) -> np.ndarray:
    """The largest distance to the edge within each component, in pixels."""
    labels, number = ndimage.label(depths > 0)
    return np.asarray(ndimage.maximum(depths, labels, range(1, number + 1)))

"""How many objects do the classical methods see in a normalized picture?

    watershed   Otsu's threshold, the distance to its edge, one object a peak of that, flooded from the peaks
    log         peaks of the Laplacian of Gaussian over scales around the size of an object

Both are scikit-image's. They know the size of the objects and have no ground to fight with, as the catalogue.
"""

import numpy as np
from scipy import ndimage
from skimage.feature import blob_log, peak_local_max
from skimage.segmentation import watershed

from subitize.models.catalogue.normalize import DIAMETER, HOLE, LEAST, SPECK, components, depth

APART = 0.7  # least distance of two peaks, over the inner radius of an object
BRIGHT = 0.15  # least response of the Laplacian, over the brightness of an object


def segmented(pixels: np.ndarray) -> np.ndarray:
    """The watershed of a normalized picture: 0 for ground, 1, 2, … for objects; [height, width]."""
    found, number = components(pixels, blur=1.0, least=LEAST, largest_hole=HOLE)
    if not number:
        return found
    areas = np.bincount(found.ravel(), minlength=number + 1)
    found = np.where((areas >= SPECK)[found], found, 0)
    smooth = ndimage.gaussian_filter(depth(found > 0), 1)
    apart = round(APART * DIAMETER / 2)
    peaks = peak_local_max(smooth, min_distance=apart, threshold_abs=0, exclude_border=False)
    without = np.setdiff1d(found[found > 0], found[tuple(peaks.T)])  # another's peak was too near
    peaks = peaks[found[tuple(peaks.T)] > 0]
    if len(without):
        peaks = np.concatenate([peaks, ndimage.maximum_position(smooth, found, without)]).astype(int)
    seeds = np.zeros(pixels.shape, int)
    seeds[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    return watershed(-smooth, seeds, mask=found > 0)


def boxes_in(labels: np.ndarray, number: int = 0) -> np.ndarray:
    """The smallest box x0, y0, x1, y1 around each label from 1 on; not a number where there is none; [n, 4].

    Args:
        labels: [height, width], 0 for ground.
        number: of labels; the largest one if 0.
    """
    places = ndimage.find_objects(labels, number)
    edges = [[np.nan] * 4 if p is None else [p[1].start, p[0].start, p[1].stop, p[0].stop] for p in places]
    return np.array(edges, float).reshape(-1, 4)


def blobs(pixels: np.ndarray) -> np.ndarray:
    """Boxes x0, y0, x1, y1 around the blobs that the Laplacian of Gaussian finds in a normalized picture."""
    sigma = DIAMETER / 2 / np.sqrt(2)
    found = blob_log(
        pixels.astype(np.float32),
        min_sigma=0.7 * sigma,
        max_sigma=1.4 * sigma,
        num_sigma=4,
        threshold=BRIGHT,
        exclude_border=False,
    )
    centres, radius = found[:, 1::-1] + 0.5, np.sqrt(2) * found[:, 2:]
    return np.concatenate([centres - radius, centres + radius], 1)

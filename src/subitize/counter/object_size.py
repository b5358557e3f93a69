"""Object size: how large a window must be, from the pictures alone.

The prior on the size of a window decides much of what AIR learns (a window that fits two objects will hold
two), and nobody can guess it for a new world. Bright blobs that touch nothing else show the size of the
objects: the window is a little larger than their typical extent.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from subitize.core.errors import NoInputError
from subitize.scenes import AbstractScenes

BRIGHT = 0.3  # share of the brightest pixel that counts as ink
FAINT = 0.1  # a picture with no pixel above this is blank
MARGIN = 1.15  # window over ink
SPECK = 3  # pixels: blobs no larger are noise
MEASURED = 512  # scenes by which the size of objects is measured


def size_of_objects(scenes: AbstractScenes, seed: int) -> float:
    """Side of a window around a typical object of some scenes, in pixels, to a tenth.

    Raises:
        NoInputError: nothing is to be seen in any picture.
    """
    return round(window_size(np.asarray(scenes.batch(seed, np.arange(MEASURED)).image)), 1)


def window_size(images: Float[np.ndarray, "images height width channels"]) -> float:
    """Side of a window around a typical object, in pixels.

    Raises:
        NoInputError: nothing is to be seen in any picture.
    """
    extents = [extent for image in images for extent in blob_extents(image.max(-1))]
    if not extents:
        raise NoInputError("Nothing can be seen in these pictures: no pixel stands out from black.")
    return float(MARGIN * np.median(extents))


def blob_extents(image: Float[np.ndarray, "height width"]) -> list[int]:
    """Longer side of the box around each connected blob, in pixels."""
    peak = image.max()
    ink = (image > BRIGHT * peak) & (peak > FAINT)
    labels = np.zeros(image.shape, np.int32)
    ndimage.label(ink, np.ones((3, 3)), output=labels)
    boxes = ndimage.find_objects(labels)
    extents = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in boxes]
    return [extent for extent in extents if extent > SPECK]

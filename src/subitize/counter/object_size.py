"""Object size: how large a window must be, from the pictures alone.

The prior on the size of a window decides much of what AIR learns (a window that fits two objects will hold
two), and nobody can guess it for a new dataset. Bright blobs that touch nothing else show the size of the
objects: the window is a little larger than their typical extent, and never larger than the canvas. Whether
their ground is black is seen as well.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from subitize.core.errors import NoInputError, UsageError
from subitize.scenes import AbstractScenes

BRIGHT = 0.3  # share of the brightest pixel that counts as ink
FAINT = 0.1  # a picture with no pixel above this is blank
MARGIN = 1.15  # window over ink
MAX_CANVAS_VALUES = 2e9  # in all canvases of a step: several times eight gigabytes
BLACK = 0.02  # a darker ground is black
SPECK = 3  # pixels: blobs no larger are noise
MEASURED = 512  # scenes by which the size of objects is measured


def size_of_objects(scenes: AbstractScenes, seed: int) -> float:
    """Side of a window around a typical object of some scenes, in pixels, to a tenth.

    Raises:
        NoInputError: nothing is to be seen in any picture.
    """
    return round(window_size(np.asarray(scenes.batch(seed, np.arange(MEASURED)).image)), 1)


def is_on_black(scenes: AbstractScenes, seed: int) -> bool:
    """Whether the ground of scenes is black, so that two of them added up make another, if light does."""
    images = np.asarray(scenes.batch(seed, np.arange(MEASURED)).image)
    return bool(np.median(np.median(images, axis=(1, 2, 3))) < BLACK)


def window_size(images: Float[np.ndarray, "images height width channels"]) -> float:
    """Side of a window around a typical object, in pixels.

    Raises:
        NoInputError: nothing is to be seen in any picture.
    """
    extents = [extent for image in images for extent in blob_extents(image.max(-1))]
    if not extents:
        raise NoInputError("Nothing can be seen in these pictures: no pixel stands out from black.")
    return float(min(MARGIN * np.median(extents), *images.shape[1:3]))


def check_sizes(object_size: float | None, max_objects: int, batch: int, dataset: AbstractScenes) -> None:
    """Refuse a window that the canvas does not hold, and steps that no memory holds.

    Raises:
        UsageError: one of them; says what to change.
    """
    canvas = f"{dataset.height}x{dataset.width}"
    if object_size is not None and object_size > min(dataset.height, dataset.width):
        raise UsageError(
            f"`object_size` is the side of a window on a canvas of {canvas} pixels; got {object_size:g}. "
            "Use a smaller one, or leave it out: then it is measured."
        )
    values = batch * max_objects * dataset.height * dataset.width * dataset.channels
    if values > MAX_CANVAS_VALUES:
        raise UsageError(
            f"A step keeps `batch` times `max_objects` canvases in memory; {batch:,} times {max_objects} of "
            f"{canvas} pixels hold {values:.2g} numbers, more than {MAX_CANVAS_VALUES:.2g}. "
            "Make one of them smaller."
        )


def doubt(object_size: float, dataset: AbstractScenes) -> str | None:
    """What seems wrong about a window, None if nothing does."""
    if object_size < min(dataset.height, dataset.width):
        return None
    return (
        f"A window covers the canvas of {dataset.height}x{dataset.width} pixels, so that objects can hardly "
        "be told apart. Are single ones so large, or do several touch? Then give `object_size`."
    )


def blob_extents(image: Float[np.ndarray, "height width"]) -> list[int]:
    """Longer side of the box around each connected blob, in pixels."""
    peak = image.max()
    ink = (image > BRIGHT * peak) & (peak > FAINT)
    labels = np.zeros(image.shape, np.int32)
    ndimage.label(ink, np.ones((3, 3)), output=labels)
    boxes = ndimage.find_objects(labels)
    extents = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in boxes]
    return [extent for extent in extents if extent > SPECK]

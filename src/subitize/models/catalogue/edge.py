"""Does an object that is cut by the border of a picture count?

If `SLIVER` pixels of it stand out, that is the user's choice:

count    it does
half     it does at the upper and the left border, and does not if it touches one of the others: the counting
         frame of Gundersen (1977), "Notes on the estimation of the numerical density of arbitrary profiles:
         the edge effect", by which the count over the area of the picture is a density without bias
skip     it does not
"""

import numpy as np

from subitize.models.catalogue.normalize import DIAMETER

NEAR = 0.5  # pixels: a box that comes so near to the border touches it
SLIVER = 10  # pixels of an object in a normalized picture that must show


def counts_at_edge(boxes: np.ndarray, shape: tuple[int, ...], edge: str) -> np.ndarray:
    """Whether each object counts; [n].

    Args:
        boxes: x0, y0, x1, y1 of what is seen of each, in pixels; [n, 4].
        shape: of the picture, (rows, columns).
        edge: count, half or skip.
    """
    rows, columns = shape
    upper_left = (boxes[:, :2] < NEAR).any(1)
    lower_right = (boxes[:, 2:] > np.array([columns, rows]) - NEAR).any(1)
    touches = {"count": np.zeros(len(boxes), bool), "half": lower_right, "skip": upper_left | lower_right}
    return ~touches[edge]


def are_slivers(labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Whether too little stands out of each object at the border of a normalized picture; [n].

    Args:
        labels: which pixels are of which object: 0 for ground, i for object i, counted from 1.
        centres: of the objects, (row, column); [n, 2].
    """
    area = np.bincount(labels.ravel(), minlength=len(centres) + 1)[1:]
    to_border = np.minimum(centres, labels.shape - centres).min(1)
    return (area < SLIVER) & (to_border < DIAMETER / 2)


def numbered(labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Labels of the objects that are kept, numbered 1, 2, ...; 0 for the others.

    Args:
        labels: 0 for ground, i for object i, counted from 1.
        kept: whether each object is; [n].
    """
    return np.concatenate([[0], np.where(kept, kept.cumsum(), 0)])[labels]

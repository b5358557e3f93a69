"""Does an object that is cut by the border of a picture count?

count    it does
half     it does at the upper and the left border, and does not if it touches one of the others: the counting
         frame of Gundersen (1977), "Notes on the estimation of the numerical density of arbitrary profiles:
         the edge effect", by which the count over the area of the picture is a density without bias
skip     it does not
"""

import numpy as np

NEAR = 0.5  # pixels: a box that comes so near to the border touches it


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

"""Does it look where the objects are?

Boxes (x0, y0, x1, y1) of one picture are matched one to one so that the sum of their overlaps

    IoU(a, b) = area(a ∩ b) / area(a ∪ b)

is largest (Kuhn 1955, "The Hungarian method for the assignment problem"). A pair that does not overlap at
all is no match. `iou` is the mean over matched pairs, of all pictures together; an object counts as found,
for recall and precision, if its pair overlaps by at least a half (Everingham et al. 2010, "The PASCAL visual
object classes challenge").

AIR looks through square windows, wider than the object; what is compared with the truth, the box around an
object's ink, is the box around the ink that AIR itself paints.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Num
from scipy.optimize import linear_sum_assignment

FOUND = 0.5  # overlap from which on an object counts as found
INK = 0.3  # of a patch's brightest pixel: its edge is soft, that of real ink is not


def localisation(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float | None]:
    """Compare true with predicted boxes, picture by picture.

    Args:
        pairs: for each picture the true boxes [objects, 4] and the predicted ones [found, 4].

    Returns:
        iou (None where nothing was matched), recall_50 and precision_50 (None where there is nothing to find,
        or nothing was).
    """
    overlaps, true, predicted = [], 0, 0
    for truth, found in pairs:
        overlaps.append(matched(iou(truth, found)))
        true, predicted = true + len(truth), predicted + len(found)
    every = np.concatenate(overlaps) if overlaps else np.zeros(0)
    hits = int((every >= FOUND).sum())
    return {
        "iou": float(every.mean()) if len(every) else None,
        "recall_50": hits / true if true else None,
        "precision_50": hits / predicted if predicted else None,
    }


def iou(
    a: Num[np.ndarray, "objects 4"], b: Num[np.ndarray, "others 4"]
) -> Float[np.ndarray, "objects others"]:
    """Overlap of every box of `a` with every box of `b`; 0 for a box without area."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    side = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(side, 0).prod(-1)
    either = area(a) + area(b) - both
    return both / np.where(either > 0, either, 1.0)


def area(boxes: Num[np.ndarray, "*boxes 4"]) -> Float[np.ndarray, "*boxes"]:
    """Area of each box, 0 for one that is turned inside out."""
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(-1)


def matched(overlap: Float[np.ndarray, "objects others"]) -> Float[np.ndarray, "pairs"]:
    """Overlaps of the best one-to-one matching, without pairs that do not touch."""
    best = overlap[linear_sum_assignment(overlap, maximize=True)]
    return best[best > 0]


def ink_boxes(patches: Float[np.ndarray, "objects height width channels"]) -> Float[np.ndarray, "objects 4"]:
    """The box around what is painted in each patch; all zeros where nothing is."""
    bright = np.asarray(patches).max(-1)
    inked = bright > INK * bright.max((1, 2), keepdims=True)
    columns, rows = edges(inked.any(1)), edges(inked.any(2))
    return np.stack([columns[0], rows[0], columns[1], rows[1]], -1).astype(float).reshape(-1, 4)


def edges(inked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row of flags begins and ends to be set: first, and last plus one; (0, 0) if never."""
    some = inked.any(1)
    return inked.argmax(1) * some, (inked.shape[1] - inked[:, ::-1].argmax(1)) * some

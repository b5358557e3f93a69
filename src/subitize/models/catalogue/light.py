"""Does the light of objects that overlap add up, or does one cover the other?

Where light adds, much of a clump is brighter than almost all of what is seen in lone objects. Those are the
smaller half of them: two that overlap may pass for a lone one.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from subitize.models.catalogue.harvest import Lone
from subitize.models.catalogue.normalize import AREA, LEAST, components

CLUMP = 1.6  # of the area of a typical object: a larger component is a clump
BRIGHT = 98  # percentile of the brightness of lone objects that few of their own pixels exceed
ADDS = 0.2  # share of the pixels of clumps above it from which on light adds: 0.3 where it does, else 0.1
FEW = 15  # lone objects: what fewer look like tells nothing


def light_of(pictures: Sequence[np.ndarray], objects: Sequence[Lone]) -> Literal["adds", "covers"]:
    """Whether light adds up, as normalized pictures and their lone objects tell; covers if too few do.

    Args:
        pictures: normalized ones.
        objects: lone ones in them.
    """
    typical = np.median([each.area for each in objects]) if objects else 0.0
    smaller = [each for each in objects if each.area <= typical]
    if len(smaller) < FEW:
        return "covers"
    alone, clumped = [], []
    for number, picture in enumerate(pictures):
        labels, _ = components(picture, blur=0.7, least=LEAST)
        large = np.bincount(labels.ravel()) > CLUMP * AREA
        large[[0, *labels_at(labels, objects, number)]] = False
        alone.append(picture[np.isin(labels, labels_at(labels, smaller, number))])
        clumped.append(picture[large[labels]])
    limit, pixels = np.percentile(np.concatenate(alone), BRIGHT), np.concatenate(clumped)
    return "adds" if len(pixels) and (pixels > limit).mean() > ADDS else "covers"


def labels_at(labels: np.ndarray, objects: Sequence[Lone], number: int) -> list[int]:
    """The labels of the objects of a picture."""
    return [int(labels[int(o.centre[0]), int(o.centre[1])]) for o in objects if o.picture == number]

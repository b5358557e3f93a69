"""Are the components of normalized pictures of one size and convex, and how many are there?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from subitize.models.catalogue.harvest import SMALLEST, SOLIDITY, is_lone, regions_of
from subitize.models.catalogue.normalize import AREA

ALIKE = 1 / 3  # share of components that look like one whole object, below which a catalogue knows too few
MOST = 95  # percentile of the pictures by how many components they hold


class Shapes(NamedTuple):
    """What stands out of normalized pictures; specks do not.

    Attributes:
        components: in one of the fullest pictures.
        alike: share of the components inside the pictures that look like one whole object; 1 if none is.
        length: of a typical component, as a share of its picture's shorter side.
    """

    components: float
    alike: float
    length: float


def shapes_of(pictures: Sequence[np.ndarray]) -> Shapes:
    """What stands out of normalized pictures."""
    alike, lengths, numbers = [], [], []
    for picture in pictures:
        (rows, columns), (_, regions) = picture.shape, regions_of(picture)
        regions = [region for region in regions if region.area >= SMALLEST * AREA]
        numbers.append(len(regions))
        for region in regions:
            top, left, bottom, right = region.bbox
            lengths.append(max(bottom - top, right - left) / min(rows, columns))
            if top > 0 and left > 0 and bottom < rows and right < columns:
                alike.append(is_lone(region, picture.shape, SOLIDITY[-1]))
    return Shapes(
        float(np.percentile(numbers, MOST)),
        float(np.mean(alike)) if alike else 1.0,
        float(np.median(lengths)) if lengths else 0.0,
    )

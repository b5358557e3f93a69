"""Do the components of normalized pictures look alike, in size and shape, and how many are there?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from subitize.models.catalogue.harvest import SMALLEST, SOLIDITY, is_convex, is_lone, regions_of, things
from subitize.models.catalogue.normalize import AREA

ALIKE = 1 / 3  # share of components that look like one whole object, below which a catalogue knows too few
SMOOTH = 0.9  # area over that of the convex hull, of a component whose size is compared with others
RANGE = 3.0  # of diameters, around the median, within which things are of one kind
MIXED = 0.1  # share of things outside it, above which sizes differ
MOST = 95  # percentile of the pictures by how many components they hold


class Shapes(NamedTuple):
    """What stands out of normalized pictures; specks do not.

    Attributes:
        components: in one of the fullest pictures.
        alike: share of the components inside the pictures that look like one whole object, 1 if all are cut.
        other_size: share of the convex ones whose diameter is out of a range of `RANGE` around the median.
        length: of a typical component, as a share of its picture's shorter side.
    """

    components: float
    alike: float
    other_size: float
    length: float


def shapes_of(pictures: Sequence[np.ndarray]) -> Shapes:
    """What stands out of normalized pictures."""
    alike, diameters, lengths, numbers = [], [], [], []
    for picture in pictures:
        (rows, columns), (_, regions), no_grain = picture.shape, regions_of(picture), things(picture)
        large = [region for region in regions if region.area >= SMALLEST * AREA]
        numbers.append(len(large))
        for region in large:
            top, left, bottom, right = region.bbox
            lengths.append(max(bottom - top, right - left) / min(rows, columns))
        for region in regions:
            top, left, bottom, right = region.bbox
            if top == 0 or left == 0 or bottom == rows or right == columns:
                continue
            if region.area >= SMALLEST * AREA:
                alike.append(is_lone(region, picture.shape, SOLIDITY[-1]))
            if no_grain[tuple(region.coords[0])] and is_convex(region, SMOOTH):
                diameters.append(region.equivalent_diameter_area)
    return Shapes(
        float(np.percentile(numbers, MOST)),
        float(np.mean(alike)) if alike else 1.0,
        out_of_range(np.array(diameters)) if diameters else 0.0,
        float(np.median(lengths)) if lengths else 0.0,
    )


def out_of_range(diameters: np.ndarray) -> float:
    """Share of diameters that are far from the median."""
    return float((np.abs(np.log(diameters / np.median(diameters))) > np.log(RANGE) / 2).mean())

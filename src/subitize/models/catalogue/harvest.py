"""Wake: what is sure in a folder's own pictures, to compose scenes of?

    objects    components that lie alone: of common size, convex, not too long, off the border
    grounds    the pictures with all objects painted over
    sure       crops around lone objects, where only these and bare ground are known

A lone object is kept as a window of light with a soft mask.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.measure import regionprops

from subitize.models.catalogue.normalize import AREA, CELL, LEAST, components

WINDOW = 48  # side of the window that holds an object, in pixels
CROP = 96  # side of a composed scene, in pixels
ENOUGH = 20  # lone objects, above which nothing less convex is taken
SOLIDITY = (0.95, 0.93, 0.9, 0.85)  # area over that of the convex hull
DIRECTIONS = 16  # in which the extent of an object is kept
SOFT = 3  # pixels around an object that are pasted with it, ever more softly
LARGEST = 2.2  # of the area of a typical object: what is larger is no lone object,
ROUND_LARGEST = 3.6  # unless it is round: then no more than so large
ROUND = (0.5, 0.95)  # eccentricity at most, and area over that of the convex hull at least
SMALLEST = 0.25  # of the area of a typical object: what is smaller is no lone object,
GRAIN = 0.1  # and what is so small, and not cut by the border, is part of the ground,
PALE = 0.75  # of an object's brightness: and so is what is smaller and nowhere brighter
FAR = 6  # pixels around components that are not ground


class Lone(NamedTuple):
    """A lone object: where it is, and how it looks.

    Attributes:
        picture: number of its picture.
        centre: of its mask, (row, column); pixel i reaches from i to i + 1.
        area: of its mask, in pixels.
        light: [WINDOW, WINDOW], over the ground, with the centre in the middle.
        alpha: how much of each pixel is the object's.
        mask: 1 where the object is.
    """

    picture: int
    centre: tuple[float, float]
    area: float
    light: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray


def lone_objects(pictures: Sequence[np.ndarray]) -> list[Lone]:
    """The lone objects of normalized pictures."""
    regions = [(i, p, *regions_of(p)) for i, p in enumerate(pictures)]
    for solidity in SOLIDITY:
        found = [
            (i, picture, labels, region)
            for i, picture, labels, every in regions
            for region in every
            if is_lone(region, picture.shape, solidity)
        ]
        if len(found) >= ENOUGH:
            break
    if not found:
        return []
    limit = 1.8 * np.median([region.area for *_, region in found])
    return [lone(*each) for each in found if each[-1].area < limit or is_round(each[-1])]


def regions_of(picture: np.ndarray) -> tuple[np.ndarray, list]:
    """Components of a normalized picture, and what is known of each."""
    labels, _ = components(picture, blur=0.7, least=LEAST)
    return labels, regionprops(labels)


def is_lone(region, shape: tuple[int, int], solidity: float) -> bool:
    """Whether a component looks like one whole object."""
    top, left, bottom, right = region.bbox
    inside = top > 0 and left > 0 and bottom < shape[0] and right < shape[1]
    small = max(bottom - top, right - left) < WINDOW - 8
    if not (inside and small and SMALLEST * AREA < region.area < ROUND_LARGEST * AREA):
        return False
    return (region.area < LARGEST * AREA or is_round(region)) and is_convex(region, solidity)


def is_round(region) -> bool:
    """Whether a component is so round that it can hardly be two objects on each other."""
    return bool(region.eccentricity < ROUND[0] and region.solidity > ROUND[1])


def is_convex(region, solidity: float) -> bool:
    """Whether a component is convex and not long."""
    return bool(region.eccentricity < 0.93 and region.solidity > solidity)


def lone(number: int, picture: np.ndarray, labels: np.ndarray, region) -> Lone:
    """A component as an object."""
    row, column = region.centroid
    half, (y, x) = WINDOW // 2, (round(row), round(column))
    window = np.pad(picture, half)[y : y + WINDOW, x : x + WINDOW]
    own = np.pad(labels == region.label, half)[y : y + WINDOW, x : x + WINDOW]
    others = np.pad((labels > 0) & (labels != region.label), half)[y : y + WINDOW, x : x + WINDOW]
    alpha = ndimage.gaussian_filter(grown(own, SOFT).astype(np.float32), 1)
    alpha = np.where(others, 0, alpha)
    layers = (window * alpha, alpha, own.astype(np.float32))
    shifted = (ndimage.shift(layer, (y - row, x - column), order=1) for layer in layers)
    return Lone(number, (row + 0.5, column + 0.5), float(region.area), *shifted)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask and what is so near to it."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=pixels), bool)


def things(picture: np.ndarray) -> np.ndarray:
    """Where a normalized picture may hold objects; its grains, too small or too pale, are of the ground."""
    labels, number = components(picture, blur=0.7, least=LEAST)
    every = np.arange(number + 1)
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    brightest = ndimage.maximum(ndimage.gaussian_filter(picture, 0.7), labels, every)
    cut = np.isin(every, np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    pale = (areas < SMALLEST * AREA) & (np.asarray(brightest) < PALE)
    return (((areas >= GRAIN * AREA) | cut) & ~pale & (every > 0))[labels]


def bare(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A normalized picture with its objects painted over by other parts of its ground."""
    hidden = grown(things(picture), FAR)
    result, open_ = np.where(hidden, 0, picture), hidden.copy()
    for _ in range(30):
        if not open_.any():
            break
        shift = tuple(int(rng.integers(side)) for side in picture.shape)
        seen, free = np.roll(picture, shift, (0, 1)), ~np.roll(hidden, shift, (0, 1))
        take = open_ & free
        result[take], open_ = seen[take], open_ & ~take
    noise = picture[~hidden].std() if (~hidden).any() else 0.0
    return np.where(open_, noise * rng.standard_normal(picture.shape), result).astype(np.float32)


def crops_of(picture: np.ndarray, number: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Square crops of a picture, each turned and flipped at random."""
    wide = picture
    while min(wide.shape) < CROP:  # a small one is mirrored until it is large enough
        wide = np.pad(wide, [(0, min(side - 1, max(0, CROP - side))) for side in wide.shape], "reflect")
    result = []
    for _ in range(number):
        y, x = (int(rng.integers(side - CROP + 1)) for side in wide.shape)
        result.append(turned(wide[y : y + CROP, x : x + CROP], int(rng.integers(8))))
    return result


def turned(square: np.ndarray, which: int) -> np.ndarray:
    """One of the eight symmetric copies of a square."""
    return np.rot90(square.T if which >= 4 else square, which % 4)


class Sure(NamedTuple):
    """A crop of a picture, where only some is known.

    Attributes:
        pixels: [CROP, CROP].
        targets: per cell, whether a lone object's centre is there and where in the cell; [cells, cells, 3].
        known: per cell, 1 where that is sure.
    """

    pixels: np.ndarray
    targets: np.ndarray
    known: np.ndarray


def sure_crops(picture: np.ndarray, centres: np.ndarray, number: int, rng: np.random.Generator) -> list[Sure]:
    """Crops around lone objects; unknown are the surroundings of all other components, and the border.

    Args:
        picture: normalized.
        centres: of its lone objects, [n, 2].
        number: of crops.
        rng: where they lie.
    """
    if min(picture.shape) < CROP or not len(centres):
        return []
    labels, _ = components(picture, blur=0.7, least=LEAST)
    alone = [labels[int(row), int(column)] for row, column in centres]
    others = things(picture) & ~np.isin(labels, alone)
    sure = ~grown(others, CELL)
    side, result = CROP // CELL, []
    for _ in range(number):
        chosen = centres[rng.integers(len(centres))].round() - rng.integers(CROP, size=2)
        y, x = np.clip(chosen, 0, np.array(picture.shape) - CROP).astype(int)
        inside = centres - (y, x)
        inside = inside[((inside >= 0) & (inside < CROP)).all(1)]
        cells = sure[y : y + CROP, x : x + CROP].reshape(side, CELL, side, CELL)
        known = np.asarray(cells.all((1, 3)))
        known[[0, -1]] = known[:, [0, -1]] = False
        which = int(rng.integers(8))
        result.append(turned_sure(picture[y : y + CROP, x : x + CROP], inside, known, which))
    return result


def turned_sure(pixels: np.ndarray, centres: np.ndarray, known: np.ndarray, which: int) -> Sure:
    """One of the eight symmetric copies of a crop."""
    if which >= 4:
        centres = centres[:, ::-1]
    for _ in range(which % 4):  # np.rot90: (row, column) -> (CROP - column, row)
        centres = np.stack([CROP - centres[:, 1], centres[:, 0]], 1)
    return Sure(turned(pixels, which), targets_of(centres), turned(known, which).astype(np.float32))


def targets_of(centres: np.ndarray) -> np.ndarray:
    """Per cell, whether a centre is in it, and where from its middle, in cells; [cells, cells, 3]."""
    side = CROP // CELL
    targets = np.zeros((side, side, 3), np.float32)
    for centre in np.clip(centres, 0, CROP - 1e-3):
        row, column = (centre // CELL).astype(int)
        targets[row, column] = (1, *(centre / CELL - (row + 0.5, column + 0.5)))
    return targets

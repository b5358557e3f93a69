"""How is what is named in a picture told: how many there may be, where each lies, and what is doubtful?

Reasons for doubt are codes, which `subitize.evaluation.reasons` explains.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.spatial import KDTree
from scipy.special import ndtr

from subitize.core.image_io import NOTHING
from subitize.models.catalogue.channel import CHANNELS, grey_of
from subitize.models.catalogue.harvest import SMALLEST
from subitize.models.catalogue.normalize import (
    AREA,
    DIAMETER,
    HOLE,
    LEAST,
    Normalized,
    Normalizer,
    components,
    depth,
)
from subitize.models.catalogue.rivals import boxes_in

DENSE = 0.6  # share of a picture above which there is too little ground
FAR = 0.2  # of a count: farther away a rival disagrees
CLOSE = 1  # object by which a rival may always differ
NARROW, WIDE = 4, 0.5  # objects, and share of a count: a wider interval is no answer


def not_outvoted(count: int, rivals: Sequence[int]) -> tuple[int, ...]:
    """The rivals, without one that is far off while another agrees with the count."""
    away = np.abs(np.array(rivals) - count)
    agrees = (away <= max(CLOSE, FAR * count)).any()
    return tuple(np.array(rivals)[away <= max(NARROW, WIDE * count)].tolist()) if agrees else tuple(rivals)


def posterior_of(count: int, catalogues: np.ndarray, rivals: Sequence[int]) -> np.ndarray:
    """q(0) … q(N) of the count: a normal distribution around the objects that are named, from 0 on.

    Its variance is that of the catalogues, at other sizes too, and that of the count and its rivals.

    Args:
        count: of the objects that are named.
        catalogues: how many objects are in each sampled one.
        rivals: what other methods count.
    """
    variance = np.square(catalogues - catalogues.mean()).mean() + np.var((count, *rivals))
    deviation = max(np.sqrt(variance), 1e-3)
    edges = np.arange(count + int(np.ceil(4 * deviation)) + 2) - 0.5
    mass = np.diff(ndtr((edges - count) / deviation))
    return mass / mass.sum()


def boxes_of(labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The smallest box x0, y0, x1, y1 around what belongs to each centre; [n, 4].

    Where nothing does, it is a box of the size of an object.
    """
    half = DIAMETER / 2
    around = np.concatenate([centres[:, ::-1] - half, centres[:, ::-1] + half], 1)
    own = boxes_in(labels, len(centres))
    return np.where(np.isnan(own), around, own)


def at_size(labels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Labels at another size."""
    picture = Image.fromarray(labels.astype(np.int32))
    return np.asarray(picture.resize((columns, rows), Image.Resampling.NEAREST))


def outlines(pixels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """What belongs to each centre, as labels from 1 on: what stands out, cut by the power diagram of discs.

    The disc of a centre is the largest inside what stands out. Each pixel belongs to the disc whose power,
    |x - c|² - r², is least (Aurenhammer 1987), if it is connected with its centre: discs of any sizes that
    touch are cut where they do. With a third coordinate h, h² = max r² - r², that disc is the nearest point.
    """
    standing, _ = components(pixels, blur=0.7, least=LEAST, largest_hole=HOLE)
    labels = np.zeros(pixels.shape, int)
    rows, columns = np.clip(centres, 0, np.array(pixels.shape) - 1).astype(int).T
    component = standing[rows, columns]
    known = np.flatnonzero(component)  # a centre on the ground has no disc
    inside = np.isin(standing, component[known])
    if len(known):
        radii = depth(standing > 0)[rows, columns][known]
        discs = np.column_stack([centres[known], np.sqrt(radii.max() ** 2 - radii**2)])
        nearest = known[KDTree(discs).query(np.pad(np.argwhere(inside) + 0.5, ((0, 0), (0, 1))))[1]]
        labels[inside] = np.where(component[nearest] == standing[inside], 1 + nearest, 0)
    labels[rows, columns] = 1 + np.arange(len(centres))
    return labels


def doubts_of(
    grey: np.ndarray, normal: Normalized, posterior: np.ndarray, rivals: Sequence[int]
) -> tuple[str, ...]:
    """Codes of what speaks against believing a count.

    Args:
        grey: the picture as it is, [height, width].
        normal: the same, normalized.
        posterior: q(0) … q(N).
        rivals: what other methods count, where they are believed.
    """
    count, found = int(posterior.argmax()), [normal.unlike] if normal.unlike else []
    if np.ptp(grey) <= NOTHING and not count and not stands_out(normal.pixels):
        return ("blank",)
    away = np.array(rivals) - count
    allowed = max(CLOSE, FAR * count)
    if rivals and ((away > allowed).all() or (away < -allowed).all()):
        found.append("rivals_disagree")
    low, high = np.searchsorted(posterior.cumsum(), (0.05, 0.95))
    if high - low > max(NARROW, WIDE * count):
        found.append("low_confidence")
    if (normal.pixels > 0.5).mean() > DENSE:
        found.append("too_dense")
    return tuple(found)


def overlooked(pixels: np.ndarray, channel: str, normalizer: Normalizer) -> tuple[str, ...]:
    """Codes of why nothing may stand out of a picture in which there is something.

    Args:
        pixels: the picture, [height, width, 1 | 3].
        channel: what of its colours was looked at.
        normalizer: with which it was looked at.
    """
    found = []
    coloured = pixels.shape[-1] == 3 and np.ptp(pixels, axis=-1).max() > NOTHING
    others = [name for name in CHANNELS if name != channel] if coloured else []
    if any(stands_out(normalizer(grey_of(pixels, name)).pixels) for name in others):
        found.append("colour_lost")
    turned = dataclasses.replace(normalizer, dark=not normalizer.dark)
    if stands_out(turned(grey_of(pixels, channel)).pixels):
        found.append("other_ground")
    return tuple(found)


def stands_out(pixels: np.ndarray) -> bool:
    """Whether something as large as an object stands out of a normalized picture."""
    labels, _ = components(pixels, blur=0.7, least=LEAST)
    return bool(np.bincount(labels.ravel())[1:].max(initial=0) > SMALLEST * AREA)

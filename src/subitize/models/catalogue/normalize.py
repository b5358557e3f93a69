"""How does a picture of any size, ground and brightness become one that all objects look alike in?

In a normalized picture objects are bright, about `DIAMETER` pixels across and 1 high, on a ground of 0:

    upright    dark objects on a bright ground are turned over
    scaled     by DIAMETER over the objects' own diameter, each side to a whole number of blocks of cells
    flat       minus the ground: the 25th percentile of its surroundings, four diameters wide, smoothed
    bright     over the median brightness of what Otsu's threshold (1979) takes for objects

`appearance` measures what this needs in a folder, once; `Normalized` keeps the way back to the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from subitize.core.threads import in_order

DIAMETER = 18  # of an object in a normalized picture, in pixels
CELL = 6  # side of a cell, in pixels of a normalized picture; a cell holds the centre of one object at most
BLOCK = 2 * CELL  # cells of four colours: the sides of a normalized picture are whole blocks
RANGE = (-0.75, 5.0)  # of brightness in a normalized picture
PATCH = 6  # side of the squares whose means show the ground, in pixels: a third of a diameter
SURROUNDINGS = 13  # squares across, of which the ground is the 25th percentile
THIN = 512  # pixels of the longer side by which brightness is judged
SPECK = 20  # pixels: a smaller component is no object
AREA = np.pi * (DIAMETER / 2) ** 2  # of an object in a normalized picture, in pixels
HOLE = AREA / 4  # pixels: what is larger is no hole in an object
LEAST = 0.25  # of an object's brightness: what is darker in a normalized picture is ground
FAINT = 3.0  # what is so many times fainter than the folder's objects is noise (or brighter, unlike them),
CLEAR = 5.0  # unless it is so many times brighter than the ground is rough


class Normalized(NamedTuple):
    """A normalized picture.

    Attributes:
        pixels: brightness over the ground, in units of the objects'; [height, width].
        scale: normalized pixels per pixel of the picture, along (rows, columns).
        unlike: "fainter" or "brighter" if what stands out is so, and far, than the folder's objects; else "".
    """

    pixels: np.ndarray
    scale: np.ndarray
    unlike: Literal["", "fainter", "brighter"] = ""


class Known(NamedTuple):
    """What is known of the objects of a folder; None is measured."""

    diameter: float | None = None
    dark: bool | None = None
    brightness: float | None = None


UNKNOWN = Known()


@dataclass(frozen=True)
class Normalizer:
    """Normalizes pictures of a folder whose objects look alike.

    Args:
        diameter: of a typical object, in the pictures' own pixels.
        dark: whether objects are darker than their ground.
        brightness: of a typical object over its ground, of a picture's range of 0..1.
    """

    diameter: float
    dark: bool
    brightness: float

    def __call__(self, grey: np.ndarray) -> Normalized:
        """The normalized picture of a grey one [height, width]."""
        flat = self.flat(grey)
        found = brightness_of(flat)
        alike = found is not None and FAINT * found > self.brightness
        fainter = found is not None and not alike and found > CLEAR * spread_of(flat)
        own = found if found is not None and (alike or fainter) else self.brightness
        brighter = own > FAINT * self.brightness
        unlike = "fainter" if fainter else "brighter" if brighter else ""
        return Normalized(np.clip(flat / own, *RANGE), np.divide(flat.shape, grey.shape), unlike)

    def flat(self, grey: np.ndarray) -> np.ndarray:
        """A grey picture upright, at the normalized size and without its ground."""
        sides = [max(BLOCK, BLOCK * round(side * DIAMETER / self.diameter / BLOCK)) for side in grey.shape]
        scaled = resized(upright(grey, dark=self.dark), *sides)
        return scaled - ground(scaled, PATCH, SURROUNDINGS)


def appearance(pictures: Sequence[np.ndarray], known: Known = UNKNOWN) -> Normalizer:
    """The normalizer of a folder: what its objects look like, as the median of its grey pictures says."""
    dark, diameter, brightness = known.dark, known.diameter, known.brightness
    if dark is None:
        dark = bool(np.median(list(in_order(skewness, pictures))) < 0)
    if diameter is None:
        sizes = in_order(lambda grey: diameter_of(upright(grey, dark=dark)), pictures)
        found = [size for size in sizes if size is not None]
        diameter = float(np.median(found)) if found else float(DIAMETER)
    if brightness is None:
        normalizer = Normalizer(diameter, dark, 1.0)
        found = [v for v in in_order(lambda grey: brightness_of(normalizer.flat(grey)), pictures) if v]
        brightness = float(np.median(found)) if found else 1.0
    return Normalizer(diameter, dark, brightness)


def upright(grey: np.ndarray, *, dark: bool) -> np.ndarray:
    """The picture with its objects brighter than the ground."""
    return 1 - grey if dark else grey


def skewness(grey: np.ndarray) -> float:
    """Above 0 where few pixels are much brighter than their surroundings, below where few are darker."""
    small = thinned(grey)
    wide = small - ndimage.gaussian_filter(small, max(small.shape) / 12)
    deviation = wide.std()
    return float(((wide - wide.mean()) ** 3).mean() / deviation**3) if deviation > 0 else 0.0


def thinned(grey: np.ndarray) -> np.ndarray:
    """Every so many pixels of a large picture, enough to judge its brightness by."""
    every = max(1, max(grey.shape) // THIN)
    return grey[::every, ::every]


def diameter_of(grey: np.ndarray) -> float | None:
    """Twice the inner radius of a typical object, in pixels; None where nothing stands out.

    The ground is first sought over a third of the picture, then over four of the diameters so found.
    """
    square, across = max(1, round(min(grey.shape) / 48)), SURROUNDINGS
    diameter = None
    for _ in range(2):
        diameter = twice_inner_radius(grey - ground(grey, square, across))
        if diameter is None:
            return None
        square = max(1, round(diameter * PATCH / DIAMETER))
    return diameter


def twice_inner_radius(flat: np.ndarray) -> float | None:
    """Twice the median over components, each weighed by its area, of how far its inside is from its edge."""
    labels, number = components(flat, blur=1.0)
    if not number:
        return None
    every = range(1, number + 1)
    areas = ndimage.sum_labels(labels > 0, labels, every)
    inner = ndimage.maximum(depth(labels > 0), labels, every)
    keep = areas >= SPECK
    return 2 * float(weighted_median(inner[keep], areas[keep])) if keep.any() else None


def components(
    flat: np.ndarray, blur: float, least: float = 0.0, largest_hole: float = np.inf
) -> tuple[np.ndarray, int]:
    """What stands out, as labels from 1 on, and their number; holes are filled.

    Args:
        flat: a picture without its ground.
        blur: standard deviation of the smoothing before Otsu's threshold, in pixels.
        least: what is darker never stands out, however dark the rest is.
        largest_hole: that is filled, in pixels: a larger one may be ground amid a ring of objects.
    """
    smooth, labels = ndimage.gaussian_filter(flat, blur), np.zeros(flat.shape, int)
    if np.ptp(smooth) == 0:
        return labels, 0
    bright = smooth > max(threshold_otsu(smooth), least)
    dark, number = labelled(~bright)
    hole = np.bincount(dark.ravel(), minlength=number + 1) <= largest_hole
    hole[[0, *dark[0], *dark[-1], *dark[:, 0], *dark[:, -1]]] = False  # what reaches the border is ground
    return labelled(bright | hole[dark])


def labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The connected parts of a mask, as labels from 1 on, and their number."""
    labels = np.zeros(mask.shape, int)
    number = ndimage.label(mask, output=labels)
    return labels, int(number)  # pyright: ignore[reportArgumentType]


def depth(mask: np.ndarray) -> np.ndarray:
    """How far each pixel of a mask is from its edge, in pixels."""
    inside = np.zeros(mask.shape)
    ndimage.distance_transform_edt(mask, distances=inside)
    return inside


def brightness_of(flat: np.ndarray) -> float | None:
    """Median of what stands out of the ground; None if that is next to nothing."""
    smooth = ndimage.gaussian_filter(flat, 0.7)
    if np.ptp(smooth) == 0:
        return None
    out = flat[smooth > threshold_otsu(smooth)]
    return float(np.median(out)) if out.size >= SPECK and np.median(out) > 0 else None


def spread_of(flat: np.ndarray) -> float:
    """How rough the ground of a picture is: the standard deviation that its median deviation stands for."""
    return 1.4826 * float(np.median(np.abs(flat - np.median(flat))))


def ground(grey: np.ndarray, square: int, across: int) -> np.ndarray:
    """The ground of a picture whose objects are brighter: a low percentile of means over squares, smoothed.

    Args:
        grey: the picture.
        square: side of a square, in pixels.
        across: side of the surroundings, in squares; they are looked at every fourth square.
    """
    rows, columns = (-(-side // square) for side in grey.shape)
    beyond = (rows * square - grey.shape[0], columns * square - grey.shape[1])
    padded = np.pad(grey, [(0, beyond[0]), (0, beyond[1])], "edge")
    means = padded.reshape(rows, square, columns, square).mean((1, 3))
    wide = np.pad(means, across // 2, "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(wide, (across, across))[::2, ::2]
    low = np.percentile(windows.reshape(*windows.shape[:2], -1), 25, axis=-1)
    smooth = ndimage.gaussian_filter(low, 3, mode="nearest")
    back = Image.fromarray(smooth.astype(np.float32))
    return np.asarray(back.resize(grey.shape[::-1], Image.Resampling.BILINEAR))


def resized(grey: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A picture of another size, antialiased."""
    if grey.shape == (rows, columns):
        return grey.astype(np.float32)
    return np.asarray(
        Image.fromarray(grey.astype(np.float32)).resize((columns, rows), Image.Resampling.BILINEAR)
    )


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value up to which half of the weight lies."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])

"""How does a picture of any size become one of the model's, and where is a place on it in the picture?

The same steps for a folder to learn from and for a picture to count in, so that a picture of the folder
gives the same array in both:

    channels    grey to colour by repetition; colour to grey by 0.299 r + 0.587 g + 0.114 b (ITU-R BT.601)
    invert      dark objects on a bright ground become bright ones on a dark ground
    fit         the picture is brought to the canvas; what stays free gets its border's median
    bytes       brightness is rounded to v / 255

`Placement` is the geometry of `fit`, and maps boxes forward and back.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from subitize.core.specs import check_choice

FITS = ("resize", "crop", "pad")
INVERTS = ("auto", "always", "never")
EYE = np.array([0.299, 0.587, 0.114], np.float32)  # weights of red, green and blue in grey
BYTE = np.float32(1 / 255)  # brightness of the darkest grey above black


class Placement(NamedTuple):
    """Where a picture lies on the canvas; all in (rows, columns).

    Attributes:
        picture: its size, in its own pixels.
        scaled: its size, in pixels of the canvas.
        corner: its upper left corner on the canvas; negative where it is cropped.
    """

    picture: tuple[int, int]
    scaled: tuple[int, int]
    corner: tuple[int, int]

    def to_canvas(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes x0, y0, x1, y1 in the picture as boxes on the canvas, which may lie beyond its edges."""
        return boxes * self.scale + np.tile(self.corner[::-1], 2)

    def to_picture(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes x0, y0, x1, y1 on the canvas as boxes in the picture, cut off at its edges."""
        inside = (boxes - np.tile(self.corner[::-1], 2)) / self.scale
        return np.clip(inside, 0, np.tile(self.picture[::-1], 2))

    @property
    def scale(self) -> np.ndarray:
        """Pixels of the canvas per pixel of the picture, for x0, y0, x1, y1."""
        return np.tile(np.divide(self.scaled, self.picture)[::-1], 2)


@dataclasses.dataclass(frozen=True)
class Preprocessor:
    """Brings pictures to a model's canvas.

    Args:
        height: rows of the canvas, in pixels.
        width: columns.
        channels: 1 for grey, 3 for colour.
        fit: "resize" scales until all of it just fits (antialiased); "crop" keeps the scale and cuts the
            middle out; "pad" keeps the scale unless it must shrink to fit.
        invert: "auto" turns a picture over if the median of its border is brighter than 0.5; "always" and
            "never" do not look.

    Raises:
        UsageError: there is no such way to fit or to invert.
    """

    height: int
    width: int
    channels: int = 1
    fit: str = "resize"
    invert: str = "auto"

    def __post_init__(self):
        check_choice("fit", self.fit, FITS)
        check_choice("invert", self.invert, INVERTS)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """The model's picture, uint8 [height, width, channels], of float32 [any, any, 1 | 3] in 0..1."""
        values = fitted(self.inverted(to_channels(pixels, self.channels)), self.placement(pixels.shape), self)
        return np.round(255 * values).astype(np.uint8)

    def placement(self, shape: tuple[int, ...]) -> Placement:
        """Where a picture of a shape (rows, columns, …) lies on the canvas."""
        picture, canvas = (shape[0], shape[1]), (self.height, self.width)
        scale = min(canvas[0] / picture[0], canvas[1] / picture[1])
        if self.fit == "resize" or (self.fit == "pad" and scale < 1):
            scaled = (max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale)))
        else:
            scaled = picture
        top, left = (middle(c, s) for c, s in zip(canvas, scaled, strict=True))
        return Placement(picture, scaled, (top, left))

    def inverted(self, values: np.ndarray) -> np.ndarray:
        """Dark objects on a bright ground as bright ones on a dark ground, which is what AIR paints."""
        if self.invert == "auto":
            return 1 - values if np.median(border(values)) > 0.5 else values
        return 1 - values if self.invert == "always" else values


def brightness(pictures: Any) -> Any:
    """Bytes as float32 in 0..1.

    By multiplication: a compiled program divides by a constant so, and a picture should have the same bits
    everywhere.

    Args:
        pictures: an array of NumPy's or of JAX's.
    """
    return pictures.astype(np.float32) * BYTE


def middle(canvas: int, scaled: int) -> int:
    """Where a side begins on the canvas when it lies in the middle; negative if it is longer."""
    return (canvas - scaled) // 2 if scaled <= canvas else -((scaled - canvas) // 2)


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour by repetition, colour to grey by the weights of the eye."""
    if pixels.shape[-1] == channels:
        return pixels
    return np.repeat(pixels, 3, axis=-1) if channels == 3 else (pixels @ EYE)[..., None]


def border(values: np.ndarray) -> np.ndarray:
    """The pixels along the four edges, [pixels, channels]: what the ground looks like."""
    edges = (values[0], values[-1], values[:, 0], values[:, -1])
    return np.concatenate(edges)


def fitted(values: np.ndarray, placement: Placement, canvas: Preprocessor) -> np.ndarray:
    """The canvas with the picture at its place; what stays free gets the border's median."""
    if placement.scaled != placement.picture:
        values = resampled(values, *placement.scaled)
    result = np.empty((canvas.height, canvas.width, values.shape[2]), np.float32)
    result[:] = np.median(border(values), axis=0)
    (top, left), (rows, columns) = placement.corner, placement.scaled
    seen = values[max(0, -top) : max(0, -top) + canvas.height, max(0, -left) : max(0, -left) + canvas.width]
    result[max(0, top) : max(0, top) + rows, max(0, left) : max(0, left) + columns] = seen
    return result


def resampled(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Values scaled by hat-shaped weights, widened when shrinking so that nothing aliases."""
    layers = [Image.fromarray(values[..., c].astype(np.float32)) for c in range(values.shape[2])]
    layers = [np.asarray(layer.resize((columns, rows), Image.Resampling.BILINEAR)) for layer in layers]
    return np.clip(np.stack(layers, -1), 0, 1)

"""Glimpse: read a window from an image, and paint a window onto a canvas.

A window that may be moved and scaled, but not turned, is separable: reading and painting are two small
matrix products,

    glimpse = A_y · image · A_xᵀ,    canvas = B_y · patch · B_xᵀ,

with hat-function (bilinear) weights: the spatial transformer of Jaderberg et al. (2015), "Spatial
transformer networks", restricted to scale and shift. No gather, so it is fast on every device.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Window(NamedTuple):
    """A square window in an image, in pixels."""

    side: Float[Array, ""]
    x: Float[Array, ""]  # of its centre; pixel i covers i … i + 1
    y: Float[Array, ""]

    def box(self) -> Float[Array, "4"]:
        """Edges (x0, y0, x1, y1)."""
        half = self.side / 2
        return jnp.stack([self.x - half, self.y - half, self.x + half, self.y + half])


@partial(jax.jit, static_argnums=2)  # a program has many glimpses: traced once, they compile sooner
def read(image: Float[Array, "height width channels"], window: Window, cells: int) -> Float[Array, "h w c"]:
    """What is seen through a window, on a grid of cells × cells.

    Where a cell is larger than a pixel it averages, so that nothing falls between the cells.
    """
    height, width, _ = image.shape
    rows = reading_weights(window.y, window.side, cells, height)
    columns = reading_weights(window.x, window.side, cells, width)
    return jnp.einsum(
        "rwc,sw->rsc", (rows @ image.reshape(height, -1)).reshape(cells, *image.shape[1:]), columns
    )


@partial(jax.jit, static_argnums=(2, 3))
def paint(patch: Float[Array, "h w c"], window: Window, height: int, width: int) -> Float[Array, "H W c"]:
    """A canvas of zeros with a patch painted into a window."""
    rows = painting_weights(window.y, window.side, patch.shape[0], height)
    columns = painting_weights(window.x, window.side, patch.shape[1], width)
    return jnp.einsum("hr,rsc,ws->hwc", rows, patch, columns)


def reading_weights(centre: Array, side: Array, cells: int, pixels: int) -> Float[Array, "cells pixels"]:
    """Weights of an axis' pixels in each cell of a window: hats as wide as a cell, at least a pixel."""
    middle = centre + side * ((jnp.arange(cells) + 0.5) / cells - 0.5)
    spread = jnp.maximum(side / cells, 1.0)
    distance = jnp.abs(jnp.arange(pixels)[None, :] + 0.5 - middle[:, None])
    return jnp.maximum(0.0, 1.0 - distance / spread) / spread


def painting_weights(centre: Array, side: Array, cells: int, pixels: int) -> Float[Array, "pixels cells"]:
    """Weights of a window's cells in each pixel of an axis: linear interpolation between cell middles."""
    place = (jnp.arange(pixels) + 0.5 - centre) / side * cells + cells / 2 - 0.5
    return jnp.maximum(0.0, 1.0 - jnp.abs(place[:, None] - jnp.arange(cells)[None, :]))

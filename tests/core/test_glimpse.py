"""Reading and painting windows: against scipy's interpolation, and against each other."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import ndimage

from subitize.core.glimpse import Window, paint, read

IMAGE = jr.uniform(jr.key(0), (30, 40, 2))


def window(side, x, y):
    return Window(jnp.asarray(side), jnp.asarray(x), jnp.asarray(y))


def test_reading_the_whole_of_a_square_image_is_the_image():
    square = IMAGE[:, :30]
    assert np.allclose(read(square, window(30.0, 15.0, 15.0), 30), square)


@pytest.mark.parametrize(("side", "x", "y"), [(12.0, 20.3, 14.7), (8.5, 9.1, 22.2), (15.0, 30.0, 8.0)])
def test_reading_a_fine_window_is_linear_interpolation(side, x, y):
    cells = 16
    rows, columns = (c + side * ((np.arange(cells) + 0.5) / cells - 0.5) - 0.5 for c in (y, x))
    grid = np.meshgrid(rows, columns, indexing="ij")
    wanted = [ndimage.map_coordinates(np.asarray(IMAGE[..., c]), grid, order=1) for c in range(2)]
    assert np.allclose(read(IMAGE, window(side, x, y), cells), np.stack(wanted, -1))


def test_a_coarse_window_averages_and_loses_nothing():
    dots = jnp.zeros((32, 32, 1)).at[3::5, 2::7].set(1.0)
    seen = read(dots, window(32.0, 16.0, 16.0), 8)
    assert np.isclose(seen.mean(), dots.mean(), rtol=0.05)


def test_painting_puts_a_patch_where_its_window_is():
    canvas = paint(jnp.ones((10, 10, 1)), window(12.0, 25.0, 10.0), 30, 40)[..., 0]
    rows, columns = np.nonzero(np.asarray(canvas) > 0.5)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (19, 31, 4, 16)
    assert np.allclose(window(12.0, 25.0, 10.0).box(), [19, 4, 31, 16])


def test_what_was_painted_can_be_read_again():
    smooth = jnp.asarray(ndimage.gaussian_filter(np.asarray(jr.uniform(jr.key(1), (10, 10))), 1.5))[..., None]
    place = window(20.0, 18.0, 15.0)
    again = read(paint(smooth, place, 30, 40), place, 10)
    assert np.allclose(again[1:-1, 1:-1], smooth[1:-1, 1:-1], atol=0.05)

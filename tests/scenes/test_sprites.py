"""Shapes from formulas: their areas, which way up they are, and their edges."""

import jax.numpy as jnp
import numpy as np
import pytest

from subitize.scenes.dots import FILLS
from subitize.scenes.sprites import SHAPES, draw


def drawn(shape, side, window):
    return np.asarray(draw(jnp.float32(side), jnp.int32(SHAPES.index(shape)), window))


@pytest.mark.parametrize(("shape", "share"), [*zip(SHAPES, FILLS, strict=True)])
def test_a_shape_fills_its_share_of_the_squared_side(shape, share):
    assert np.isclose(drawn(shape, 400, 400).mean(), share, rtol=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_upright(shape):
    ink = drawn(shape, 400, 400)
    np.testing.assert_allclose(ink, ink[:, ::-1], atol=1e-3)
    if shape == "triangle":  # on its base
        widths = ink.sum(1)[ink.max(1) > 0]
        assert (np.diff(widths[:-1]) > 0).all()
    else:
        np.testing.assert_allclose(ink, ink[::-1], atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pixel_on_an_edge_is_inked_by_the_share_that_is_covered(shape):
    large = drawn(shape, 8 * 13.3, 8 * 16)
    shares = large.reshape(16, 8, 16, 8).mean((1, 3))
    np.testing.assert_allclose(drawn(shape, 13.3, 16), shares, atol=0.3)

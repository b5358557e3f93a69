"""Stored pictures at any side: themselves at their own, and of the same brightness at others."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.scenes.glyphs import draw_glyphs

SOURCE = 27
RNG = np.random.default_rng(0)
PICTURE = np.pad(RNG.integers(0, 256, (15, 15)), 6).astype(np.uint8)


def drawn(pictures, classes, side, n=1):
    sides = jnp.full(n, side, jnp.float32)
    return draw_glyphs(jr.key(0), jnp.asarray(pictures), jnp.asarray(classes, jnp.int32), sides, SOURCE)


def test_at_its_own_side_a_picture_is_what_was_stored():
    ink, _ = drawn(PICTURE[None], [7], SOURCE)
    np.testing.assert_allclose(ink[0], PICTURE / 255, atol=1e-6)


@pytest.mark.parametrize("side", [9.0, 12.0, 20.5])
def test_shrunk_it_keeps_its_brightness_and_its_middle(side):
    ink, _ = drawn(PICTURE[None], [7], side)
    ratio, whole = side / SOURCE, PICTURE / 255
    assert np.isclose(ink.sum(), ratio**2 * whole.sum(), rtol=0.02)
    centres = np.arange(SOURCE) + 0.5
    for axis in (0, 1):
        middle = ratio * (centres @ whole.sum(1 - axis)) / whole.sum()
        assert abs(centres @ np.asarray(ink[0]).sum(1 - axis) / ink.sum() - middle) < 0.05


def test_the_label_is_that_of_the_picture():
    classes = np.array([3, 1, 4, 2])
    pictures = np.broadcast_to(50 * classes[:, None, None], (4, SOURCE, SOURCE)).astype(np.uint8)
    ink, labels = drawn(pictures, classes, SOURCE, n=40)
    assert set(labels.tolist()) == {1, 2, 3, 4}
    np.testing.assert_allclose(255 * ink[:, 13, 13], 50 * labels, rtol=1e-5)

"""Pictures brought to a canvas, and places on it brought back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subitize.core.errors import UsageError
from subitize.core.image_io import read_picture
from subitize.core.preprocess import FITS, Preprocessor, brightness

SIDES = st.integers(8, 120)


def fit(values, height, width, how):
    """Only fitted, in 0..1."""
    return brightness(Preprocessor(height, width, values.shape[2], how, "never")(values))


@pytest.mark.parametrize("how", ["resize", "crop", "pad"])
@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (50, 30), (8, 8), (20, 30), (9, 100)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fitting_gives_the_canvas_and_invents_no_brightness(how, shape, channels):
    values = np.random.default_rng(0).uniform(0.2, 0.6, (*shape, channels)).astype(np.float32)
    fitted = fit(values, 20, 30, how)
    assert fitted.shape == (20, 30, channels)
    assert 0.2 - 0.5 / 255 <= fitted.min() <= fitted.max() <= 0.6 + 0.5 / 255


def test_a_picture_of_the_right_size_stays_as_it_is():
    values = brightness(np.random.default_rng(0).integers(0, 256, (20, 30, 3)))
    for how in ("resize", "crop", "pad"):
        np.testing.assert_array_equal(fit(values, 20, 30, how), values)


def disc(side, radius):
    at = np.arange(side) + 0.5 - side / 2
    return (np.hypot(at[:, None], at) < radius).astype(np.float32)[..., None]


def test_each_way_of_fitting_keeps_what_it_promises():
    big = disc(80, 20)
    resized = fit(big, 20, 40, "resize")
    assert resized.sum() == pytest.approx(big.sum() / 16, rel=0.02), "scaled by a quarter on both axes"
    assert resized[:, :10].max() == resized[:, 30:].max() == 0, "the rest is ground"
    assert fit(big, 40, 40, "crop").sum() == big.sum(), "the middle at its own scale"
    small = disc(10, 4)
    assert fit(small, 40, 40, "pad").sum() == small.sum(), "never enlarged"
    assert fit(small, 40, 40, "resize").sum() == pytest.approx(16 * small.sum(), rel=0.02)
    np.testing.assert_array_equal(fit(big, 20, 20, "pad"), fit(big, 20, 20, "resize"))


def test_an_odd_pixel_falls_to_the_lower_right():
    lines = brightness(np.arange(0, 90, 10)).repeat(9).reshape(9, 9, 1)
    np.testing.assert_array_equal(fit(lines, 8, 8, "crop"), lines[:8, :8])
    padded = fit(lines, 10, 10, "pad")
    np.testing.assert_array_equal(padded[:9, :9], lines)
    assert (padded[9] == padded[0, 9]).all(), "ground"


def test_shrinking_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))[..., None]
    assert np.abs(fit(stripes, 16, 16, "resize") - 0.5).max() < 0.15


def test_what_stays_free_gets_the_ground_s_colour():
    values = np.full((10, 10, 3), (0.1, 0.2, 0.3), np.float32)
    values[4:6, 4:6] = 1
    np.testing.assert_allclose(fit(values, 10, 30, "pad")[0, 0], (0.1, 0.2, 0.3), atol=0.5 / 255)


def test_inverting_looks_at_the_border():
    bright = np.full((10, 10, 1), 204, np.uint8)
    bright[2:8, 2:8] = 51

    def inverted(values, how):
        return Preprocessor(10, 10, 1, "crop", how)(np.float32(values / 255))

    for how, turned in (("auto", 255 - bright), ("always", 255 - bright), ("never", bright)):
        np.testing.assert_array_equal(inverted(bright, how), turned)
    for how, turned in (("auto", 255 - bright), ("always", bright), ("never", 255 - bright)):
        np.testing.assert_array_equal(inverted(255 - bright, how), turned)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("corp", "auto"), "`fit` is one of resize, crop, pad; got 'corp'. Did you mean 'crop'?"),
        (("crop", "yes"), "`invert` is one of auto, always, never; got 'yes'."),
    ],
)
def test_misspelt_ways_are_told(words, sentence):
    with pytest.raises(UsageError) as caught:
        Preprocessor(9, 9, 1, *words)
    assert str(caught.value) == sentence


def test_preparing_is_inverting_fitting_and_rounding(tmp_path):
    page = np.full((40, 40), 240, np.uint8)
    page[15:25, 15:25] = 10
    Image.fromarray(page).save(tmp_path / "a.png")
    found = Preprocessor(20, 30)(read_picture(tmp_path / "a.png").pixels)
    assert (found.shape, found.dtype) == ((20, 30, 1), np.uint8)
    assert (found[10, 15, 0], found[0, 0, 0]) == (245, 15)


def test_channels_are_weighed_as_the_eye_does_and_repeated():
    pure = np.eye(3, dtype=np.float32)[:, None].repeat(3, 1)
    assert Preprocessor(3, 3, 1, invert="never")(pure)[:, 0, 0].tolist() == [76, 150, 29]
    np.testing.assert_array_equal(Preprocessor(3, 3, 3, invert="never")(pure), np.uint8(255 * pure))
    grey = np.random.default_rng(0).random((3, 3, 1), np.float32)
    colour = Preprocessor(3, 3, 3, invert="never")(grey)
    np.testing.assert_array_equal(colour, Preprocessor(3, 3, 1, invert="never")(grey).repeat(3, -1))


def test_brightness_has_the_same_bits_everywhere():
    levels = np.arange(256, dtype=np.uint8)
    found = brightness(levels)
    assert found.dtype == np.float32
    assert (found[0], found[255]) == (0, 1)
    np.testing.assert_array_equal(np.round(255 * found), levels)
    for other in (
        brightness(jnp.asarray(levels)),
        jax.jit(brightness)(levels),
        jax.jit(jax.vmap(brightness))(levels),
    ):
        np.testing.assert_array_equal(np.asarray(other), found)
        assert other.dtype == np.float32


def place(data, preprocessor, height, width):
    """A box in the part of a picture that is on the canvas."""
    placement = preprocessor.placement((height, width, 1))
    corners = np.array([0, 0, preprocessor.width, preprocessor.height], float)
    x0, y0, x1, y1 = placement.to_picture(corners)
    xs = sorted(data.draw(st.floats(x0, x1)) for _ in range(2))
    ys = sorted(data.draw(st.floats(y0, y1)) for _ in range(2))
    return placement, np.array([xs[0], ys[0], xs[1], ys[1]])


@pytest.mark.parametrize("how", FITS)
@settings(max_examples=80, deadline=None)
@given(height=SIDES, width=SIDES, canvas=st.tuples(SIDES, SIDES), data=st.data())
def test_forward_and_back_is_the_same_place(how, height, width, canvas, data):
    placement, box = place(data, Preprocessor(*canvas, fit=how), height, width)
    there = placement.to_canvas(box)
    assert (there[:2] >= -1e-9).all()
    assert (there[2:] <= np.array(canvas[::-1]) + 1e-9).all()
    np.testing.assert_allclose(placement.to_picture(there), box, atol=1e-9)


def box_of(values):
    rows, columns = np.where(values[..., 0] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


@pytest.mark.parametrize("how", FITS)
@settings(max_examples=80, deadline=None)
@given(height=st.integers(16, 90), width=st.integers(16, 90), data=st.data())
def test_a_placement_is_where_the_pixels_are(how, height, width, data):
    preprocessor = Preprocessor(40, 32, fit=how, invert="never")
    x0, y0 = data.draw(st.integers(0, width - 9)), data.draw(st.integers(0, height - 9))
    truth = np.array([x0, y0, x0 + 9, y0 + 9])
    picture = np.zeros((height, width, 1), np.float32)
    picture[y0 : y0 + 9, x0 : x0 + 9] = 1
    canvas, placement = preprocessor(picture), preprocessor.placement(picture.shape)
    there = np.clip(placement.to_canvas(truth), 0, np.array([32, 40] * 2))
    if canvas.max() < 128:
        assert how == "crop"  # away
        assert (there[2:] <= there[:2]).any()
        return
    found, pixel = box_of(canvas), max(height / 40, width / 32, 1)
    assert np.abs(found - there).max() <= (0 if how == "crop" else 1)
    back = np.abs(placement.to_picture(found) - placement.to_picture(there)).max()
    assert back <= (0 if how == "crop" else 1.5 * pixel)


def test_boxes_never_leave_the_picture():
    placement = Preprocessor(40, 40).placement((20, 60))
    assert placement.to_picture(np.array([[-9.0, -9, 99, 99]])).tolist() == [[0, 0, 60, 20]]

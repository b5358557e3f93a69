"""Pictures that show the same become the same, whatever their size, ground and brightness."""

import numpy as np
import pytest
from scipy import ndimage

from subitize.models.catalogue.channel import CHANNELS, chosen_channel, grey_of
from subitize.models.catalogue.normalize import BLOCK, DIAMETER, Known, Normalizer, appearance
from subitize.models.catalogue.rivals import blobs, boxes_in, segmented

CENTRES = np.array([(0.2, 0.2), (0.25, 0.7), (0.6, 0.3), (0.7, 0.75), (0.45, 0.5), (0.85, 0.15)])


def picture(side: int = 200, radius: float = 10.0, ground: float = 0.1, contrast: float = 0.5) -> np.ndarray:
    """Six discs; a negative contrast makes them darker than the ground."""
    y, x = np.mgrid[:side, :side] + 0.5
    inside = np.zeros((side, side))
    for row, column in side * CENTRES:
        inside = np.maximum(inside, np.clip(radius - np.hypot(y - row, x - column) + 0.5, 0, 1))
    return (ground + contrast * inside).astype(np.float32)


@pytest.mark.parametrize("radius", [4.0, 10.0, 25.0])
def test_the_diameter_is_found(radius):
    side = round(20 * radius)
    assert appearance([picture(side, radius)]).diameter == pytest.approx(2 * radius, rel=0.12)


def test_dark_objects_are_turned_over():
    bright, dark = picture(), picture(ground=0.8, contrast=-0.5)
    assert not appearance([bright]).dark
    assert appearance([dark]).dark
    one, other = (appearance([each])(each).pixels for each in (bright, dark))
    np.testing.assert_allclose(one, other, atol=0.02)


def test_faint_and_uneven_pictures_look_like_plain_ones():
    plain, known = picture(), Known(diameter=20.0)
    wanted = appearance([plain], known)(plain).pixels
    y, x = np.mgrid[:200, :200] / 200
    for other in (picture(contrast=0.02), picture(contrast=0.5) + 0.15 * (y + x).astype(np.float32)):
        np.testing.assert_allclose(appearance([other], known)(other).pixels, wanted, atol=0.15)


def test_an_empty_picture_of_a_folder_stays_dark():
    noise = 0.01 * np.random.default_rng(0).standard_normal((200, 200))
    empty, normalizer = (0.1 + noise).astype(np.float32), appearance([picture()])
    assert np.abs(normalizer(empty).pixels).max() < 0.3


def test_sides_are_whole_blocks_and_the_scale_maps_places_back():
    normalizer = Normalizer(diameter=20.0, dark=False, brightness=0.5)
    grey = picture()[:, :130]
    found = normalizer(grey)
    assert all(side % BLOCK == 0 for side in found.pixels.shape)
    np.testing.assert_allclose(found.scale * grey.shape, found.pixels.shape)
    boxes = boxes_in(segmented(found.pixels))
    centres = (boxes[:, 1::-1] + boxes[:, :1:-1]) / 2 / found.scale
    inside = [(r, c) for r, c in 200 * CENTRES if c < 130 - 10]
    for row, column in inside:
        assert np.linalg.norm(centres - (row, column), axis=1).min() < 1.5


def test_what_is_given_is_not_measured():
    known = Known(diameter=7.0, dark=True, brightness=0.25)
    assert appearance([picture()], known) == Normalizer(7.0, True, 0.25)


def test_rivals_count_discs_that_lie_apart():
    pixels = appearance([picture()])(picture()).pixels
    areas = np.bincount(segmented(pixels).ravel())[1:]
    assert len(areas) == len(CENTRES)
    boxes = blobs(pixels)
    assert len(boxes) == len(CENTRES)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], DIAMETER, rtol=0.35)
    np.testing.assert_allclose(areas, np.pi * (DIAMETER / 2) ** 2, rtol=0.25)


def test_rivals_see_nothing_where_nothing_is():
    assert len(boxes_in(segmented(np.zeros((48, 48))))) == 0
    assert len(blobs(np.zeros((48, 48)))) == 0


def test_the_channel_is_the_one_in_which_objects_stand_out():
    grey = picture()
    level = np.full_like(grey, 0.4)
    red_on_green = np.stack([level + 0.3 * grey, level - 0.15 * grey, level], -1)
    assert chosen_channel([np.stack([grey] * 3, -1)]) == "grey"
    assert chosen_channel([grey[..., None]]) == "grey"
    assert chosen_channel([red_on_green]) in ("red", "green", "colourful", "grey")
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(grey.shape), 3)
    noisy = 0.5 + 0.5 * noise / noise.std()
    assert chosen_channel([np.stack([noisy, grey, noisy], -1)]) == "green"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_grey_picture_has_one_channel(channel):
    pixels = picture()[..., None]
    np.testing.assert_array_equal(grey_of(pixels, channel), pixels[..., 0])


def test_channels_of_a_colour():
    pixels = np.array([[[0.2, 0.5, 0.9]]])
    found = {name: float(grey_of(pixels, name)[0, 0]) for name in CHANNELS}
    assert found["red"] == 0.2
    assert found["green"] == 0.5
    assert found["blue"] == 0.9
    assert found["colourful"] == pytest.approx(0.7)
    assert found["grey"] == pytest.approx(0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.9)

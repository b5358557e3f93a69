import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subitize.figures.scenes import dreams, overlay, percent
from subitize.figures.style import PAPER, WINDOWS, enlarged, to_image

SURE = np.array([0.0, 0.01, 0.99])


def pixels(image) -> np.ndarray:
    return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width", "factor"), [(50, 60, 7), (400, 500, 1), (33, 33, 10)])
def test_pixels_are_enlarged_and_never_changed(height, width, channels, factor):
    bytes_ = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    image = overlay(bytes_ / np.float32(255), np.zeros((0, 4)), SURE)
    expected = np.repeat(np.repeat(bytes_, factor, 0), factor, 1)
    found = pixels(image)[: height * factor, : width * factor]
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))
    assert image.height > height * factor  # the strip is beside the picture, not on it


def test_only_a_frame_and_a_tag_are_drawn_on_the_picture():
    picture = np.full((400, 400, 1), 0.5)
    plain = pixels(overlay(picture, np.zeros((0, 4)), SURE))[:400]
    drawn = pixels(overlay(picture, np.array([[100, 100, 200, 200]]), SURE))[:400]
    changed = (plain != drawn).any(-1)
    assert changed[150, 99:102].all()
    assert not changed[105:195, 105:195].any()
    assert not changed[:, 210:].any()
    assert not changed[210:].any()


def test_windows_have_colours_of_their_own():
    picture = np.zeros((400, 400, 3))
    boxes = np.array([[10 + 120 * i, 50, 90 + 120 * i, 150] for i in range(3)])
    drawn = pixels(overlay(picture, boxes, SURE))
    for i, box in enumerate(boxes):
        assert "#{:02x}{:02x}{:02x}".format(*drawn[100, box[0]]) == WINDOWS[i]


def test_windows_grow_with_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8) / np.float32(255)
    boxes = np.array([[3.0, 10, 20, 18], [30.5, 12.25, 45, 37]])
    large = np.repeat(np.repeat(picture, 8, 0), 8, 1)  # 320 pixels high: not enlarged any more
    np.testing.assert_array_equal(overlay(picture, boxes, SURE), overlay(large, 8 * boxes, SURE))
    drawn = pixels(overlay(picture, boxes, SURE))
    assert "#{:02x}{:02x}{:02x}".format(*drawn[8 * 14, 8 * 3]) == WINDOWS[0]
    assert "#{:02x}{:02x}{:02x}".format(*drawn[8 * 30, 8 * 45 - 1]) == WINDOWS[1]


def test_the_number_is_the_most_probable_count_and_not_the_mean():
    mode_is_three = np.array([0.31, 0.15, 0.05, 0.40, 0.09])  # its mean is 1.81
    numbers = [
        pixels(overlay(np.zeros((40, 50, 1)), np.zeros((0, 4)), posterior))[320:, :40]
        for posterior in (mode_is_three, *np.eye(5))
    ]
    assert [np.array_equal(numbers[0], other) for other in numbers[1:]] == [False, False, False, True, False]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 700),
    st.integers(8, 700),
    st.lists(st.tuples(*[st.floats(-900, 900)] * 4), max_size=10),
    st.integers(1, 30),
)
def test_anything_can_be_drawn(height, width, boxes, counts):
    picture = np.zeros((height, width, 3))
    image = overlay(picture, np.reshape(boxes, (-1, 4)), np.full(counts, 1 / counts), note="at_max_count")
    assert image.width >= width
    assert image.width < 5 * max(height, width, 320)


def test_a_long_strip_is_not_blown_up():
    image, factor = enlarged(to_image(np.zeros((8, 3000, 1))), 320)
    assert factor == 1
    assert image.size == (3000, 8)


def test_nobody_is_told_that_something_is_certain():
    assert percent(0.87) == "87 %"
    assert percent(0.994) == "99.4 %"
    assert percent(0.999999) == "over 99.9 %"


@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 1, 1), (4, 2, 2), (7, 3, 3), (16, 4, 4)])
def test_dreams_are_a_grid(n, columns, rows):
    images = np.ones((n, 40, 40, 1))
    sheet = dreams(images, np.zeros(n, int))
    assert sheet.size == (16 + columns * 136, 16 + rows * 156)
    assert (pixels(sheet)[20, 20] == 255).all()
    assert "#{:02x}{:02x}{:02x}".format(*pixels(sheet)[0, 0]) == PAPER

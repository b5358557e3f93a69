import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subitize.figures.scenes import how_sure, noun, overlay, percent, sample_grid
from subitize.figures.style import (
    ACCENT,
    PAPER,
    QUIET,
    WINDOWS,
    blank,
    draw_bars,
    draw_tag,
    draw_window,
    enlarged,
    stacked,
    to_image,
)

SURE = np.array([0.0, 0.01, 0.99])


def pixels(image) -> np.ndarray:
    return np.asarray(image)


def is_of(image, colour: str) -> np.ndarray:
    return (pixels(image) == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)


def strip(posterior, **more) -> np.ndarray:
    """What stands below a picture without objects, of 400 x 400 pixels."""
    return pixels(overlay(np.zeros((400, 400, 1)), np.zeros((0, 4)), np.array(posterior), **more))[400:]


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


def test_its_certainty_and_a_note_stand_beside_the_number():
    words = [strip(q)[:, :300] for q in ([0.05, 0.15, 0.8], [0.15, 0.05, 0.8], [0.05, 0.05, 0.9])]
    np.testing.assert_array_equal(words[0], words[1])
    assert not np.array_equal(words[0], words[2])
    assert is_of(strip(SURE, note="look twice"), ACCENT)[:, :300].any()
    assert not is_of(strip(SURE), ACCENT)[:, :300].any()


@pytest.mark.parametrize("truth", [0, 1, 2])
def test_a_dot_marks_the_truth_on_the_strip(truth):
    q = np.eye(3)[truth]
    dot = (strip(q, truth=truth) != strip(q)).any((0, 2))
    step = 1.6 * 16  # of type, which is a 24th of the picture
    assert abs(np.flatnonzero(dot).mean() - (400 - 16 - (2.5 - truth) * step)) < 1


def test_objects_are_numbered_from_one_by_a_tag_on_their_window():
    boxes = np.array([[40, 60, 150, 160], [200, 220, 330, 300]])
    drawn = pixels(overlay(np.zeros((400, 400, 1)), boxes, SURE))[:400]
    wanted, draw = blank(400, 400)
    draw.rectangle((0, 0, 400, 400), fill="black")
    for box, ink in zip(boxes, WINDOWS, strict=False):
        draw_window(draw, box, ink, 2)
    for box, ink, number in zip(boxes, WINDOWS, "12", strict=False):
        draw_tag(draw, box, number, ink, 16, (0, 0, 400, 400))
    np.testing.assert_array_equal(drawn, wanted)


@pytest.mark.parametrize("corner", [(-50, -50), (-5, 40), (60, 30), (96, 40), (150, 30), (60, 200)])
def test_a_tag_stays_on_the_picture(corner):
    sheet, draw = blank(100, 80)
    draw_tag(draw, (*corner, corner[0] + 20, corner[1] + 20), "7", WINDOWS[0], 16, (0, 0, 100, 80))
    rows, columns = np.nonzero(is_of(sheet, WINDOWS[0]))
    assert (np.ptp(rows), np.ptp(columns)) == (19, 16)


def test_bars_are_as_high_as_their_counts_are_probable_and_the_highest_is_in_the_accent():
    sheet, draw = blank(300, 140)
    draw_bars(draw, (0, 0, 300, 123), np.array([0.1, 0.6, 0.3]))  # 100 pixels above their numbers
    for n, (ink, high) in enumerate([(QUIET, 10), (ACCENT, 60), (QUIET, 30)]):
        bar = np.flatnonzero(~is_of(sheet, PAPER)[:100, 50 + 100 * n])
        assert bar.tolist() == list(range(100 - high, 100))
        assert is_of(sheet, ink)[bar, 50 + 100 * n].all()


def test_brightness_is_rounded_to_the_nearest_of_256():
    np.testing.assert_array_equal(
        to_image(np.array([[[0.001], [0.1], [0.999]]])), [[[0] * 3, [26] * 3, [255] * 3]]
    )


def test_pictures_are_stacked_from_above():
    parts = [np.full((height, 5, 3), height, np.uint8) for height in (3, 7, 2)]
    np.testing.assert_array_equal(stacked([Image.fromarray(part) for part in parts]), np.concatenate(parts))


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


def test_one_object_is_singular():
    assert [noun(count) for count in range(4)] == ["objects", "object", "objects", "objects"]


@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 1, 1), (4, 2, 2), (7, 3, 3), (16, 4, 4)])
def test_samples_are_a_grid(n, columns, rows):
    images = np.ones((n, 40, 40, 1))
    sheet = sample_grid(images, np.zeros(n, int))
    assert sheet.size == (16 + columns * 136, 16 + rows * 156)
    assert (pixels(sheet)[20, 20] == 255).all()
    assert "#{:02x}{:02x}{:02x}".format(*pixels(sheet)[0, 0]) == PAPER


def test_samples_are_in_reading_order_each_above_its_count():
    counts = np.array([2, 0, 1, 0, 2])
    images = np.linspace(0.1, 0.9, 5)[:, None, None, None] * np.ones((40, 40, 1))
    sheet = pixels(sample_grid(images, counts))
    corners = [(16 + 156 * (i // 3), 16 + 136 * (i % 3)) for i in range(5)]
    for (y, x), image in zip(corners, images, strict=True):
        assert (sheet[y : y + 120, x : x + 120] == pixels(to_image(image))[0, 0]).all()
    below = np.stack([sheet[y + 120 : y + 140, x : x + 120] for y, x in corners])
    alike = (below[:, None] == below).all((2, 3, 4))
    np.testing.assert_array_equal(alike, counts[:, None] == counts)


def test_many_objects_have_rings_that_hide_nothing():
    boxes = np.array([[8 * i, 8 * j, 8 * i + 7, 8 * j + 7] for i in range(6) for j in range(6)], float)
    picture = np.zeros((320, 320, 3))
    drawn = np.asarray(overlay(picture, boxes, np.eye(40)[36]))[:320]
    for x0, y0, x1, y1 in boxes.astype(int):
        assert drawn[(y0 + y1) // 2, x0].any(), "a ring passes the middle of each side"
        assert not drawn[y0 + 2 : y1 - 1, x0 + 2 : x1 - 1].any(), "and nothing lies inside"
    assert not drawn[60:, 60:].any()


def test_of_a_large_count_the_interval_is_told():
    assert how_sure(np.array([0.1, 0.7, 0.2])) == "confidence 70 %"
    many = np.full(101, 0.0)
    many[48:53] = 0.04, 0.26, 0.4, 0.26, 0.04
    assert how_sure(many) == "90 % interval: 49 to 51"
    assert how_sure(many, (40, 62)) == "90 % interval: 40 to 62", "as it was corrected"

"""Curves: where a point of a line comes to lie."""

import numpy as np
import pytest

from subitize.figures.curves import MARGIN, Line, Panel, along, grid, ticks

RED, BLUE, LIME = (255, 0, 0), (0, 0, 255), (0, 255, 0)


def inked(sheet, ink):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((np.asarray(sheet) == ink).all(-1))


@pytest.mark.parametrize(("log", "way"), [(False, [0, 9 / 99, 1]), (True, [0, 0.5, 1])])
def test_equal_factors_are_as_far_apart_on_a_log_axis(log, way):
    np.testing.assert_allclose(along(np.array([1.0, 10.0, 100.0]), 1.0, 100.0, log=log), way)


@pytest.mark.parametrize(("log", "way"), [(False, 9 / 99), (True, 0.5)])
def test_a_peak_is_drawn_where_it_is(log, way):
    panel = Panel("peak", [Line([1, 10, 100], [0.2, 1, 0.2], "red")], (0.0, 1.0), log=log)
    rows, columns = inked(grid([panel], 1, "a peak"), RED)
    left, right = columns.min(), columns.max()
    peak = columns[rows == rows.min()].mean()
    assert abs((peak - left) / (right - left) - way) < 0.02


@pytest.mark.parametrize(("x_range", "shares"), [(None, (0, 1 / 3, 1)), ((-1.0, 7.0), (2 / 8, 3 / 8, 5 / 8))])
def test_the_range_of_x_is_that_of_all_lines_or_the_one_that_is_given(x_range, shares):
    lines = [Line([1, 2], [0.3, 0.3], "red"), Line([1, 4], [0.7, 0.7], "blue")]
    sheet = grid([Panel("two", lines, (0.0, 1.0), x_range=x_range)], 1, "two", size=(240, 100))
    (_, red), (_, blue) = inked(sheet, RED), inked(sheet, BLUE)
    wanted = MARGIN + 34 + 240 * np.array(shares)
    np.testing.assert_allclose([red.min(), red.max(), blue.max()], wanted, atol=2)


def test_what_is_no_number_is_left_out_of_its_line():
    drawn = [
        grid([Panel("gap", [Line(x, y, "red")], (0.0, 1.0))], 1, "a gap")
        for x, y in [([0, 1, 2, 3], [0.2, np.nan, 0.9, 0.4]), ([0, 2, 3], [0.2, 0.9, 0.4])]
    ]
    np.testing.assert_array_equal(*drawn)


def test_panels_are_in_reading_order():
    panels = [Panel(ink, [Line([0, 1], [0.5, 0.5], ink)], (0.0, 1.0)) for ink in ("red", "blue", "lime")]
    sheet = grid(panels, 2, "three")
    red, blue, lime = (np.mean(inked(sheet, ink), 1) for ink in (RED, BLUE, LIME))
    assert red[0] == blue[0] < lime[0]
    assert red[1] == lime[1] < blue[1]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.0, 2.0, [0, 0.5, 1, 1.5, 2]), (-7.0, 33.0, [0, 10, 20, 30])],
)
def test_ticks_are_round_numbers_inside_their_range(low, high, wanted):
    assert ticks(low, high) == wanted

"""Curves: where a point of a line comes to lie."""

import numpy as np
import pytest

from subitize.figures.curves import Line, Panel, along, grid

RED = (255, 0, 0)


@pytest.mark.parametrize(("log", "way"), [(False, [0, 9 / 99, 1]), (True, [0, 0.5, 1])])
def test_equal_factors_are_as_far_apart_on_a_log_axis(log, way):
    np.testing.assert_allclose(along(np.array([1.0, 10.0, 100.0]), 1.0, 100.0, log=log), way)


@pytest.mark.parametrize(("log", "way"), [(False, 9 / 99), (True, 0.5)])
def test_a_peak_is_drawn_where_it_is(log, way):
    panel = Panel("peak", [Line([1, 10, 100], [0.2, 1, 0.2], "red")], (0.0, 1.0), log=log)
    rows, columns = np.nonzero((np.asarray(grid([panel], 1, "a peak")) == RED).all(-1))
    left, right = columns.min(), columns.max()
    peak = columns[rows == rows.min()].mean()
    assert abs((peak - left) / (right - left) - way) < 0.02

"""Bars of work: their order, their lengths, and which are hollow."""

import numpy as np
import pytest

from subitize.figures.style import INK, PAPER, QUIET
from subitize.figures.work import LABEL, LINE, MARGIN, WIDE, draw_work
from subitize.gradients import EstimatorProfile

FIRST = MARGIN + 40 + 3 * LINE // 2  # the middle of the uppermost bar


def row(work: float, *, unbiased: bool = True) -> EstimatorProfile:
    return EstimatorProfile("site", "exact", unbiased, 0.0, work, 0.0, 1.0, 1, 1e6)


def is_of(sheet, colour: str) -> np.ndarray:
    return (np.asarray(sheet) == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)


def test_the_least_work_is_on_top_and_equal_factors_are_equally_longer():
    sheet = draw_work([row(100.0), row(1.0), row(1000.0), row(10.0)], "work")
    edges = ~is_of(sheet, PAPER)[FIRST - 7 :: LINE][:4, MARGIN + LABEL :]  # upper edges of all bars
    lengths = edges.argmin(1)  # the first that is paper
    np.testing.assert_allclose(lengths, np.array([0, 1, 2, 3]) * WIDE / 3, atol=4)


@pytest.mark.parametrize(("unbiased", "edge"), [(True, INK), (False, QUIET)])
def test_the_bars_of_biased_estimators_are_pale_and_hollow(unbiased, edge):
    sheet = draw_work([row(1.0), row(30.0, unbiased=unbiased)], "work")
    bar = np.s_[FIRST + LINE - 7 : FIRST + LINE + 8, MARGIN + LABEL + 20 : MARGIN + LABEL + 200]
    assert is_of(sheet, edge)[bar][[0, -1]].all()
    assert is_of(sheet, INK)[bar][1:-1].all() == unbiased
    assert is_of(sheet, PAPER)[bar][1:-1].any() != unbiased

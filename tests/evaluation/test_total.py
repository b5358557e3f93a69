"""The total of a folder, corrected by a random sample."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from subitize.evaluation.total import Total, total_of


def test_by_hand():
    """Counts 10, 20 are truly 12, 21, on average 1.5 more; so the rest, 30 and 40, should be 73."""
    found = total_of(100, 33, np.array([30, 40]), np.array([2, 1]))
    assert (found.counted, found.corrected, found.exact) == (100, 106.0, False)
    assert found.standard_error == pytest.approx(2**0.5)  # √(2 · 4 / 2) · √0.5
    reach = 2**0.5 * 6.313752  # Student's t with one degree of freedom
    assert (found.low, found.high) == pytest.approx((106 - reach, 106 + reach))


def test_no_count_is_less_than_none():
    found = total_of(4, 1, np.array([1, 1]), np.array([0, -5]))
    assert found.corrected == 1.0
    assert found.low == 1.0


def test_of_all_that_are_verified_the_total_is_exact():
    assert total_of(10, 12, np.array([], int), np.array([2])) == Total(10, 12.0, 0.0, 12.0, 12.0, True)


def test_too_small_a_sample_has_no_interval():
    assert total_of(10, 5, np.array([6]), np.array([], int)) == Total(10, 11.0)
    assert total_of(10, 5, np.array([6]), np.array([1])) == Total(10, 12.0)


def test_over_all_samples_it_is_unbiased_and_so_is_its_variance():
    """Exactly, by Cochran's theorem: every sample of three of seven pictures, once."""
    count = np.array([3, 8, 5, 0, 9, 4, 6])
    truth = np.array([4, 8, 9, 0, 7, 4, 5])
    found = []
    for sample in map(list, combinations(range(7), 3)):
        rest = np.delete(count, sample)
        found.append(total_of(35, int(truth[sample].sum()), rest, truth[sample] - count[sample]))
    totals = np.array([one.corrected for one in found])
    assert totals.mean() == pytest.approx(truth.sum())
    assert totals.var() == pytest.approx(np.mean([one.standard_error**2 for one in found]))
    reach = t.ppf(0.95, 2) * found[0].standard_error
    assert found[0].high - found[0].corrected == pytest.approx(reach)

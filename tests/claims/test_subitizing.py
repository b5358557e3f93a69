"""Units of a code that follow number, area or hull are told apart; the reach of what is lit."""

import numpy as np

from subitize.claims.subitizing import number_units, reach

RNG = np.random.default_rng(0)


def test_units_of_number_area_and_hull_are_told_apart():
    """In a sample of thousands, in which the hull goes with number."""
    n = 4000
    number, area = RNG.integers(0, 7, n), np.exp(RNG.normal(size=n))
    log_number, log_area = np.log(np.maximum(number, 1)), np.log(area)
    log_hull = log_number + RNG.normal(size=n)
    noise = RNG.normal(size=(n, 5))
    codes = np.stack([log_number, log_area, log_hull, log_number + log_area, 0 * area], 1) + 0.3 * noise
    found = number_units(codes, number, np.stack([area, np.exp(log_hull)], 1))
    assert {name: [unit[0] for unit in units] for name, units in found.items()} == {
        "number": [0],
        "area": [1],
        "hull": [2],
    }


def test_the_reach_of_what_is_lit():
    lit = np.zeros((2, 10, 5))
    lit[0, 2, 1] = lit[0, 6, 3] = 1
    np.testing.assert_allclose(reach(lit, 1), [0.5, 1.0])
    np.testing.assert_allclose(reach(lit, 2), [0.6, 1.0])

"""K-means is the limit of expectation maximisation, and not what it is before the limit."""

import numpy as np
import pytest

from subitize.equivalences.kmeans_is_em import em_centres, free_energy_and_distortion, kmeans_and_em


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, 2)) + 1.5 * rng.integers(-1, 2, size=(150, 2))


@pytest.mark.parametrize("iterations", [1, 2, 3, 10])
@pytest.mark.parametrize("K", [2, 5])
def test_they_have_the_same_centres_after_each_iteration(x, iterations, K):
    assert kmeans_and_em(x, x[:K], iterations, 1e-6).difference < 1e-9


def test_they_differ_at_a_positive_variance_and_less_at_a_smaller_one(x):
    gaps = [kmeans_and_em(x, x[:5], 10, variance).difference for variance in (1.0, 0.1, 1e-6)]
    assert gaps[0] > 0.1
    assert gaps[0] > gaps[1] > 1e-3 > 1e-9 > gaps[2]


def test_a_large_variance_draws_all_centres_to_the_mean(x):
    found = em_centres(x, x[:5], 200, 50.0)
    np.testing.assert_allclose(found, np.tile(x.mean(0), (5, 1)), atol=1e-6)


@pytest.mark.parametrize("variance", [1.0, 1e-2, 1e-5])
def test_the_free_energy_is_near_half_the_distortion(x, variance):
    sides = free_energy_and_distortion(x, x[:5], variance)
    assert 0 <= sides.left - sides.right <= len(x) * variance * np.log(5) * (1 + 1e-9)


def test_an_iteration_never_raises_the_free_energy(x):
    for variance in (0.5, 1e-4):
        energies = [
            free_energy_and_distortion(x, em_centres(x, x[:5], t, variance), variance).left for t in range(12)
        ]
        assert np.all(np.diff(energies) < 1e-9)


def test_a_point_between_two_centres_is_divided_in_the_limit_only():
    x, start = np.array([[-2.0], [0.0], [2.0]]), np.array([[-1.0], [1.0]])
    sides = kmeans_and_em(x, start, 1, 1e-6)
    np.testing.assert_allclose(sides.right[:, 0], [-4 / 3, 4 / 3], atol=1e-12)
    assert sides.difference > 0.3

"""Weights of Bayesian quadrature are the best, and herded points beat independent ones."""

import numpy as np
import pytest

from subitize.equivalences.herding_is_quadrature import (
    herded,
    kernel,
    kernel_mean,
    kernel_mean_of_mean,
    mmd_and_posterior_variance,
    quadrature_weights,
    squared_mmd,
)


def points(d, seed=0):
    return np.random.default_rng(seed).normal(size=(500, d))


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("length_scale", [0.7, 1.0])
def test_the_discrepancy_is_the_posterior_variance_of_the_integral(d, length_scale):
    x = herded(points(d), 6, length_scale)
    sides = mmd_and_posterior_variance(x, length_scale)
    assert sides.difference < 1e-8
    assert sides.left > 1e-5


@pytest.mark.parametrize("d", [1, 3])
def test_the_means_of_the_kernel_are_those_of_a_sample(d):
    sample, other = np.random.default_rng(1).normal(size=(2, 1500, d))
    K = kernel(sample, other, 0.9)
    np.testing.assert_allclose(kernel_mean(sample[:5], 0.9), K[:5].mean(1), atol=0.05)
    np.testing.assert_allclose(kernel_mean_of_mean(d, 0.9), K.mean(), atol=0.02)


def test_no_other_weights_have_a_smaller_discrepancy():
    rng = np.random.default_rng(2)
    for trial in range(30):
        x = rng.normal(size=(5, 2))
        best = quadrature_weights(x, 1.0)
        least = squared_mmd(x, best, 1.0)
        assert 0 < least <= squared_mmd(x, np.full(5, 0.2), 1.0)
        assert least < squared_mmd(x, best + 0.1 * rng.normal(size=5), 1.0), trial


def test_optimal_weights_need_be_neither_positive_nor_sum_to_one():
    w = quadrature_weights(np.array([[0.0], [0.5], [1.0], [1.5]]), 1.0)
    assert w.min() < 0
    assert abs(w.sum() - 1) > 0.01


@pytest.mark.parametrize("d", [1, 2])
def test_herded_points_beat_independent_ones(d):
    equal = np.full(10, 0.1)
    independent = [squared_mmd(points(d, seed)[:10], equal, 1.0) for seed in range(100)]
    chosen = [squared_mmd(herded(points(d, seed), 10, 1.0), equal, 1.0) for seed in range(20)]
    assert np.mean(chosen) < np.mean(independent) / 4
    assert max(chosen) < np.median(independent)


def test_the_first_herded_point_is_nearest_to_the_mode():
    candidates = points(2)
    np.testing.assert_array_equal(herded(candidates, 1, 1.0)[0], min(candidates, key=np.linalg.norm))

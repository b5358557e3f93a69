"""The lasso is the mode under a Laplace prior, and the mean is something else."""

import numpy as np
import pytest
from scipy.integrate import quad

from subitize.equivalences.lasso_is_map import (
    laplace_posterior_draws,
    lasso_and_laplace_mode,
    lasso_weights,
    ridge_and_gaussian_mode,
)

NOISE = 0.8


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8))
    w = np.array([2.0, -1.0, 0.5, 0, 0, 0, 0, 0])
    return X, X @ w + NOISE * rng.normal(size=40)


@pytest.mark.parametrize("prior_scale", [0.01, 0.05, 0.3, 2.0])
def test_the_lasso_is_the_mode_under_a_laplace_prior(data, prior_scale):
    assert lasso_and_laplace_mode(*data, NOISE, prior_scale).difference < 1e-6


def test_a_narrow_prior_leaves_few_weights_and_a_narrower_one_none(data):
    assert 1 <= np.count_nonzero(lasso_weights(*data, NOISE, 0.03)) <= 4
    assert np.count_nonzero(lasso_weights(*data, NOISE, 1e-4)) == 0


@pytest.mark.parametrize("prior_scale", [0.05, 0.3, 2.0])
def test_ridge_regression_is_the_mode_under_a_gaussian_prior(data, prior_scale):
    assert ridge_and_gaussian_mode(*data, NOISE, prior_scale).difference < 1e-10


def test_the_posterior_mean_has_no_zeros_where_the_mode_has(data):
    mode = lasso_weights(*data, NOISE, 0.05)
    draws = laplace_posterior_draws(*data, NOISE, 0.05, draws=2000)
    assert np.count_nonzero(mode) < 8
    assert np.count_nonzero(draws.mean(0)) == 8
    assert np.count_nonzero(draws) == draws.size


@pytest.mark.parametrize("prior_scale", [0.1, 1.0])
def test_the_sampler_has_the_mean_and_variance_that_quadrature_finds(prior_scale):
    """With one weight the posterior is an integral over a line."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(6, 1))
    y = 0.4 * X[:, 0] + rng.normal(size=6)
    centre = (X[:, 0] @ y) / (X[:, 0] @ X[:, 0])

    def moment(power):
        def integrand(w):
            return w**power * np.exp(-(X[:, 0] @ X[:, 0]) * (w - centre) ** 2 / 2 - abs(w) / prior_scale)

        return sum(quad(integrand, *side, epsabs=1e-13)[0] for side in ((-8, 0), (0, 8)))

    mean = moment(1) / moment(0)
    variance = moment(2) / moment(0) - mean**2
    draws = laplace_posterior_draws(X, y, 1.0, prior_scale, draws=6000)
    np.testing.assert_allclose(draws.mean(), mean, atol=0.07 * variance**0.5)
    np.testing.assert_allclose(draws.var(), variance, rtol=0.1)

"""Early stopping is ridge regression with a penalty for each eigenvalue, and near to one penalty."""

import numpy as np
import pytest

from subitize.equivalences.early_stopping_is_ridge import (
    early_stopped_weights,
    early_stopping_and_generalised_ridge,
    early_stopping_and_ridge,
    equivalent_penalties,
    ridge_factors,
    stopping_factors,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5)) * np.array([3.0, 1.0, 0.5, 0.2, 0.05])
    return X, X @ rng.normal(size=5) + rng.normal(size=30)


@pytest.mark.parametrize("t", [1, 2, 10, 300])
@pytest.mark.parametrize("share", [0.1, 0.9, 1.7])
def test_it_is_ridge_regression_with_a_penalty_for_each_eigenvalue(data, t, share):
    lr = share / np.linalg.eigvalsh(data[0].T @ data[0])[-1]
    assert early_stopping_and_generalised_ridge(*data, lr, t).difference < 1e-9


def test_it_holds_where_inputs_depend_on_each_other(data):
    X, y = data
    doubled = np.hstack([X, X[:, :2]])
    lr = 0.5 / np.linalg.eigvalsh(doubled.T @ doubled)[-1]
    assert early_stopping_and_generalised_ridge(doubled, y, lr, 20).difference < 1e-9


def test_a_small_eigenvalue_has_the_penalty_of_the_limit():
    e = np.array([0.0, 1e-12, 1e-6, 1.0])
    found = equivalent_penalties(e, 0.01, 50)
    np.testing.assert_allclose(found[:3], 1 / (0.01 * 50), rtol=1e-5)
    assert found[3] < 0.8 * found[2]


def test_one_penalty_is_close_and_always_shrinks_more():
    e, lr, t = np.logspace(-4, 4, 2000), 1e-4, 200
    gap = stopping_factors(e, lr, t) - ridge_factors(e, 1 / (lr * t))
    assert gap.min() > -1e-12
    assert 0.2 < gap.max() < 0.206


def test_the_limit_of_small_steps_differs_by_less_than_0_204():
    u = np.logspace(-3, 3, 10_000)
    gap = stopping_factors(u, 1e-7, 10**7) - ridge_factors(u, 1.0)
    np.testing.assert_allclose(stopping_factors(u, 1e-7, 10**7), 1 - np.exp(-u), atol=1e-6)
    assert 0.203 < gap.max() < 0.204


def test_weights_of_one_penalty_are_close_and_not_equal(data):
    e, V = np.linalg.eigh(data[0].T @ data[0])
    lr, t = 0.5 / e[-1], 40
    sides = early_stopping_and_ridge(*data, lr, t)
    full = V.T @ np.linalg.lstsq(*data, rcond=None)[0]
    np.testing.assert_allclose(V.T @ sides.right, ridge_factors(e, 1 / (lr * t)) * full, rtol=1e-8)
    shares = V.T @ (sides.left - sides.right) / full
    assert np.all((shares > 0) & (shares < 0.206))
    assert shares.max() > 0.05


def test_many_steps_reach_least_squares(data):
    lr = 1 / np.linalg.eigvalsh(data[0].T @ data[0])[-1]
    found = early_stopped_weights(*data, lr, 60_000)
    np.testing.assert_allclose(found, np.linalg.lstsq(*data, rcond=None)[0], atol=1e-8)


def test_a_step_that_overshoots_has_a_negative_penalty():
    assert equivalent_penalties(np.array([1.5]), 1.0, 3)[0] < 0
    assert equivalent_penalties(np.array([1.5]), 1.0, 4)[0] > 0

"""Iterates of stochastic gradient descent are Gaussian, and nearest to the posterior at a known rate."""

import numpy as np
import pytest

from subitize.equivalences.sgd_is_vi import (
    best_rate,
    divergence_from_posterior,
    searched_and_predicted_rate,
    searched_rate,
    simulation_and_lyapunov,
    stationary_covariance,
    stationary_covariance_in_steps,
)

A = np.array([[2.0, 0.5], [0.5, 1.0]])


@pytest.fixture(scope="module")
def c():
    drawn = np.random.default_rng(0).normal(size=(400, 2)) @ np.array([[1.0, 0.6], [0.0, 2.0]])
    return drawn - drawn.mean(0)


@pytest.mark.parametrize(("lr", "B"), [(0.1, 4), (0.5, 2)])
def test_simulated_iterates_have_the_covariance_of_the_equation(c, lr, B):
    chains = 10_000
    sides = simulation_and_lyapunov(A, c, lr, B, chains=chains, steps=int(15 / lr))
    S = sides.right
    error = np.sqrt((np.outer(S.diagonal(), S.diagonal()) + S**2) / chains)  # of a Gaussian's covariance
    assert np.all(np.abs(sides.left - S) < 4.5 * error)
    if lr == 0.5:  # there continuous time is wrong by far more than the error
        assert np.any(np.abs(sides.left - stationary_covariance(A, c.T @ c / len(c), lr, B)) > 10 * error)


def test_both_covariances_solve_their_equations(c):
    C, lr, B = c.T @ c / len(c), 0.3, 5
    S = stationary_covariance(A, C, lr, B)
    np.testing.assert_allclose(A @ S + S @ A, lr / B * C, rtol=1e-12)
    S = stationary_covariance_in_steps(A, C, lr, B)
    np.testing.assert_allclose(A @ S + S @ A - lr * A @ S @ A, lr / B * C, rtol=1e-12)


def test_continuous_time_is_the_limit_of_small_steps(c):
    C = c.T @ c / len(c)

    def gap(lr):
        S = stationary_covariance(A, C, lr, 1)
        return np.abs(stationary_covariance_in_steps(A, C, lr, 1) / S - 1).max()

    assert gap(1e-3) < 3e-3
    np.testing.assert_allclose(gap(1e-3) / gap(1e-4), 10, rtol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_rate_is_the_predicted_one(seed):
    rng = np.random.default_rng(seed)
    D, B, N = int(rng.integers(1, 6)), int(rng.integers(1, 50)), int(rng.integers(100, 100_000))
    hessian, noise = (root @ root.T + 0.1 * np.eye(D) for root in rng.normal(size=(2, D, D)))
    sides = searched_and_predicted_rate(hessian, noise, B, N)
    assert sides.difference < 1e-6 * sides.right


def test_in_one_dimension_the_best_rate_of_steps_is_known():
    a, noise, B, N = 2.0, 3.0, 10, 100
    predicted = best_rate(np.array([[noise]]), B, N)
    found = searched_rate(np.array([[a]]), np.array([[noise]]), B, N, in_steps=True)
    np.testing.assert_allclose(found, predicted / (1 + predicted * a / 2), rtol=1e-6)


def test_the_best_rate_of_steps_can_be_larger_and_comes_near():
    hessian, noise = np.diag([1.0, 10.0]), np.diag([1.0, 0.01])
    ratios = [
        searched_rate(hessian, noise, 1, N, in_steps=True) / best_rate(noise, 1, N)
        for N in (1000, 10_000, 100_000)
    ]
    assert ratios[0] > 1.001
    np.testing.assert_allclose(ratios[2], 1, atol=1e-4)
    np.testing.assert_allclose((ratios[1] - 1) / (ratios[2] - 1), 10, rtol=0.05)


def test_the_divergence_is_zero_only_if_the_noise_is_round():
    N, B = 1000, 10

    def least(C):
        return divergence_from_posterior(stationary_covariance(A, C, best_rate(C, B, N), B), A, N)

    assert abs(least(3 * np.eye(2))) < 1e-12
    assert least(A) > 0.01
    S = stationary_covariance(A, A, 0.1, B)
    np.testing.assert_allclose(S, 0.1 / (2 * B) * np.eye(2), atol=1e-14)

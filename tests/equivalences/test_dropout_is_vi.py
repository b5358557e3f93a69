"""Dropout is a penalty, and a draw of weights, but no posterior that learns from more data."""

import numpy as np
import pytest

from subitize.equivalences.dropout_is_vi import (
    divergence_from_log_uniform,
    dropout_and_penalty,
    dropout_losses,
    gaussian_dropout_and_posterior_draw,
    penalised_loss,
    variances_of_dropout_and_posterior,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 5))
    w = np.array([1.0, -2.0, 0.5, 0.0, 1.5])
    return X, X @ w + rng.normal(size=20), w + 0.3 * rng.normal(size=5)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9, 1.0])
def test_all_masks_together_are_the_penalty(data, p):
    sides = dropout_and_penalty(*data, p)
    assert sides.difference < 1e-10 * sides.right


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_random_masks_agree_within_their_error(data, p):
    losses = dropout_losses(*data, p, draws=20_000)
    error = losses.std() / len(losses) ** 0.5
    assert error < 0.01 * losses.mean()
    assert abs(losses.mean() - penalised_loss(*data, p)) < 4 * error


def test_gaussian_dropout_draws_weights_for_each_example(data):
    X, _, w = data
    noise = np.random.default_rng(1).normal(size=X.shape)
    assert gaussian_dropout_and_posterior_draw(X, w, 0.4, noise).difference < 1e-12


def test_gaussian_dropout_has_the_same_expected_loss(data):
    X, y, w = data
    p, rng = 0.6, np.random.default_rng(2)
    noises = rng.normal(size=(2000, *X.shape))
    losses = [
        ((y - gaussian_dropout_and_posterior_draw(X, w, (1 - p) / p, noise).right) ** 2).sum()
        for noise in noises
    ]
    assert abs(np.mean(losses) - penalised_loss(X, y, w, p)) < 4 * np.std(losses) / len(losses) ** 0.5


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_the_divergence_from_a_log_uniform_prior_does_not_know_the_weight(alpha):
    found = [divergence_from_log_uniform(w, alpha) for w in (-3.0, 0.01, 1.0, 20.0)]
    np.testing.assert_allclose(found, found[0], atol=1e-6)


def test_it_does_depend_on_the_noise():
    assert divergence_from_log_uniform(1.0, 0.1) > divergence_from_log_uniform(1.0, 1.0) + 0.5


def test_more_data_narrow_the_posterior_and_not_dropout():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(4000, 3))
    y = X @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=4000)
    few_dropout, few = variances_of_dropout_and_posterior(X[:400], y[:400], 0.8, 1.0, 1.0)
    many_dropout, many = variances_of_dropout_and_posterior(X, y, 0.8, 1.0, 1.0)
    np.testing.assert_allclose(few / many, 10, rtol=0.15)
    np.testing.assert_allclose(few_dropout / many_dropout, 1, atol=0.35)

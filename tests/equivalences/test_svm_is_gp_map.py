"""The support vector machine is a mode, and its weights of labels are no likelihood."""

import numpy as np
import pytest

from subitize.equivalences.herding_is_quadrature import kernel
from subitize.equivalences.svm_is_gp_map import (
    gaussian_process_mode,
    held_out_log_losses,
    label_sum,
    machine,
    machine_and_mode,
    negative_log_posterior,
    normalised_probability,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    y = np.where(x[:, 0] + 0.7 * rng.normal(size=30) > 0, 1, -1)
    return kernel(x, x, 1.0) + 1e-3 * np.eye(30), y


@pytest.mark.parametrize("C", [0.3, 1.0, 3.0])
def test_the_machine_is_the_mode_of_a_gaussian_process(data, C):
    assert machine_and_mode(*data, C).difference < 5e-6


def test_no_neighbour_of_the_mode_is_denser(data):
    K, y = data
    g, bias = machine(K, y, 1.0)
    best = negative_log_posterior(g, bias, K, y, 1.0)
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(50):
            move = size * np.linalg.cholesky(K) @ rng.normal(size=len(y))
            assert negative_log_posterior(g + move, bias + size * rng.normal(), K, y, 1.0) > best
    assert abs(negative_log_posterior(*gaussian_process_mode(K, y, 1.0), K, y, 1.0) - best) < 1e-6


@pytest.mark.parametrize("C", [0.5, 1.0, 4.0])
def test_the_weights_of_the_labels_do_not_sum_to_one(C):
    f = np.linspace(-6, 6, 1201)
    total = label_sum(f, C)
    np.testing.assert_allclose(
        label_sum(np.array([0.0, 1.0, -1.0]), C), [2 * np.exp(-C)] + [1 + np.exp(-2 * C)] * 2
    )
    np.testing.assert_allclose(total[[0, -1]], 1 + np.exp(-7 * C))
    assert abs(abs(f[total.argmax()]) - 1) < 1e-12
    assert np.ptp(total) > 0.1


def test_probabilities_sum_to_one_once_they_are_divided():
    f = np.linspace(-4, 4, 33)
    np.testing.assert_allclose(
        normalised_probability(f, 1.5) + normalised_probability(-f, 1.5), 1, rtol=1e-12
    )


def test_the_mode_under_the_divided_weights_is_another(data):
    K, y = data
    g, bias = machine(K, y, 1.0)

    def divided(factor):
        mass = np.log(label_sum(factor * (g + bias), 1.0)).sum()
        return negative_log_posterior(factor * g, factor * bias, K, y, 1.0) + mass

    slope = (divided(1 + 1e-4) - divided(1 - 1e-4)) / 2e-4
    assert abs(slope) > 0.1


@pytest.mark.parametrize("C", [1.0, 10.0])
def test_gaussian_process_classification_has_the_lower_log_loss(C):
    losses = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(260, 1)) * 2
        y = np.where(rng.random(260) < 1 / (1 + np.exp(-2 * np.sin(2 * x[:, 0]))), 1, -1)
        halves = x[:60], y[:60], x[60:], y[60:]
        losses.append(held_out_log_losses(*halves, C=C, variance=4.0, length_scale=0.7))
    of_machine, of_process = np.mean(losses, axis=0)
    assert of_process < np.log(2)  # what a coin says
    assert of_process < of_machine - 0.05
    assert C == 1 or of_machine > np.log(2)

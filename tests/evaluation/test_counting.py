import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from subitize.evaluation.counting import calibration_error, counting, intervals, negative_log_posterior


def draws(pictures: int, counts: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    posterior = rng.dirichlet(np.full(counts, sharpness), pictures)
    return rng.integers(0, counts, pictures), posterior


def brute_interval(q: np.ndarray, mass: float) -> tuple[int, int]:
    best = None
    for low in range(len(q)):
        for high in range(low, len(q)):
            held = q[low : high + 1].sum()
            if low <= q.argmax() <= high and held >= mass - 1e-6:
                best = min(filter(None, (best, (high - low, -held, low))))
    return best[2], best[2] + best[0]


@pytest.mark.parametrize("sharpness", [0.05, 0.5, 5.0])
def test_strangers_agree(sharpness):
    truth, posterior = draws(500, 5, sharpness, 1)
    found = counting(truth, posterior)
    assert found["count_accuracy"] == accuracy_score(truth, posterior.argmax(1))
    np.testing.assert_array_equal(
        found["confusion"], confusion_matrix(truth, posterior.argmax(1), labels=range(5))
    )
    np.testing.assert_allclose(
        found["negative_log_posterior"],
        log_loss(truth, np.maximum(posterior, 1e-12), labels=range(5)),
        rtol=1e-6,
    )
    right = truth == posterior.argmax(1)
    assert found["calibration_error"] == calibration_error(posterior.max(1), right)


def test_accuracy_is_told_for_each_true_count():
    q = np.eye(4)[[0, 1, 1, 1, 3]]
    found = counting(np.array([0, 1, 2, 2, 5]), q)
    assert found["accuracy_by_count"] == {"0": 1.0, "1": 1.0, "2": 0.0, "3": None, "4": None, "5": 0.0}
    assert found["confusion"] == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 2, 0, 0],
        [0] * 4,
        [0] * 4,
        [0, 0, 0, 1],
    ]
    assert found["count_accuracy"] == 0.4


@pytest.mark.parametrize("mass", [0.5, 0.9, 0.99])
def test_intervals_are_the_shortest_around_the_mode(mass):
    _, posterior = draws(300, 6, 0.6, 2)
    low, high = intervals(posterior, mass)
    assert [(int(a), int(b)) for a, b in zip(low, high, strict=True)] == [
        brute_interval(q, mass) for q in posterior
    ]


@given(arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(0.01, 1)))
def test_an_interval_holds_its_mass_and_the_mode(weights):
    posterior = weights / weights.sum(1, keepdims=True)
    for q, low, high in zip(posterior, *intervals(posterior), strict=True):
        assert low <= q.argmax() <= high
        assert q[low : high + 1].sum() >= 0.9 - 1e-5


def test_coverage_counts_truths_inside():
    q = np.array([[0.5, 0.45, 0.05], [0.95, 0.05, 0.0], [0.95, 0.05, 0.0]])
    found = counting(np.array([1, 0, 1]), q)
    assert found["coverage_90"] == pytest.approx(2 / 3)
    assert found["interval_size"] == pytest.approx(4 / 3)


def test_calibration_of_the_overconfident_is_their_overconfidence():
    right = np.arange(1000) % 2 == 0
    assert calibration_error(np.full(1000, 0.9), right, bins=1) == pytest.approx(0.4)
    assert calibration_error(np.full(1000, 0.5), right, bins=10) == pytest.approx(0.0)


def test_calibration_of_the_honest_is_nearly_zero():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.4, 1, 200_000)
    assert calibration_error(confidence, rng.uniform(size=200_000) < confidence) < 0.006


def test_calibration_by_hand():
    confidence = np.array([0.6, 0.9, 0.7, 0.8])
    right = np.array([True, True, False, True])
    # bins of two: {0.6 right, 0.7 wrong}: |0.5 - 0.65|; {0.8 right, 0.9 right}: |1 - 0.85|
    assert calibration_error(confidence, right, bins=2) == pytest.approx((0.15 + 0.15) / 2)


def test_a_truth_beyond_the_model_surprises_but_finitely():
    assert negative_log_posterior(np.array([7]), np.array([[0.5, 0.5]])) == pytest.approx(-np.log(1e-12))

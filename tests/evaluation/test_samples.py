"""Numbers of samples: closed forms, brute force, and what real digits and noise must come to."""

import jax
import numpy as np
import pytest

from subitize.evaluation import samples
from subitize.evaluation.features import features
from subitize.scenes.single_images import GreyImages


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_frechet_distance_of_a_shifted_and_stretched_set_has_a_closed_form(rng):
    """With y = a x + m it is |μ_y - μ_x|² + (a - 1)² tr Σ_x, whatever the covariance is."""
    x = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6))
    y = 1.7 * x + np.arange(6)
    wanted = ((y.mean(0) - x.mean(0)) ** 2).sum() + 0.7**2 * np.trace(np.cov(x.T))
    assert samples.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-9)
    assert samples.frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-8)


def test_frechet_distance_is_of_covariances_that_do_not_commute(rng):
    """tr (Σ_x Σ_y)^½ by the eigenvalues of the plain product."""
    x, y = (rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4)) for _ in range(2))
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    cross = np.sqrt(np.linalg.eigvals(cov_x @ cov_y).real).sum()
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y) - 2 * cross
    assert samples.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-6)


def test_density_and_coverage_are_as_counted_one_by_one(rng):
    real, fake, k = rng.normal(size=(40, 3)), rng.normal(size=(30, 3)) + 0.8, 5
    radii = [sorted(np.linalg.norm(one - real, axis=1))[k] for one in real]  # 0 is the distance to itself
    near = [[np.linalg.norm(f - r) < radius for f in fake] for r, radius in zip(real, radii, strict=True)]
    density, coverage = samples.density_and_coverage(real, fake, k)
    assert density == pytest.approx(np.sum(near) / (k * 30))
    assert coverage == pytest.approx(np.any(near, 1).mean())
    assert samples.density_and_coverage(real, real, k) == pytest.approx((1, 1), abs=0.02)


def test_two_samples_of_one_distribution_are_told_apart_by_chance_alone(rng):
    one, other = rng.normal(size=(2, 600, 2))
    assert samples.two_sample_accuracy(one, other) == pytest.approx(0.5, abs=0.06)
    assert samples.two_sample_accuracy(one, other + 20) == 1


def test_copies_of_training_pictures_are_memorised_and_fresh_ones_are_not(rng):
    train, test, fresh = (rng.random((n, 4, 4, 1)) < 0.3 for n in (300, 200, 200))
    assert samples.memorised(train[:50], test, train) > 0.8, "only ties with copies in the test"
    assert samples.memorised(fresh, test, train) == pytest.approx(0.5, abs=0.1)


def test_pixels_to_the_nearest_are_those_of_every_pair(rng):
    x, y = rng.random((20, 3, 3, 1)) < 0.5, rng.random((30, 3, 3, 1)) < 0.5
    wanted = (x[:, None] != y).sum((2, 3, 4)).min(1)
    assert np.array_equal(samples.pixels_to_nearest(x, y), wanted)


def test_duplicates_are_samples_with_a_twin(rng):
    pictures = np.zeros((5, 2, 2, 1), bool)
    pictures[1, 0, 0] = pictures[2, 1, 1] = pictures[3, 1, 1] = True  # 0 and 4, 2 and 3 are equal
    assert samples.duplicates(pictures) == pytest.approx(4 / 5)


def test_the_network_tells_bundled_digits_apart_that_it_never_saw():
    test = GreyImages("test", of="digits")
    found = features(samples.lit(test), "digits")
    assert found.vectors.shape == (297, 128)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-4)
    assert (found.probabilities.argmax(1) == np.asarray(test.labels)).mean() > 0.94


def test_real_digits_are_better_samples_than_noise_and_copies_are_found_out(rng):
    train = samples.lit(GreyImages("train", of="digits"))
    real = samples.quality(train[:200], "digits", 200)
    noise = samples.quality(rng.random((200, 28, 28, 1)) < train.mean(0), "digits", 200)
    one = samples.quality(np.repeat(train[:1], 200, 0), "digits", 200)
    assert real["fd"] < 0.3 * min(noise["fd"], one["fd"])
    assert real["coverage"] > 0.7 > 0.3 > max(noise["coverage"], one["coverage"])
    assert (real["classes"], one["classes"]) == (10, 1)
    assert real["memorised"] == 1
    assert (real["duplicates"], one["duplicates"]) == (0, 1)
    assert real["two_sample"] < noise["two_sample"]

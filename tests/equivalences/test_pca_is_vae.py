"""The best linear variational autoencoder is probabilistic principal component analysis."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from subitize.equivalences.pca_is_vae import (
    best_elbo_and_likelihood,
    best_linear_vae,
    elbo,
    elbo_and_score_of_pca,
    largest_angle,
    linear_vae_of_pca,
    sample_covariance,
)


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(100, 3)) @ np.diag([3.0, 2.0, 1.2]) @ np.linalg.qr(rng.normal(size=(6, 3)))[0].T
    return signal + 0.5 * rng.normal(size=(100, 6)) + 4


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_bound_is_tight_at_the_parameters_of_pca(x, k):
    assert elbo_and_score_of_pca(x, k).difference < 1e-10


@pytest.mark.parametrize(("k", "seed"), [(1, 0), (2, 0), (2, 1), (3, 2)])
def test_the_greatest_bound_is_the_greatest_likelihood(x, k, seed):
    assert best_elbo_and_likelihood(x, k, seed=seed).difference < 1e-6


def test_the_score_is_below_the_maximum_by_what_n_minus_one_costs(x):
    n, d = x.shape
    lost = best_elbo_and_likelihood(x, 2).left - PCA(2).fit(x).score(x)
    np.testing.assert_allclose(lost, d / (4 * n**2), rtol=0.03)


def test_the_decoder_spans_the_principal_subspace_along_its_axes(x):
    vae = best_linear_vae(x, 3)
    assert largest_angle(vae, x) < 1e-4
    gram = vae.W.T @ vae.W
    eigenvalues = np.linalg.eigvalsh(sample_covariance(x))[::-1]
    np.testing.assert_allclose(vae.noise_variance, eigenvalues[3:].mean(), rtol=1e-6)
    np.testing.assert_allclose(gram - np.diag(gram.diagonal()), 0, atol=1e-4)
    np.testing.assert_allclose(
        np.sort(gram.diagonal())[::-1], eigenvalues[:3] - eigenvalues[3:].mean(), rtol=1e-5
    )


def test_another_decoder_has_another_span(x):
    vae = linear_vae_of_pca(x, 2)
    assert largest_angle(vae, x) < 1e-6
    assert largest_angle(vae, x * np.arange(1, 7)) > 0.1


def test_no_other_encoder_has_a_greater_bound(x):
    vae, S = best_linear_vae(x, 2), sample_covariance(x)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1):
        moved = type(vae)(
            vae.W, vae.V + size * rng.normal(size=vae.V.shape), vae.z_variance, vae.noise_variance
        )
        assert elbo(moved, S) < elbo(vae, S)


def test_the_encoder_shrinks_more_than_the_projection(x):
    vae = best_linear_vae(x, 2)
    reconstruction = np.linalg.eigvals(vae.W @ vae.V)
    largest = np.sort(reconstruction.real)[::-1][:2]
    assert np.all(largest < 0.99)  # both would be one for a projection
    assert np.all(largest > 0.5)

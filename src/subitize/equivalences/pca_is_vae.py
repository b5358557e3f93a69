"""Principal component analysis is a variational autoencoder whose networks are linear.

    z ~ N(0, I),  x | z ~ N(mean + W z, noise_variance I),  q(z | x) = N(V (x - mean), diag(z_variance))

    max over W, V, both variances of the mean ELBO = max log likelihood of probabilistic PCA
    span of W = span of the first principal components

The exact posterior of z is Gaussian with a covariance that does not depend on x. For the best W it can be
diagonal. So q can be exact, and the bound is tight.

scikit-learn divides the sample covariance by n - 1, and the maximum of the likelihood needs n. So
`PCA.score` is below the maximum. It lacks (d / 2) (log(n / (n - 1)) - 1 / n), which is about d / (4 n²).

What it does not say: that the encoder is the projection of PCA. V shrinks, since the prior pulls z to zero.
Columns of W have the length √(eigenvalue - noise_variance), so directions below the noise vanish. Signs and
order of the columns are free. If q may have a full covariance, then so is their rotation. Nothing here holds
for networks that are not linear.

Sources: Tipping and Bishop (1999), "Probabilistic principal component analysis".
Lucas, Tucker, Grosse and Norouzi (2019), "Don't blame the ELBO! A linear VAE perspective on posterior
collapse".
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import subspace_angles
from scipy.optimize import minimize
from sklearn.decomposition import PCA

from subitize.equivalences.sides import Sides


@dataclass(frozen=True)
class LinearVAE:
    """A linear variational autoencoder of data whose mean is subtracted."""

    W: Float[np.ndarray, "d k"]
    V: Float[np.ndarray, "k d"]
    z_variance: Float[np.ndarray, "k"]
    noise_variance: float


def sample_covariance(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    """The covariance of the rows, divided by n."""
    return np.cov(x, rowvar=False, bias=True)


def elbo(vae: LinearVAE, S: Float[np.ndarray, "d d"]) -> float:
    """The mean evidence lower bound of data with the sample covariance S.

    Args:
        vae: decoder W [d k], encoder V [k d] and their variances.
        S: sample covariance [d d], divided by n.

    Source: Lucas et al. (2019).
    """
    d, k = vae.W.shape
    unexplained = np.eye(d) - vae.W @ vae.V
    error = np.trace(unexplained @ S @ unexplained.T) + (vae.W**2).sum(0) @ vae.z_variance
    log_likelihood = -(d * math.log(2 * math.pi * vae.noise_variance) + error / vae.noise_variance) / 2
    spread = vae.z_variance.sum() + np.trace(vae.V @ S @ vae.V.T)
    divergence = (spread - k - np.log(vae.z_variance).sum()) / 2
    return float(log_likelihood - divergence)


def best_linear_vae(x: Float[np.ndarray, "n d"], k: int, *, seed: int = 0) -> LinearVAE:
    """The linear VAE of greatest ELBO, by L-BFGS from random weights.

    Args:
        x: data [n d].
        k: dimensions of z, less than d.
        seed: of the weights to begin with.

    Source: Lucas et al. (2019), who show that the ELBO adds no local maxima to the likelihood.
    """
    S, d = sample_covariance(x), x.shape[1]

    def unpacked(flat: np.ndarray) -> LinearVAE:
        W, V = flat[: d * k].reshape(d, k), flat[d * k : 2 * d * k].reshape(k, d)
        return LinearVAE(W, V, np.exp(flat[2 * d * k : -1]), math.exp(flat[-1]))

    def negative_elbo(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vae = unpacked(flat)
        unexplained = np.eye(d) - vae.W @ vae.V
        error = np.trace(unexplained @ S @ unexplained.T) + (vae.W**2).sum(0) @ vae.z_variance
        of_W = (unexplained @ S @ vae.V.T - vae.W * vae.z_variance) / vae.noise_variance
        of_V = (vae.W.T @ unexplained / vae.noise_variance - vae.V) @ S
        of_log_z = (1 - vae.z_variance * (1 + (vae.W**2).sum(0) / vae.noise_variance)) / 2
        of_log_noise = (error / vae.noise_variance - d) / 2
        gradient = np.concatenate([of_W.ravel(), of_V.ravel(), of_log_z, [of_log_noise]])
        return -elbo(vae, S), -gradient

    scale = math.sqrt(np.trace(S) / d)
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(d, k)) * scale / math.sqrt(d)
    start = np.concatenate([W.ravel(), W.T.ravel() / scale**2, np.zeros(k), [2 * math.log(scale)]])
    options = {"ftol": 0.0, "gtol": 1e-9, "maxiter": 20_000, "maxfun": 40_000, "maxcor": 30}
    return unpacked(minimize(negative_elbo, start, jac=True, method="L-BFGS-B", options=options).x)


def linear_vae_of_pca(x: Float[np.ndarray, "n d"], k: int) -> LinearVAE:
    """The linear VAE with the parameters that scikit-learn's PCA finds, and with the exact posterior as q.

    Args:
        x: data [n d].
        k: dimensions of z, less than d.

    Source: Tipping and Bishop (1999), section 3.
    """
    fitted = PCA(k, svd_solver="full").fit(x)
    noise = float(fitted.noise_variance_)
    W = np.asarray(fitted.components_).T * np.sqrt(fitted.explained_variance_ - noise)
    precision = (W**2).sum(0) + noise  # diagonal of WᵀW + noise I, whose columns are orthogonal
    return LinearVAE(W, W.T / precision[:, None], noise / precision, noise)


def elbo_and_score_of_pca(x: Float[np.ndarray, "n d"], k: int) -> Sides:
    """The ELBO at the parameters of PCA, and the score of scikit-learn's PCA.

    Args:
        x: data [n d].
        k: dimensions of z, less than d.

    Source: Tipping and Bishop (1999), section 3.
    """
    left = elbo(linear_vae_of_pca(x, k), sample_covariance(x))
    return Sides(np.array(left), np.array(PCA(k, svd_solver="full").fit(x).score(x)))


def best_elbo_and_likelihood(x: Float[np.ndarray, "n d"], k: int, *, seed: int = 0) -> Sides:
    """The greatest ELBO of a linear VAE, and the greatest log likelihood of probabilistic PCA.

    The second is the score of scikit-learn's PCA, plus what its division by n - 1 costs.

    Args:
        x: data [n d].
        k: dimensions of z, less than d.
        seed: of the weights to begin with.

    Source: Lucas et al. (2019).
    """
    n, d = x.shape
    left = elbo(best_linear_vae(x, k, seed=seed), sample_covariance(x))
    cost = d / 2 * (math.log(n / (n - 1)) - 1 / n)
    return Sides(np.array(left), np.array(PCA(k, svd_solver="full").fit(x).score(x) + cost))


def largest_angle(vae: LinearVAE, x: Float[np.ndarray, "n d"]) -> float:
    """The largest angle between the span of W and that of the principal components, in radians.

    Args:
        vae: a linear VAE with a decoder W [d k].
        x: data [n d].
    """
    components = np.asarray(PCA(vae.W.shape[1], svd_solver="full").fit(x).components_)
    return float(np.max(subspace_angles(vae.W, components.T)))

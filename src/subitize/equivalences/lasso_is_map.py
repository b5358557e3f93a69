"""The lasso is the mode of a posterior whose prior is Laplace; ridge regression has a Gaussian prior.

    y ~ N(X w, noise_scale² I)

    w_j ~ Laplace(0, prior_scale):  mode = argmin_w ‖y - X w‖² / (2 n) + alpha ‖w‖₁,
                                    alpha = noise_scale² / (prior_scale n)

    w_j ~ N(0, prior_scale²):       mode = argmin_w ‖y - X w‖² + alpha ‖w‖²,
                                    alpha = noise_scale² / prior_scale²

Both values of alpha are those of scikit-learn. Of its objectives only that of the lasso divides by n.

What it does not say: that a Laplace prior believes in zeros. Only the mode is sparse. The posterior gives
w_j = 0 no probability, and its mean has no zero. A Gaussian posterior has its mean at its mode, so ridge
regression is both.

Sources: Tibshirani (1996), "Regression shrinkage and selection via the lasso", section 5.
Park and Casella (2008), "The Bayesian lasso".
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.linear_model import Lasso, Ridge

from subitize.equivalences.sides import Sides

LEAST_SIZE = 1e-12  # of a weight in a ratio; the inverse Gaussian has no finite mean at zero


def lasso_weights(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], noise_scale: float, prior_scale: float
) -> Float[np.ndarray, "d"]:
    """The weights of scikit-learn's lasso at alpha = noise_scale² / (prior_scale n)."""
    alpha = noise_scale**2 / (prior_scale * len(y))
    return Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y).coef_


def laplace_mode(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], noise_scale: float, prior_scale: float
) -> Float[np.ndarray, "d"]:
    """The weights of highest posterior density under a Laplace prior.

    L-BFGS-B minimises the negative log density. A weight is the difference of two non-negative parts. Then
    |w_j| is the sum of the parts, which is smooth.
    """
    d = X.shape[1]

    def negative_log_density(parts: np.ndarray) -> tuple[float, np.ndarray]:
        residual = y - X @ (parts[:d] - parts[d:])
        slope = X.T @ residual / noise_scale**2
        value = residual @ residual / (2 * noise_scale**2) + parts.sum() / prior_scale
        return float(value), np.concatenate([-slope, slope]) + 1 / prior_scale

    options = {"ftol": 0.0, "gtol": 1e-10, "maxiter": 100_000, "maxfun": 100_000, "maxcor": 50}
    start, bounds = np.zeros(2 * d), [(0, None)] * (2 * d)
    found = minimize(negative_log_density, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x[:d] - found.x[d:]


def lasso_and_laplace_mode(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], noise_scale: float, prior_scale: float
) -> Sides:
    """The weights of the lasso, and the posterior mode under a Laplace prior.

    Args:
        X: inputs [n d], without a column for an intercept.
        y: targets [n].
        noise_scale: standard deviation of the noise.
        prior_scale: scale of the Laplace prior, so that E|w_j| = prior_scale.

    Source: Tibshirani (1996), section 5.
    """
    return Sides(lasso_weights(X, y, noise_scale, prior_scale), laplace_mode(X, y, noise_scale, prior_scale))


def ridge_and_gaussian_mode(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], noise_scale: float, prior_scale: float
) -> Sides:
    """The weights of ridge regression, and the posterior mode under a Gaussian prior.

    Args:
        X: inputs [n d], without a column for an intercept.
        y: targets [n].
        noise_scale: standard deviation of the noise.
        prior_scale: standard deviation of each weight.

    Source: Bishop (2006), "Pattern recognition and machine learning", equations 3.53 to 3.55.
    """
    ridge = Ridge(alpha=noise_scale**2 / prior_scale**2, fit_intercept=False, solver="svd").fit(X, y).coef_
    precision = X.T @ X / noise_scale**2 + np.eye(X.shape[1]) / prior_scale**2
    return Sides(ridge, np.linalg.solve(precision, X.T @ y / noise_scale**2))


def laplace_posterior_draws(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    noise_scale: float,
    prior_scale: float,
    *,
    draws: int,
    burn_in: int = 500,
    seed: int = 0,
) -> Float[np.ndarray, "draws d"]:
    """Draws of the weights from the posterior under a Laplace prior, by Gibbs sampling.

    A Laplace variable is Gaussian given its variance, and the variance is exponential. So the sampler
    alternates between two known distributions:

        w | variance      ~ N(P⁻¹ Xᵀy / noise_scale², P⁻¹),  P = XᵀX / noise_scale² + diag(1 / variance)
        1 / variance_j | w ~ InverseGaussian(mean 1 / (prior_scale |w_j|), shape 1 / prior_scale²)

    The paper scales its prior by the noise, which it does not know. Here the noise is known.

    Args:
        X: inputs [n d].
        y: targets [n].
        noise_scale: standard deviation of the noise.
        prior_scale: scale of the Laplace prior.
        draws: how many to return; successive ones are correlated.
        burn_in: draws that are thrown away first.
        seed: of the random numbers.

    Source: Park and Casella (2008), section 2.
    """
    rng = np.random.default_rng(seed)
    d = X.shape[1]
    gram, pull = X.T @ X / noise_scale**2, X.T @ y / noise_scale**2
    inverse_variance = np.full(d, 1 / (2 * prior_scale**2))
    found = np.empty((draws, d))
    for step in range(-burn_in, draws):
        root = np.linalg.cholesky(gram + np.diag(inverse_variance))  # P = root rootᵀ
        whitened = solve_triangular(root, pull, lower=True) + rng.standard_normal(d)
        w = solve_triangular(root, whitened, lower=True, trans=1)
        size = np.maximum(np.abs(w), LEAST_SIZE)
        inverse_variance = rng.wald(1 / (prior_scale * size), 1 / prior_scale**2)
        if step >= 0:
            found[step] = w
    return found

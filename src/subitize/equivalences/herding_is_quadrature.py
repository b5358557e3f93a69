"""Kernel herding and Bayesian quadrature minimise one discrepancy, over points and over weights.

    k(x, x') = exp(-|x - x'|² / (2 length_scale²)),  X ~ N(0, I) in d dimensions

    z_i = E k(x_i, X),  z_0 = E k(X, X') of independent X and X'
    MMD²(w) = z_0 - 2 wᵀz + wᵀK w,  least at w = K⁻¹z

    MMD²(K⁻¹z) = z_0 - zᵀK⁻¹z = posterior variance of E f(X), if f ~ GP(0, k) was seen at the points x_i

Herding chooses points one by one. Each makes MMD² small while all weights are equal. Bayesian quadrature
takes any points, and weights each. So at the same points it is never worse.

What it does not say: that herding is Bayesian. Its equal weights are not optimal, and it chooses as if they
stayed equal. The optimal weights need not be positive. They need not sum to one. A small posterior variance
says that f is well known only if k is the right prior.

Sources: Huszár and Duvenaud (2012), "Optimally-weighted herding is Bayesian quadrature".
Chen, Welling and Smola (2010), "Super-samples from kernel herding".
"""

import itertools

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from subitize.equivalences.sides import Sides


def kernel(
    x: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], length_scale: float
) -> Float[np.ndarray, "n m"]:
    """The kernel between all points of two sets."""
    return np.exp(-cdist(x, other, "sqeuclidean") / (2 * length_scale**2))


def kernel_mean(x: Float[np.ndarray, "n d"], length_scale: float) -> Float[np.ndarray, "n"]:
    """The mean z of the kernel between each point and X ~ N(0, I)."""
    spread = length_scale**2 + 1
    return (length_scale**2 / spread) ** (x.shape[1] / 2) * np.exp(-(x**2).sum(1) / (2 * spread))


def kernel_mean_of_mean(d: int, length_scale: float) -> float:
    """The mean z_0 of the kernel between two independent draws of N(0, I) in d dimensions."""
    return (length_scale**2 / (length_scale**2 + 2)) ** (d / 2)


def squared_mmd(x: Float[np.ndarray, "n d"], w: Float[np.ndarray, "n"], length_scale: float) -> float:
    """The squared maximum mean discrepancy between weighted points and N(0, I).

    Args:
        x: points [n d].
        w: their weights [n].
        length_scale: of the kernel.

    Source: Huszár and Duvenaud (2012).
    """
    z, K = kernel_mean(x, length_scale), kernel(x, x, length_scale)
    return float(kernel_mean_of_mean(x.shape[1], length_scale) - 2 * w @ z + w @ K @ w)


def quadrature_weights(x: Float[np.ndarray, "n d"], length_scale: float) -> Float[np.ndarray, "n"]:
    """The weights K⁻¹z of Bayesian quadrature.

    Args:
        x: points [n d], all different.
        length_scale: of the kernel.

    Source: Huszár and Duvenaud (2012).
    """
    return solve(kernel(x, x, length_scale), kernel_mean(x, length_scale), assume_a="pos")


def posterior_variance_of_integral(
    x: Float[np.ndarray, "n d"], length_scale: float, *, nodes: int = 40
) -> float:
    """The posterior variance of E f(X), from scikit-learn's Gaussian process regression.

    Gauss-Hermite quadrature integrates the posterior covariance over both of its arguments. So it knows no
    closed form of the kernel's means.

    Args:
        x: points [n d] at which f was seen without noise.
        length_scale: of the kernel.
        nodes: of the quadrature along each dimension; nodes^d altogether.
    """
    node, weight = np.polynomial.hermite_e.hermegauss(nodes)
    d = x.shape[1]
    grid = np.array(list(itertools.product(node, repeat=d)))
    mass = np.prod(list(itertools.product(weight / weight.sum(), repeat=d)), axis=1)
    prior = RBF(length_scale)
    regression = GaussianProcessRegressor(prior, alpha=0.0, optimizer=None)  # pyright: ignore[reportArgumentType]
    prediction = regression.fit(x, np.zeros(len(x))).predict(grid, return_cov=True)
    return float(mass @ prediction[1] @ mass)


def mmd_and_posterior_variance(x: Float[np.ndarray, "n d"], length_scale: float) -> Sides:
    """The squared discrepancy at the weights of Bayesian quadrature, and the variance of the integral.

    Args:
        x: points [n d], all different.
        length_scale: of the kernel.

    Source: Huszár and Duvenaud (2012).
    """
    left = squared_mmd(x, quadrature_weights(x, length_scale), length_scale)
    return Sides(np.array(left), np.array(posterior_variance_of_integral(x, length_scale)))


def herded(
    candidates: Float[np.ndarray, "m d"], points: int, length_scale: float
) -> Float[np.ndarray, "points d"]:
    """The points that kernel herding chooses among candidates, in its order.

    The next point x is where z(x) - Σ_i k(x, x_i) / (i + 1) is greatest, with i points chosen already.

    Args:
        candidates: points [m d] to choose from.
        points: how many to choose.
        length_scale: of the kernel.

    Source: Chen, Welling and Smola (2010), section 3.
    """
    z = kernel_mean(candidates, length_scale)
    near = np.zeros(len(candidates))  # sum of the kernel to the chosen ones
    chosen = []
    for count in range(points):
        best = int(np.argmax(z - near / (count + 1)))
        chosen.append(best)
        near += kernel(candidates, candidates[[best]], length_scale)[:, 0]
    return candidates[chosen]

"""Dropout is a ridge penalty in linear regression, and a draw from a variational posterior.

    m_ij ~ Bernoulli(p):  E ‖y - (m ∘ X / p) w‖² = ‖y - X w‖² + ((1 - p) / p) Σ_j w_j² (XᵀX)_jj

    ε_ij ~ N(0, 1):       Σ_j X_ij (1 + √alpha ε_ij) w_j = Σ_j X_ij v_ij,  v_ij ~ q(v_j) = N(w_j, alpha w_j²)

The first line is exact for squared error and linear in X. The second is Gaussian dropout, read as a draw of
the weights for each example. With alpha = (1 - p) / p the two have the same expected squared error. If the
prior is log-uniform, then KL(q ‖ prior) does not depend on w. So training with Gaussian dropout maximises an
evidence lower bound.

What it does not say: that dropout knows what the data leave open. The variance alpha w_j² does not shrink as
examples come in, while that of the posterior does. The log-uniform prior has no finite mass. For other losses
the penalty is an approximation.

Sources: Srivastava et al. (2014), "Dropout", section 9.1. Kingma, Salimans and Welling (2015), "Variational
dropout and the local reparameterization trick". Hron, Matthews and Ghahramani (2018), "Variational Bayesian
dropout: pitfalls and fixes".
"""

import itertools
import math

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.stats import norm

from subitize.equivalences.sides import Sides


def penalised_loss(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], w: Float[np.ndarray, "d"], p: float
) -> float:
    """The squared error and the penalty ((1 - p) / p) Σ_j w_j² (XᵀX)_jj."""
    residual = y - X @ w
    return float(residual @ residual + (1 - p) / p * (w**2 @ (X**2).sum(0)))


def expected_dropout_loss(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], w: Float[np.ndarray, "d"], p: float
) -> float:
    """The mean of the squared error over all 2^d masks of an example, each with its probability."""
    total = 0.0
    for mask in itertools.product((0.0, 1.0), repeat=X.shape[1]):
        kept = sum(mask)
        probability = p**kept * (1 - p) ** (len(mask) - kept)
        residual = y - X * np.array(mask) / p @ w
        total += probability * float(residual @ residual)
    return total


def dropout_and_penalty(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], w: Float[np.ndarray, "d"], p: float
) -> Sides:
    """The expected squared error under dropout, and the squared error with its penalty.

    Args:
        X: inputs [n d]; the time is proportional to 2^d.
        y: targets [n].
        w: weights [d].
        p: probability that an input is kept.

    Source: Srivastava et al. (2014), section 9.1.
    """
    return Sides(np.array(expected_dropout_loss(X, y, w, p)), np.array(penalised_loss(X, y, w, p)))


def dropout_losses(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    w: Float[np.ndarray, "d"],
    p: float,
    *,
    draws: int,
    seed: int = 0,
) -> Float[np.ndarray, "draws"]:
    """The squared errors under random masks, whose mean estimates the expected one.

    Args:
        X: inputs [n d].
        y: targets [n].
        w: weights [d].
        p: probability that an input is kept.
        draws: how many times all masks are drawn.
        seed: of the random numbers.
    """
    mask = np.random.default_rng(seed).random((draws, *X.shape)) < p
    return ((y - (mask * X / p) @ w) ** 2).sum(1)


def gaussian_dropout_and_posterior_draw(
    X: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, "d"],
    alpha: float,
    epsilon: Float[np.ndarray, "n d"],
) -> Sides:
    """The outputs of noisy inputs, and the outputs of weights drawn from q for each example.

    Args:
        X: inputs [n d].
        w: weights [d], which are the means of q.
        alpha: variance of the noise on each input.
        epsilon: standard normal noise [n d].

    Source: Kingma, Salimans and Welling (2015), section 3.
    """
    noisy_inputs = X * (1 + math.sqrt(alpha) * epsilon)
    # The scale of q is positive. So a negative weight turns the sign of the noise, which changes no law.
    drawn_weights = w + math.sqrt(alpha) * np.abs(w) * (np.sign(w) * epsilon)
    return Sides(noisy_inputs @ w, (X * drawn_weights).sum(1))


def divergence_from_log_uniform(w: float, alpha: float) -> float:
    """KL(q ‖ prior) of q = N(w, alpha w²) and the improper density 1 / |v|, up to a constant.

    Args:
        w: mean of q, not zero.
        alpha: variance of q over w².

    Source: Kingma, Salimans and Welling (2015), section 3.3.
    """
    scale = math.sqrt(alpha) * abs(w)

    def density_of_size(size: float) -> float:
        return float(norm.pdf(size, w, scale) + norm.pdf(-size, w, scale))

    # The weight log(size) has a rule of its own, since it goes to minus infinity at zero.
    mean_log = quad(density_of_size, 0, abs(w) + 12 * scale, weight="alg-loga", wvar=(0, 0), limit=400)[0]
    return mean_log - math.log(2 * math.pi * math.e * scale**2) / 2


def variances_of_dropout_and_posterior(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    p: float,
    noise_scale: float,
    prior_scale: float,
) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """The variances of q at the weights that dropout learns, and those of the exact posterior.

    Args:
        X: inputs [n d].
        y: targets [n].
        p: probability that an input is kept, so that alpha = (1 - p) / p.
        noise_scale: standard deviation of the noise on the targets.
        prior_scale: standard deviation of each weight under the exact posterior's Gaussian prior.
    """
    gram, alpha = X.T @ X, (1 - p) / p
    w = np.linalg.solve(gram + alpha * np.diag(np.diag(gram)), X.T @ y)  # the least penalised loss
    posterior = np.linalg.inv(gram / noise_scale**2 + np.eye(len(w)) / prior_scale**2)
    return alpha * w**2, np.diag(posterior)

"""Stochastic gradient descent at a constant rate samples from a Gaussian, which can be near the posterior.

    loss of example i:  wᵀA w / 2 - c_iᵀw,  Σ_i c_i = 0,  C = covariance of the c_i
    w ← w - lr · mean over a batch of B examples of the gradients

    N(0, S) with  A S + S A = (lr / B) C                  in continuous time
    N(0, S) with  A S + S A - lr A S A = (lr / B) C       in steps, exactly

Batches are drawn with replacement. The N losses sum to the negative log posterior N(0, (N A)⁻¹). In
continuous time, tr(A S) = lr tr(C) / (2 B). So KL(N(0, S) ‖ posterior) is least at

    lr = 2 (B / N) D / tr(C),  D the number of weights.

What it does not say: that the iterates are draws from the posterior. At the best rate the divergence is zero
only if C is a multiple of I. A well specified likelihood has C = A at its optimum, for large N. Then S is
a multiple of I, whatever the posterior's shape. In steps, the best rate differs from the formula by a
relative amount of order lr A. It can be smaller or larger.

Source: Mandt, Hoffman and Blei (2017), "Stochastic gradient descent as approximate Bayesian inference",
sections 3.2 and 4.1. It writes S for the batch size B, and Σ for the covariance S.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov
from scipy.optimize import minimize_scalar

from subitize.equivalences.sides import Sides


def stationary_covariance(
    A: Float[np.ndarray, "D D"], C: Float[np.ndarray, "D D"], lr: float, B: int
) -> Float[np.ndarray, "D D"]:
    """The covariance S of the iterates in continuous time, from A S + S A = (lr / B) C.

    Args:
        A: Hessian [D D] of the mean loss, positive definite.
        C: covariance [D D] of the gradients of single examples.
        lr: learning rate.
        B: examples in a batch.

    Source: Mandt, Hoffman and Blei (2017), section 3.2.
    """
    return solve_continuous_lyapunov(A, lr / B * C)


def stationary_covariance_in_steps(
    A: Float[np.ndarray, "D D"], C: Float[np.ndarray, "D D"], lr: float, B: int
) -> Float[np.ndarray, "D D"]:
    """The exact covariance S of the iterates, from S = (I - lr A) S (I - lr A) + (lr² / B) C.

    Args:
        A: Hessian [D D] of the mean loss, positive definite.
        C: covariance [D D] of the gradients of single examples.
        lr: learning rate, less than 2 over the largest eigenvalue of A.
        B: examples in a batch.
    """
    return solve_discrete_lyapunov(np.eye(len(A)) - lr * A, lr**2 / B * C)


def simulated_covariance(
    A: Float[np.ndarray, "D D"],
    c: Float[np.ndarray, "N D"],
    lr: float,
    B: int,
    *,
    chains: int,
    steps: int,
    seed: int = 0,
) -> Float[np.ndarray, "D D"]:
    """The covariance of the last iterates of independent runs that all begin at zero.

    Args:
        A: Hessian [D D] of every example's loss.
        c: the linear parts [N D] of the losses, which sum to zero.
        lr: learning rate.
        B: examples in a batch, drawn with replacement.
        chains: how many runs.
        steps: of each run; many more than 1 / (lr · the least eigenvalue of A).
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    w = np.zeros((chains, len(A)))
    for _ in range(steps):
        batch = rng.integers(len(c), size=(chains, B))
        w -= lr * (w @ A - c[batch].mean(1))
    return w.T @ w / chains


def simulation_and_lyapunov(
    A: Float[np.ndarray, "D D"],
    c: Float[np.ndarray, "N D"],
    lr: float,
    B: int,
    *,
    chains: int,
    steps: int,
    seed: int = 0,
) -> Sides:
    """The covariance of simulated iterates, and the one that the Lyapunov equation of steps gives.

    Args:
        A: Hessian [D D] of every example's loss.
        c: the linear parts [N D] of the losses, which sum to zero.
        lr: learning rate.
        B: examples in a batch.
        chains: how many runs.
        steps: of each run.
        seed: of the random numbers.
    """
    left = simulated_covariance(A, c, lr, B, chains=chains, steps=steps, seed=seed)
    return Sides(left, stationary_covariance_in_steps(A, c.T @ c / len(c), lr, B))


def divergence_from_posterior(S: Float[np.ndarray, "D D"], A: Float[np.ndarray, "D D"], N: int) -> float:
    """KL(N(0, S) ‖ N(0, (N A)⁻¹)).

    Args:
        S: covariance [D D] of the iterates.
        A: Hessian [D D] of the mean loss.
        N: number of examples.

    Source: Mandt, Hoffman and Blei (2017), section 4.1.
    """
    product = N * A @ S
    return float(np.trace(product) - len(A) - np.linalg.slogdet(product)[1]) / 2


def best_rate(C: Float[np.ndarray, "D D"], B: int, N: int) -> float:
    """The learning rate 2 (B / N) D / tr(C), whose iterates are nearest to the posterior.

    Args:
        C: covariance [D D] of the gradients of single examples.
        B: examples in a batch.
        N: number of examples.

    Source: Mandt, Hoffman and Blei (2017), section 4.1.
    """
    return 2 * B / N * len(C) / float(np.trace(C))


def searched_rate(
    A: Float[np.ndarray, "D D"], C: Float[np.ndarray, "D D"], B: int, N: int, *, in_steps: bool = False
) -> float:
    """The learning rate of least divergence from the posterior, by numerical search.

    Args:
        A: Hessian [D D] of the mean loss.
        C: covariance [D D] of the gradients of single examples.
        B: examples in a batch.
        N: number of examples.
        in_steps: whether the covariance is the exact one of steps or that of continuous time.
    """
    covariance = stationary_covariance_in_steps if in_steps else stationary_covariance
    highest = math.log(1.999 / np.linalg.eigvalsh(A)[-1])  # steps diverge from 2 / eigenvalue on

    def divergence(log_lr: float) -> float:
        return divergence_from_posterior(covariance(A, C, math.exp(log_lr), B), A, N)

    bounds = (highest - 30, highest if in_steps else highest + 30)
    found = minimize_scalar(divergence, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return math.exp(found.x)


def searched_and_predicted_rate(
    A: Float[np.ndarray, "D D"], C: Float[np.ndarray, "D D"], B: int, N: int
) -> Sides:
    """The rate of least divergence by search in continuous time, and 2 (B / N) D / tr(C).

    Args:
        A: Hessian [D D] of the mean loss.
        C: covariance [D D] of the gradients of single examples.
        B: examples in a batch.
        N: number of examples.

    Source: Mandt, Hoffman and Blei (2017), section 4.1.
    """
    return Sides(np.array(searched_rate(A, C, B, N)), np.array(best_rate(C, B, N)))

"""Gradient descent that stops early is ridge regression with a penalty for each eigenvalue.

    loss ‖y - X w‖² / 2,  w_0 = 0,  w ← w + lr Xᵀ(y - X w),  XᵀX = V diag(e) Vᵀ

    w_t = V diag(1 - (1 - lr e)^t) Vᵀ w_least_squares
        = argmin_w ‖y - X w‖² + Σ_i penalty_i (Vᵀw)_i²,
    penalty_i = e_i (1 - lr e_i)^t / (1 - (1 - lr e_i)^t)  →  1 / (lr t)  as lr e_i t → 0

So one ridge penalty of 1 / (lr t) comes close. Let u = lr e t. In the limit of small steps, early stopping
multiplies weights by 1 - exp(-u), and ridge regression by u / (1 + u). These differ by less than 0.204.

What it does not say: that early stopping is the mode under a prior that one could have had before the data.
Penalties depend on XᵀX and on t, so the prior N(0, noise_scale² / penalty_i) does too. They fall as e_i
grows, while a ridge penalty is the same for all. If lr e_i > 1 and t is odd, then penalty_i is negative. No
prior has that.

Sources: Santos (1996), "Equivalence of regularization and truncated iteration for general ill-posed
problems". Ali, Kolter and Tibshirani (2019), "A continuous-time view of early stopping for least squares".
"""

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import Ridge

from subitize.equivalences.sides import Sides


def early_stopped_weights(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], lr: float, t: int
) -> Float[np.ndarray, "d"]:
    """The weights after t steps of gradient descent from zero.

    Args:
        X: inputs [n d].
        y: targets [n].
        lr: learning rate on ‖y - X w‖² / 2.
        t: steps.
    """
    w = np.zeros(X.shape[1])
    for _ in range(t):
        w = w + lr * X.T @ (y - X @ w)
    return w


def stopping_factors(e: Float[np.ndarray, "d"], lr: float, t: int) -> Float[np.ndarray, "d"]:
    """The factors 1 - (1 - lr e)^t that early stopping puts on the least-squares weights.

    Args:
        e: eigenvalues [d] of XᵀX.
        lr: learning rate.
        t: steps.

    Source: Ali, Kolter and Tibshirani (2019), section 2.
    """
    small = np.minimum(lr * e, 0.5)
    # 1 - (1 - u)^t loses all digits of a tiny u; the logarithm keeps them
    return np.where(lr * e <= 0.5, -np.expm1(t * np.log1p(-small)), 1 - (1 - lr * e) ** t)


def ridge_factors(e: Float[np.ndarray, "d"], penalty: float) -> Float[np.ndarray, "d"]:
    """The factors e / (e + penalty) that ridge regression puts on the least-squares weights.

    Args:
        e: eigenvalues [d] of XᵀX.
        penalty: on ‖w‖².
    """
    return e / (e + penalty)


def equivalent_penalties(e: Float[np.ndarray, "d"], lr: float, t: int) -> Float[np.ndarray, "d"]:
    """The penalty for each eigenvalue with which ridge regression gives the early-stopped weights.

    At an eigenvalue of zero any penalty does; it gets the limit 1 / (lr t).

    Args:
        e: eigenvalues [d] of XᵀX.
        lr: learning rate.
        t: steps, at least one.

    Source: Santos (1996).
    """
    factors = stopping_factors(e, lr, t)
    seen = e > 0
    return np.where(seen, e * (1 - lr * e) ** t / np.where(seen, factors, 1), 1 / (lr * t))


def early_stopping_and_generalised_ridge(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], lr: float, t: int
) -> Sides:
    """The weights of early stopping, and of ridge regression with a penalty for each eigenvalue.

    Args:
        X: inputs [n d].
        y: targets [n].
        lr: learning rate on ‖y - X w‖² / 2, less than 2 over the largest eigenvalue.
        t: steps, at least one.

    Source: Santos (1996).
    """
    e, V = np.linalg.eigh(X.T @ X)
    e = np.maximum(e, 0)  # rounding can make an eigenvalue of zero negative
    penalty = V @ np.diag(equivalent_penalties(e, lr, t)) @ V.T
    return Sides(early_stopped_weights(X, y, lr, t), np.linalg.solve(X.T @ X + penalty, X.T @ y))


def early_stopping_and_ridge(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], lr: float, t: int
) -> Sides:
    """The weights of early stopping, and of scikit-learn's ridge regression with the penalty 1 / (lr t).

    These are close and not equal.

    Args:
        X: inputs [n d].
        y: targets [n].
        lr: learning rate on ‖y - X w‖² / 2, less than 2 over the largest eigenvalue.
        t: steps, at least one.

    Source: Ali, Kolter and Tibshirani (2019), section 2.
    """
    ridge = Ridge(alpha=1 / (lr * t), fit_intercept=False, solver="svd").fit(X, y).coef_
    return Sides(early_stopped_weights(X, y, lr, t), ridge)

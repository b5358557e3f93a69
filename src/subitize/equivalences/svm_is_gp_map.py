"""The support vector machine is the mode of a Gaussian process, if the hinge loss stands for a likelihood.

    f = g + bias,  g ~ GP(0, K),  bias ~ flat,  weight of label y: exp(-C max(0, 1 - y f))

    decision function = argmin over g and bias of gᵀ K⁻¹ g / 2 + C Σ_i max(0, 1 - y_i (g_i + bias))

What it does not say: that the machine has a probabilistic model. A likelihood sums to one over the labels.
This one sums to

    exp(-C max(0, 1 - f)) + exp(-C max(0, 1 + f)),

which depends on f. At f = 0 it is 2 exp(-C). It is greatest at |f| = 1, where it is 1 + exp(-2 C). Far away
it tends to one. To divide by the sum gives a likelihood, but its mode is another one. So a probability made
of the decision function is a choice of whoever makes it.

Sources: Sollich (2002), "Bayesian methods for support vector machines: evidence and predictive class
probabilities". Rasmussen and Williams (2006), "Gaussian processes for machine learning", section 6.4.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import LinearConstraint, minimize
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.metrics import log_loss
from sklearn.svm import SVC

from subitize.equivalences.sides import Sides


def negative_log_posterior(
    g: Float[np.ndarray, "n"],
    bias: float,
    K: Float[np.ndarray, "n n"],
    y: Int[np.ndarray, "n"],
    C: float,
) -> float:
    """The negative logarithm of prior times weights of the labels, without its constant."""
    hinge = np.maximum(0, 1 - y * (g + bias))
    return float(g @ np.linalg.solve(K, g) / 2 + C * hinge.sum())


def machine(
    K: Float[np.ndarray, "n n"], y: Int[np.ndarray, "n"], C: float
) -> tuple[Float[np.ndarray, "n"], float]:
    """The decision function of scikit-learn's SVC at the training inputs without its bias, and the bias."""
    fitted = SVC(C=C, kernel="precomputed", tol=1e-10).fit(K, y)
    bias = float(fitted.intercept_[0])
    return fitted.decision_function(K) - bias, bias


def gaussian_process_mode(
    K: Float[np.ndarray, "n n"], y: Int[np.ndarray, "n"], C: float
) -> tuple[Float[np.ndarray, "n"], float]:
    """The g and the bias of highest posterior density.

    With g = root v and K = root rootᵀ, the prior is |v|² / 2. A slack of at least zero stands for each hinge.
    So this is a quadratic program in v, bias and slacks. It is the primal; SVC solves the dual.
    """
    n = len(y)
    root = np.linalg.cholesky(K)
    margin = np.hstack([y[:, None] * root, y[:, None], np.eye(n)])  # y f + slack, to be 1 at least
    curvature = np.concatenate([np.ones(n), np.zeros(n + 1)])
    cost = np.concatenate([np.zeros(n + 1), np.full(n, C)])
    found = minimize(
        lambda x: x @ (curvature * x) / 2 + cost @ x,
        np.concatenate([np.zeros(n + 1), np.ones(n)]),
        jac=lambda x: curvature * x + cost,
        method="SLSQP",
        bounds=[(None, None)] * (n + 1) + [(0, None)] * n,
        constraints=LinearConstraint(margin, lb=1),
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return root @ found.x[:n], float(found.x[n])


def machine_and_mode(K: Float[np.ndarray, "n n"], y: Int[np.ndarray, "n"], C: float) -> Sides:
    """The decision function of SVC at the training inputs, and the mode of the Gaussian process there.

    Args:
        K: positive definite kernel matrix [n n] of the training inputs.
        y: labels [n], each -1 or +1.
        C: weight of the hinge loss.

    Source: Sollich (2002), section 2.
    """
    (left, left_bias), (right, right_bias) = machine(K, y, C), gaussian_process_mode(K, y, C)
    return Sides(left + left_bias, right + right_bias)


def label_sum(f: Float[np.ndarray, "*shape"], C: float) -> Float[np.ndarray, "*shape"]:
    """The sum of exp(-C max(0, 1 - y f)) over both labels, which would be one for a likelihood.

    Args:
        f: values of the decision function, of any shape.
        C: weight of the hinge loss.

    Source: Sollich (2002), section 2.
    """
    return np.exp(-C * np.maximum(0, 1 - f)) + np.exp(-C * np.maximum(0, 1 + f))


def normalised_probability(f: Float[np.ndarray, "*shape"], C: float) -> Float[np.ndarray, "*shape"]:
    """The weight of the label +1 divided by the sum over both labels.

    Args:
        f: values of the decision function, of any shape.
        C: weight of the hinge loss.
    """
    return np.exp(-C * np.maximum(0, 1 - f)) / label_sum(f, C)


def held_out_log_losses(
    X: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, "n"],
    X_held_out: Float[np.ndarray, "m d"],
    y_held_out: Int[np.ndarray, "m"],
    *,
    C: float,
    variance: float,
    length_scale: float,
) -> tuple[float, float]:
    """The log losses of the machine's normalised probability and of Gaussian process classification.

    Both have the kernel variance · exp(-|x - x'|² / (2 length_scale²)). Laplace's method approximates the
    Gaussian process, whose likelihood is logistic.

    Args:
        X: training inputs [n d].
        y: their labels [n], each -1 or +1.
        X_held_out: other inputs [m d].
        y_held_out: their labels [m].
        C: weight of the hinge loss.
        variance: of the kernel.
        length_scale: of the kernel.

    Source: Rasmussen and Williams (2006), sections 3.4 and 6.4.
    """
    kernel = ConstantKernel(variance) * RBF(length_scale)
    fitted = SVC(C=C, kernel=kernel).fit(X, y)  # pyright: ignore[reportArgumentType]
    of_machine = normalised_probability(fitted.decision_function(X_held_out), C)
    process = GaussianProcessClassifier(kernel, optimizer=None).fit(X, y)  # pyright: ignore[reportArgumentType]
    of_process = process.predict_proba(X_held_out)[:, 1]
    return log_loss(y_held_out, of_machine), log_loss(y_held_out, of_process)

"""What a covariate buys: the integral of 1/(1 + x) over [0, 1] from 100 uniform samples.

With a covariate c of known mean, the mean of f(x) - β (c(x) - E c) has the same expectation as that of f, and
with the best coefficient β = Cov(f, c) / Var(c) the variance Var(f) (1 - ρ²) / 100, ρ their correlation. The
better c imitates f, the flatter what is left; if c is f itself there is nothing left to sample.

    python experiments/control_variates.py
"""

import math
from collections.abc import Callable

import numpy as np

from common import arguments, picture_path, publish
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, QUIET

SAMPLES = 100
NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
X, W = (NODES + 1) / 2, WEIGHTS / 2  # of the unit interval


def f(x: np.ndarray) -> np.ndarray:
    """The integrand; its integral is ln 2."""
    return 1 / (1 + x)


def quadratic() -> Callable[[np.ndarray], np.ndarray]:
    """The quadratic nearest to f in the mean square."""
    fit = np.polynomial.polynomial.Polynomial.fit(X, f(X), 2, w=np.sqrt(W), domain=[0, 1])
    return lambda x: fit(x)


COVARIATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": np.zeros_like,
    "linear": lambda x: 1 + x,
    "quadratic": quadratic(),
    "perfect": f,
}


def mean(g: Callable[[np.ndarray], np.ndarray]) -> float:
    """∫ g over the unit interval, by quadrature."""
    return float(W @ g(X))


def best_coefficient(c: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """(β, ρ²): the coefficient that leaves the least variance, and the share of variance it takes away."""
    covariance = mean(lambda x: f(x) * c(x)) - mean(f) * mean(c)
    variance = mean(lambda x: c(x) ** 2) - mean(c) ** 2
    if variance < 1e-12:
        return 0.0, 0.0
    return covariance / variance, covariance**2 / variance / (mean(lambda x: f(x) ** 2) - mean(f) ** 2)


def main() -> None:
    """Measure, write, draw."""
    args = arguments(__doc__, repetitions=20_000)
    repetitions = 200 if args.tiny else args.repetitions
    x = np.random.default_rng(0).random((repetitions, SAMPLES))
    variance = mean(lambda x: f(x) ** 2) - mean(f) ** 2
    rows, panels = {}, []
    for name, c in COVARIATES.items():
        β, explained = best_coefficient(c)
        flat = lambda x, c=c, β=β: f(x) - β * (c(x) - mean(c))  # noqa: E731
        estimates = flat(x).mean(1)
        rows[name] = {
            "coefficient": β,
            "mean_of_estimates": float(estimates.mean()),
            "variance": float(estimates.var(ddof=1)),
            "standard_error": float(estimates.var(ddof=1) * math.sqrt(2 / (repetitions - 1))),
            "variance_by_formula": max(variance * (1 - explained), 0.0) / SAMPLES,
        }
        panels += drawn(name, flat, estimates)
    publish(args.out, "control_variates", rows)
    picture = grid(panels[::2] + panels[1::2], len(COVARIATES), "The integral of 1/(1+x) from 100 samples")
    picture.save(picture_path(args.out, "control_variates"))


def drawn(name: str, flat: Callable[[np.ndarray], np.ndarray], estimates: np.ndarray) -> list[Panel]:
    """The flattened function, and the estimates as a histogram."""
    x = np.linspace(0, 1, 200)
    truth = Line([0, 1], [math.log(2)] * 2, QUIET, 1)
    function = Panel(
        f"covariate: {name}", [truth, Line(x, flat(x), ACCENT)], (0.45, 1.05), "what is averaged"
    )
    counts, edges = np.histogram(np.clip(estimates, 0.62, 0.76), 80, (0.62, 0.76))
    bars = Line(np.repeat(edges, 2)[1:-1], np.repeat(counts / counts.max(), 2), ACCENT)
    return [function, Panel("", [bars], (0.0, 1.1), "the estimates")]


if __name__ == "__main__":
    main()

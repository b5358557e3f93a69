"""Distributions: what a program may leave to chance.

Each is a small pytree whose leaves are its natural parameters φ, so that a gradient with respect to
the distribution has the distribution's own shape. A draw is a deterministic map of parameter-free
noise,

    ε ~ noise,    z = from_noise(φ, ε) ~ p(z; φ),

which is what lets one noise serve many values of φ (common random numbers) and lets a test integrate
over ε exactly. Continuous families are differentiable in φ there; finite ones are all made of coins.
"""

from subitize.core.distributions.base import AbstractDistribution
from subitize.core.distributions.continuous import Beta, Dirichlet, Gamma, Logistic, Normal
from subitize.core.distributions.finite import AbstractFinite, Bernoulli, Categorical, Stopping

__all__ = [
    "AbstractDistribution",
    "AbstractFinite",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Gamma",
    "Logistic",
    "Normal",
    "Stopping",
]

"""Pathwise: differentiate the draw itself.

    z = transport(φ, ε),    ∂E[f]/∂φ = E[∂f/∂z ∂z/∂φ].

Kingma and Welling (2014), "Auto-encoding variational Bayes"; Rezende, Mohamed and Wierstra (2014),
"Stochastic backpropagation". There is nothing to estimate beyond what automatic differentiation does, so
a pathwise site simply is not stopped.
"""

from typing import Any, ClassVar

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.estimator import AbstractEstimator, Estimate, Site


class Pathwise(AbstractEstimator):
    """Let the gradient flow through the draw; the default for continuous sites."""

    word: ClassVar[str] = "pathwise"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Kingma and Welling 2014"

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Only where a draw is differentiable in its parameters."""
        if not dist.reparameterised:
            return f"a draw from {type(dist).__name__} is not differentiable in its parameters"
        return None

    def estimate(self, memory: Any, site: Site) -> Estimate:
        """Never called: a pathwise site has no lanes."""
        raise AssertionError("a pathwise site is differentiated by the program itself")

"""Pathwise: differentiate the draw itself.

    z = from_noise(φ, ε),    ∂E[f]/∂φ = E[∂f/∂z ∂z/∂φ].

Kingma and Welling (2014), "Auto-encoding variational Bayes"; Rezende, Mohamed and Wierstra (2014),
"Stochastic backpropagation". Where the transport is no formula (Gamma, Beta, Dirichlet), its derivative is
implicit: ∂z/∂φ = -(∂F/∂φ)/p(z), F the cumulative distribution (Figurnov, Mohamed and Mnih 2018, "Implicit
reparameterization gradients").
"""

from typing import ClassVar

from jaxtyping import Array

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.estimators.base import AbstractDirect


class Pathwise(AbstractDirect):
    """Let the gradient flow through the draw; the default for continuous sites."""

    name: ClassVar[str] = "pathwise"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Kingma and Welling 2014"

    def beyond(self, dist: AbstractDistribution) -> str | None:
        """A site whose draw is not differentiable in its parameters."""
        if not dist.reparameterised:
            return f"a draw from {type(dist).__name__} is not differentiable in its parameters"
        return None

    def draw(self, dist: AbstractDistribution, noise: Array) -> Array:
        """The draw itself."""
        return dist.from_noise(noise[0])

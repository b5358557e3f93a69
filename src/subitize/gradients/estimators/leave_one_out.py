"""Leave-one-out: K draws at one site, each judged by the others.

    g = 1/K Σ_k (f(z_k) - mean_{j≠k} f(z_j)) ∂ log p(z_k; φ)/∂φ.

No draw enters its own baseline, so the estimate stays unbiased, and nothing is learned. What came
before the site is computed once; only the rest of the program runs K times.

Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, check_option
from subitize.gradients.estimators.score import weighted_score


class LeaveOneOut(AbstractEstimator):
    """Score function with the mean of the sibling draws as baseline.

    Args:
        k: how many draws at the site. At least two.
    """

    k: int = eqx.field(static=True, default=4)
    name: ClassVar[str] = "rloo"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Kool et al. 2019"

    def __check_init__(self):
        check_option(self.name, "k", self.k, 2, whole=True)

    @property
    def samples(self) -> int:
        """K draws: the base and K - 1 siblings."""
        return self.k

    def alternatives(self, state: PyTree, dist: AbstractDistribution, noise: Array) -> Array:
        """The base draw's siblings."""
        return jax.vmap(dist.from_noise)(noise[1:])

    def estimate(self, state: PyTree, site: Site) -> Estimate:
        """Average of K score-function gradients."""
        siblings = (site.costs.sum() - site.costs) / (self.k - 1)
        signals = (site.costs - siblings) / self.k
        gradients = jax.vmap(weighted_score, in_axes=(None, 0, 0))(site.dist, site.values, signals)
        weights = jnp.full(self.k, 1 / self.k, site.costs.dtype)
        return Estimate(jax.tree.map(lambda leaf: leaf.sum(0), gradients), weights)

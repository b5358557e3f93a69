"""Exact: sum over every value of a finite site.

    E[f] = Σ_z p(z; φ) f(z),    g = Σ_z f(z) ∂p(z; φ)/∂φ.

No noise at all from this site; the rest of the program runs once per value.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site

MAX_SUPPORT = 1 << 16


class AbstractListing(AbstractEstimator[AbstractFinite]):
    """An estimator that lists a site's values, and runs the program on some of them, not on a base draw."""

    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    uses_base: ClassVar[bool] = False

    def beyond(self, dist: AbstractFinite) -> str | None:
        """A support of a size that cannot be listed."""
        if dist.support_size > MAX_SUPPORT:
            return f"its support has {dist.support_size:,} values, more than {MAX_SUPPORT:,}"
        return None


class Exact(AbstractListing):
    """Enumerate the site's support."""

    name: ClassVar[str] = "exact"
    reference: ClassVar[str] = "the definition of an expectation"

    def alternatives(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The whole support."""
        return dist.support()

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """Differentiate the sum itself."""

        def expected(dist):
            return jnp.exp(jax.vmap(dist.log_prob)(site.values)) @ site.costs

        weights = jnp.exp(jax.vmap(site.dist.log_prob)(site.values))
        return Estimate(jax.grad(expected)(site.dist), weights)

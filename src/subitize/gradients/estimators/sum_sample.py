"""Sum and sample: the likeliest values exactly, one draw for the rest.

With T the k likeliest values of the site, R the others, and P_R their probability,

    g = Σ_{z∈T} (f(z) - b) ∂p(z; φ)/∂φ + P_R (f(z′) - b) ∂ log p(z′; φ)/∂φ,    z′ ~ p(z | z ∈ R),

b the mean cost of T. The more probability T holds, the less there is left to chance.

Liang, Norouzi, Berant, Le and Lao (2018), "Memory augmented policy optimization", equation 5; Liu, Regier,
Tripuraneni, Jordan and McAuliffe (2019), "Rao-Blackwellized stochastic gradients for discrete distributions".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractFinite
from subitize.gradients.estimators.base import Estimate, Site, check_option
from subitize.gradients.estimators.exact import AbstractListing
from subitize.gradients.estimators.score import weighted_score


class SumAndSample(AbstractListing):
    """Sum over the likeliest values, sample one of the others.

    Args:
        k: how many values to sum over.
    """

    k: int = eqx.field(static=True, default=1)
    name: ClassVar[str] = "sum_sample"
    reference: ClassVar[str] = "Liu et al. 2019"

    def __check_init__(self):
        check_option(self.name, "k", self.k, 1, whole=True)

    def beyond(self, dist: AbstractFinite) -> str | None:
        """A support that cannot be listed, or with nothing left to sample."""
        if self.k >= dist.support_size:
            return f"its {dist.support_size} values leave none to sample besides k={self.k}; use 'exact'"
        return super().beyond(dist)

    def alternatives(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The k likeliest values, and one draw of the others."""
        probs = dist.probs()
        top = jax.lax.top_k(probs, self.k)[1]
        rest = probs.at[top].set(0.0)
        mass = jnp.cumsum(rest)
        drawn = jnp.sum(mass < noise[0].ravel()[0] * mass[-1])
        return dist.support()[jnp.append(top, drawn)]

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """All lanes but the last are summed; that one is sampled."""
        probs = jnp.exp(jax.vmap(site.dist.log_prob)(site.values[: self.k]))
        weights = jnp.append(probs, jnp.maximum(1 - probs.sum(), 0.0))
        baseline = probs @ site.costs[: self.k] / probs.sum()
        gradients = jax.vmap(weighted_score, in_axes=(None, 0, 0))(
            site.dist, site.values, weights * (site.costs - baseline)
        )
        return Estimate(jax.tree.map(lambda leaf: leaf.sum(0), gradients), weights)

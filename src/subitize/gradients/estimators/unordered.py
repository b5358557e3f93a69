"""Unordered set: k different values, drawn without replacement, each with the chance that it is among them.

With S the set drawn, and q(T | A) the probability that draws without replacement yield the set T once the
values A are taken,

    g = Σ_{s∈S} ∂p(s; φ)/∂φ R(s) (f(s) - Σ_{s′∈S} p(s′) R_s(s′) f(s′)),

    R(s) = q(S∖s | s) / q(S),    R_s(s′) = q(S∖{s,s′} | s, s′) / q(S∖s | s),    R_s(s) = 1.

No value is run twice, which pays where a few values are likely; all orders of the set are averaged over.

Kool, van Hoof and Welling (2020), "Estimating gradients for discrete random variables by sampling without
replacement", equations 11 and 17.
"""

from itertools import combinations
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from subitize.core.distributions import AbstractFinite
from subitize.gradients.estimators.base import Estimate, Site, check_option
from subitize.gradients.estimators.exact import AbstractListing
from subitize.gradients.estimators.score import weighted_score


class UnorderedSet(AbstractListing):
    """Draw k different values, and weigh each by the chance of its being among them.

    Args:
        k: how many values. At least two; work inside the estimator doubles with each.
    """

    k: int = eqx.field(static=True, default=2)
    name: ClassVar[str] = "unordered"
    reference: ClassVar[str] = "Kool et al. 2020"

    def __check_init__(self):
        check_option(self.name, "k", self.k, 2, whole=True)

    @property
    def samples(self) -> int:
        """One uniform for each draw."""
        return self.k

    def beyond(self, dist: AbstractFinite) -> str | None:
        """A support that cannot be listed, or from which k different values cannot be drawn."""
        if self.k > dist.support_size:
            return f"its {dist.support_size} values are fewer than k={self.k}"
        return super().beyond(dist)

    def alternatives(self, state: PyTree, dist: AbstractFinite, noise: Array) -> Array:
        """The set, in the order in which it was drawn."""
        left, free = dist.probs(), jnp.ones(dist.support_size)
        drawn = []
        for uniforms in noise:
            weights = jnp.where(left.sum() > 0, left, free)  # only impossible values may be left
            reached = jnp.cumsum(weights)
            index = jnp.sum(reached < uniforms.ravel()[0] * reached[-1])
            left, free = left.at[index].set(0.0), free.at[index].set(0.0)
            drawn.append(index)
        return dist.support()[jnp.stack(drawn)]

    def estimate(self, state: PyTree, site: Site[AbstractFinite]) -> Estimate:
        """Every value against what the others say of it."""
        p = jnp.exp(jax.vmap(site.dist.log_prob)(site.values))
        q = completions(p, unlike(site.dist, site.values))
        weights = jnp.stack([p[s] * q[frozenset([s])] / q[frozenset()] for s in range(self.k)])
        baselines = jnp.stack([self._baseline(s, p, q, site.costs) for s in range(self.k)])
        gradients = jax.vmap(weighted_score, in_axes=(None, 0, 0))(
            site.dist, site.values, weights * (site.costs - baselines)
        )
        return Estimate(jax.tree.map(lambda leaf: leaf.sum(0), gradients), weights)

    def _baseline(self, s: int, p: Array, q: dict, costs: Array) -> Array:
        """The mean cost as the set tells it to one that knows s to be in it."""
        ratios = [q[frozenset([s, other])] / q[frozenset([s])] for other in range(self.k)]
        return p * jnp.stack(ratios) @ costs


def unlike(dist: AbstractFinite, values: Array) -> Float[Array, ""]:
    """Probability of all values but these; summed, for a difference from one would round it away."""
    support = dist.support()
    same = (support[:, None] == values[None]).reshape(len(support), len(values), -1).all(-1).any(-1)
    return jnp.sum(jnp.where(same, 0.0, dist.probs()))


def completions(p: Float[Array, " k"], outside: Array) -> dict[frozenset[int], Array]:
    """Q(S∖A | A) for every subset A of S: the chance of drawing what is left of S after A, in any order.

        q(∅ | S) = 1,    q(S∖A | A) = Σ_{s∈S∖A} p(s) / (1 - p(A)) q(S∖A∖s | A∪s).

    Args:
        p: probabilities of the k members of S.
        outside: probability of all other values.
    """
    everything = range(len(p))
    q = {frozenset(everything): jnp.ones(())}
    for size in reversed(everything):
        for taken in map(frozenset, combinations(everything, size)):
            left = [s for s in everything if s not in taken]
            weights = jnp.stack([p[s] for s in left])
            mass = outside + weights.sum()
            chances = jnp.where(mass > 0, weights / jnp.where(mass > 0, mass, 1.0), 1 / len(left))
            q[taken] = chances @ jnp.stack([q[taken | {s}] for s in left])
    return q

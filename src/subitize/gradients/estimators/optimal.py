"""Optimal constant: the score itself as control variate, with the best coefficient for each parameter.

    g_i = (f(z) - b_i) s_i,    s = ∂ log p(z; φ)/∂φ,    b_i = E[f s_i²] / E[s_i²].

E[s_i] = 0, so any b_i leaves the mean as it is; this one minimises the variance of g_i. It is estimated from
the draws before this one, so that it stays independent of it.

Paisley, Blei and Jordan (2012), "Variational Bayesian inference with stochastic search"; Ranganath, Gerrish
and Blei (2014), "Black box variational inference", equation 9.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.baselines import Statistic, check_decay
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site
from subitize.gradients.estimators.score import weighted_score


class OptimalConstant(AbstractEstimator):
    """Score function with the variance-minimising constant, per parameter.

    Args:
        decay: weight of the past in the running means, in [0, 1).
    """

    decay: float = eqx.field(static=True, default=0.9)
    name: ClassVar[str] = "optimal"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Ranganath et al. 2014"

    def __check_init__(self):
        check_decay(self.name, self.decay)

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> PyTree:
        """Running E[f s²] and E[s²], one of each per parameter; both start at zero."""
        zeros = jax.tree.map(lambda leaf: Statistic(jnp.zeros(leaf.shape, leaf.dtype)), dist)
        return zeros, zeros

    def estimate(self, state: PyTree, site: Site) -> Estimate:
        """One lane: the base draw."""
        cost = site.costs[0]
        score = jax.tree.leaves(weighted_score(site.dist, site.values[0], jnp.ones_like(cost)))
        statistics = [jax.tree.leaves(m, is_leaf=lambda x: isinstance(x, Statistic)) for m in state]
        gradient, loss = [], jnp.zeros(())
        for s, weighted, square in zip(score, *statistics, strict=True):
            best = weighted.mean / jnp.where(square.mean > 0, square.mean, 1.0)
            gradient.append((cost - jax.lax.stop_gradient(best)) * s)
            loss += weighted.loss(cost * s**2, self.decay) + square.loss(s**2, self.decay)
        return Estimate(jax.tree.unflatten(jax.tree.structure(site.dist), gradient), jnp.ones(1), loss)

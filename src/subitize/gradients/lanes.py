"""Lanes: the values at which a program is run side by side.

Lane 0 is the base draw, where anybody uses it; then come the alternatives of each stochastic site in turn,
on which that site alone leaves its base draw. So the lanes of several sites add, they do not multiply.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.estimators.base import AbstractDirect, AbstractEstimator


class Lanes(NamedTuple):
    """Which lanes belong to one site, and which value each lane of the program takes there."""

    estimator: AbstractEstimator
    own: np.ndarray  # the site's lanes: the base lane if its estimator uses it, then its alternatives
    row: np.ndarray  # for every lane: 0 for the base draw, k for the site's k-th alternative
    value: jax.ShapeDtypeStruct  # shape and type of one value

    @property
    def rows(self) -> np.ndarray:
        """The row of each of the site's own lanes."""
        return self.row[self.own]


def lay_out(
    estimators: Mapping[str, AbstractEstimator],
    estimator_state: Mapping[str, PyTree],
    dists: Mapping[str, AbstractDistribution],
    particles: int,
) -> dict[str, Lanes]:
    """Number the lanes of all stochastic sites."""
    stochastic = {name: e for name, e in estimators.items() if not isinstance(e, AbstractDirect)}
    tables = {name: abstract_values(e, estimator_state[name], dists[name]) for name, e in stochastic.items()}
    has_base = particles > 1 or any(e.uses_base for e in stochastic.values())
    ends = int(has_base) + np.cumsum(
        [alternatives.shape[0] for _, alternatives in tables.values()], dtype=int
    )
    sites = {}
    for (name, estimator), end in zip(stochastic.items(), ends, strict=True):
        value, alternatives = tables[name]
        row = np.zeros(ends[-1], int)
        row[end - alternatives.shape[0] : end] = 1 + np.arange(alternatives.shape[0])
        own = np.concatenate([np.zeros(int(estimator.uses_base), int), np.flatnonzero(row)])
        sites[name] = Lanes(estimator, own, row, value)
    return sites


def abstract_values(
    estimator: AbstractEstimator, estimator_state: PyTree, dist: AbstractDistribution
) -> tuple:
    """Shapes of one value and of the alternatives at a site, without computing anything."""

    def values(estimator_state, dist):
        noise = jax.vmap(dist.noise)(jr.split(jr.key(0), estimator.samples))
        return dist.from_noise(noise[0]), estimator.alternatives(estimator_state, dist, noise)

    return jax.eval_shape(values, estimator_state, dist)

"""Score function: weigh the log-probability's gradient by the cost.

    g = (f(z) - b) ∂ log p(z; φ)/∂φ,    z ~ p(z; φ),

with a baseline b that does not see z. Needs nothing of the program but its cost.

Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
learning"; the log-derivative trick, or likelihood ratio (Glynn 1990).
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.baselines import AbstractBaseline, Learned, RunningMean, Zero
from subitize.gradients.estimator import AbstractEstimator, Estimate, Site


class Score(AbstractEstimator):
    """Score function with a baseline.

    Args:
        baseline: what to subtract from the cost.
    """

    baseline: AbstractBaseline = eqx.field(default_factory=Zero)
    word: ClassVar[str] = "score"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Williams 1992"

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> Any:
        """The baseline's memory."""
        return self.baseline.init(dist, example, key)

    def estimate(self, memory: Any, site: Site) -> Estimate:
        """One lane: the base draw."""
        value, cost = site.values[0], site.costs[0]
        signal = cost - self.baseline.predict(memory, site)
        gradient = weighted_score(site.dist, value, signal)
        return Estimate(gradient, jnp.ones(1, cost.dtype), self.baseline.loss(memory, site, cost))


def ema(decay: float = 0.9) -> Score:
    """Score function with the running mean of past costs as baseline."""
    return Score(RunningMean(decay))


def nvil(hidden: int = 100, decay: float = 0.9) -> Score:
    """Score function with a learned baseline (Mnih and Gregor 2014)."""
    return Score(Learned(hidden, decay))


def weighted_score(dist: AbstractDistribution, value, signal) -> AbstractDistribution:
    """Signal times ∂ log p(value; φ)/∂φ, in the shape of the distribution."""
    score = jax.grad(lambda dist: dist.log_prob(value))(dist)
    return jax.tree.map(lambda leaf: signal * leaf, score)

"""Score function: weigh the log-probability's gradient by the cost.

    g = (f(z) - b) ∂ log p(z; φ)/∂φ,    z ~ p(z; φ),

with a baseline b that does not see z. Needs nothing of the program but its cost.

Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
learning"; the log-derivative trick, or likelihood ratio (Glynn 1990).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.gradients.baselines import AbstractBaseline, Learned, RunningMean, Scale, Zero
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site


class Score(AbstractEstimator):
    """Score function with a baseline.

    Args:
        baseline: what to subtract from the cost.
        normalise: divide the signal by its running deviation, where that is above one, as NVIL does. This
            rescales the gradient, so the estimate is no longer unbiased.
        decay: of that running deviation.
    """

    baseline: AbstractBaseline = eqx.field(default_factory=Zero)
    normalise: bool = eqx.field(static=True, default=False)
    decay: float = eqx.field(static=True, default=0.9)

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That by which `ESTIMATORS` has a score function with such a baseline."""
        return {RunningMean: "ema", Learned: "nvil"}.get(type(self.baseline), "score")

    @property
    def reference(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the baseline."""
        return self.baseline.reference

    @property
    def unbiased(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Unless the signal is normalised."""
        return not self.normalise

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> PyTree:
        """The state of the baseline, and of the signal's scale."""
        return self.baseline.init(dist, example, key), Scale.fresh() if self.normalise else None

    def estimate(self, state: PyTree, site: Site) -> Estimate:
        """One lane: the base draw."""
        of_baseline, scale = state
        cost = site.costs[0]
        signal = cost - self.baseline.predict(of_baseline, site)
        loss = self.baseline.loss(of_baseline, site, cost)
        if self.normalise:
            loss, signal = loss + scale.loss(signal, self.decay), signal / scale.unit()[1]
        gradient = weighted_score(site.dist, site.values[0], signal)
        return Estimate(gradient, jnp.ones(1, cost.dtype), loss)


def ema(decay: float = 0.9) -> Score:
    """Score function with the running mean of past costs as baseline."""
    return Score(RunningMean(decay))


def nvil(hidden: int = 100, decay: float = 0.9, normalise: bool = False) -> Score:  # noqa: FBT001, FBT002
    """Score function with a learned baseline (Mnih and Gregor 2014).

    Their division by the signal's running deviation, which rescales the gradient, is made only on request.
    """
    return Score(Learned(hidden, decay), normalise, decay)


def weighted_score(dist: AbstractDistribution, value, signal) -> AbstractDistribution:
    """Signal times ∂ log p(value; φ)/∂φ, in the shape of the distribution."""
    score = jax.grad(lambda dist: dist.log_prob(value))(dist)
    return jax.tree.map(lambda leaf: signal * leaf, score)

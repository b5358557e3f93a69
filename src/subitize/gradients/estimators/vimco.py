"""VIMCO: K particles under one objective, each judged by what the others would give without it.

For an objective F of K particles' costs, and a summary c̄_{-k} of the costs of the others,

    g_k = (F(c_1 … c_K) - F(c_1 … c̄_{-k} … c_K)) ∂ log p(z_k; φ_k)/∂φ_k.

Under the log-mean-exp objective this is VIMCO; under the mean, with the geometric summary, it is
leave-one-out over whole runs of the program. The subtracted term does not see z_k, so the estimate is
unbiased.

Mnih and Rezende (2016), "Variational inference for Monte Carlo objectives", equations 10 and 11.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site
from subitize.gradients.estimators.score import weighted_score


class VIMCO(AbstractEstimator):
    """Score function whose baseline is the objective without this particle.

    Args:
        mean: how the others' weights exp(-cost) stand in for this particle's: "geometric" (the paper's
            choice) or "arithmetic".
    """

    mean: str = eqx.field(static=True, default="geometric")
    name: ClassVar[str] = "vimco"
    unbiased: ClassVar[bool] = True
    reference: ClassVar[str] = "Mnih and Rezende 2016"
    needs_particles: ClassVar[bool] = True

    def __check_init__(self):
        if self.mean not in ("geometric", "arithmetic"):
            raise ValueError(f"vimco's mean is 'geometric' or 'arithmetic'; got {self.mean!r}.")

    def estimate(self, state: PyTree, site: Site) -> Estimate:
        """One lane: the base draw."""
        others = site.others
        if self.mean == "geometric":
            stand_in = others.mean()
        else:
            stand_in = jnp.log(others.size) - jax.nn.logsumexp(-others)
        signal = site.costs[0] - site.objective(jnp.append(others, stand_in))
        return Estimate(weighted_score(site.dist, site.values[0], signal), jnp.ones_like(site.costs))

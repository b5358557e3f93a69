"""Annealed importance sampling of log Z, the normaliser of exp(-E(s)).

Chains go through distributions exp(-E_β(s)) from β = 0, whose log Z_0 is known and which can be sampled, to
β = 1. The logarithm of a chain's weight is the sum of E_β(s) - E_β'(s) over the changes of β. Forward, the
mean weight is Z / Z_0. So the mean of the logarithm is below log Z / Z_0. Backward, from samples at β = 1,
weights estimate Z_0 / Z, and what follows for log Z is above it.

Neal (2001), "Annealed importance sampling". Salakhutdinov and Murray (2008), "On the quantitative analysis of
deep belief networks". Burda, Grosse and Salakhutdinov (2015), "Accurate and conservative estimates of MRF
log-likelihood using reverse annealing".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray


class LogPartition(NamedTuple):
    """Estimates of log Z by annealed importance sampling.

    Attributes:
        value: by the mean weight of all chains; nats.
        bound: by the mean logarithm of the weights: below log Z on average forward, above it backward; nats.
        error: standard error of `value`, from the spread of the weights; nats.
    """

    value: Float[Array, ""]
    bound: Float[Array, ""]
    error: Float[Array, ""]


def annealed_importance_sampling(
    energy: Callable[[Array, Float[Array, "chains units"]], Float[Array, " chains"]],
    transition: Callable[[Array, Float[Array, "chains units"], PRNGKeyArray], Float[Array, "chains units"]],
    start: Float[Array, "chains units"],
    base_log_z: Float[Array, ""],
    key: PRNGKeyArray,
    *,
    temperatures: int,
    backward: bool,
) -> LogPartition:
    """Log Z at β = 1.

    Args:
        energy: (β, s) -> E_β(s).
        transition: (β, s, key) -> s after a step that leaves exp(-E_β) unchanged.
        start: samples at β = 0; backward, at β = 1.
        base_log_z: log Z_0.
        key: for the chains.
        temperatures: how many values β takes.
        backward: whether chains go from β = 1 to β = 0.
    """
    betas = jnp.linspace(1.0, 0.0, temperatures) if backward else jnp.linspace(0.0, 1.0, temperatures)

    def anneal(carry, step):
        s, log_weight = carry
        before, beta, i = step
        log_weight = log_weight + energy(before, s) - energy(beta, s)
        return (transition(beta, s, jr.fold_in(key, i)), log_weight), None

    steps = betas[:-1], betas[1:], 1 + jnp.arange(temperatures - 1)
    (_, log_weight), _ = jax.lax.scan(anneal, (start, jnp.zeros(len(start), start.dtype)), steps)
    sign = -1.0 if backward else 1.0
    mean = logsumexp(log_weight) - jnp.log(len(start))
    relative = jnp.exp(log_weight - mean)
    return LogPartition(
        base_log_z + sign * mean,
        base_log_z + sign * log_weight.mean(),
        relative.std() / jnp.sqrt(len(start)),
    )

"""Boltzmann machines with two layers: energies, Gibbs steps, and their partition function.

A restricted Boltzmann machine has visible units v and hidden units h, both of zeros and ones, and

    E(v, h) = -b·v - c·h - v·W h,     p(v, h) = exp(-E(v, h)) / Z,
    F(v)    = -log Σ_h exp(-E(v, h)) = -b·v - Σ_j softplus(c_j + (v W)_j),    p(v) = exp(-F(v)) / Z.

`log_partition` estimates log Z by annealed importance sampling (Neal 2001; Salakhutdinov and Murray 2008)
along F_β(v) = -((1 - β) b_0 + β b)·v - Σ_j softplus(β (c + v W)_j), from the machine without hidden units
whose visible biases b_0 are given. Forward, the mean of the weights is Z, so the mean of their logarithm is a
stochastic lower bound of log Z; backward, from samples of the machine, it is an upper bound.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import sigmoid, softplus
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.draws import bernoulli
from subitize.core.networks import log_odds

MOST_ENUMERATED = 20  # units of the smaller layer over which log Z is summed exactly


class RBM(eqx.Module):
    """A restricted Boltzmann machine.

    Args:
        mean: of each visible unit over the data; the machine begins with it.
        hidden: number of hidden units.
        key: for the initial weights.
    """

    W: Float[Array, "visible hidden"]
    b: Float[Array, " visible"]
    c: Float[Array, " hidden"]
    base: Float[Array, " visible"]  # biases of the machine from which annealing begins; never trained

    def __init__(self, mean: Float[Array, " visible"], hidden: int, *, key: PRNGKeyArray):
        self.W = 0.01 * jr.normal(key, (len(mean), hidden))
        self.b = self.base = log_odds(mean)
        self.c = jnp.zeros(hidden)

    def free_energy(self, v: Float[Array, "... visible"]) -> Float[Array, "..."]:
        """F(v), in nats."""
        return -v @ self.b - softplus(self.c + v @ self.W).sum(-1)

    def hidden_means(self, v: Float[Array, "... visible"]) -> Float[Array, "... hidden"]:
        """P(h = 1 | v)."""
        return sigmoid(self.c + v @ self.W)

    def visible_means(self, h: Float[Array, "... hidden"]) -> Float[Array, "... visible"]:
        """P(v = 1 | h)."""
        return sigmoid(self.b + h @ self.W.T)

    def gibbs_step(
        self, v: Float[Array, "... visible"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "... visible"], Float[Array, "... visible"]]:
        """One sweep over h and v: the new v, and the means from which it was drawn."""
        keys = jr.split(key)
        h = bernoulli(keys[0], self.hidden_means(v))
        means = self.visible_means(h)
        return bernoulli(keys[1], means), means

    def gibbs(
        self, v: Float[Array, "... visible"], steps: int, key: PRNGKeyArray
    ) -> tuple[Float[Array, "... visible"], Float[Array, "... visible"]]:
        """So many sweeps: the last v, and its means."""

        def sweep(i, carry):
            return self.gibbs_step(carry[0], jr.fold_in(key, i))

        return jax.lax.fori_loop(0, steps, sweep, (v, v))


class LogPartition(NamedTuple):
    """Estimates of log Z by annealed importance sampling.

    Attributes:
        value: log of the mean weight forward, minus log of the mean inverse weight backward; nats.
        bound: mean of the logarithm of the weights: below log Z on average forward, above it backward.
        error: standard error of `value`, from the spread of the weights; nats.
    """

    value: Float[Array, ""]
    bound: Float[Array, ""]
    error: Float[Array, ""]


def log_partition_exactly(rbm: RBM) -> Float[Array, ""]:
    """Log Z by a sum over all states of the smaller layer, of at most `MOST_ENUMERATED` units."""
    turned = rbm.W.shape[0] < rbm.W.shape[1]
    weights, own, other = (rbm.W.T, rbm.b, rbm.c) if turned else (rbm.W, rbm.c, rbm.b)
    number = len(own)
    if number > MOST_ENUMERATED:
        raise ValueError(
            f"log Z is summed over at most {MOST_ENUMERATED} units; the smaller layer has {number}"
        )
    states = (jnp.arange(2**number)[:, None] >> jnp.arange(number)) & 1
    states = states.astype(rbm.W.dtype)
    return logsumexp(states @ own + softplus(other + states @ weights.T).sum(-1))


@eqx.filter_jit
def log_partition(
    rbm: RBM,
    base: Float[Array, " visible"],
    key: PRNGKeyArray,
    *,
    temperatures: int = 3000,
    chains: int = 100,
    samples: Float[Array, "chains visible"] | None = None,
) -> LogPartition:
    """Log Z by annealed importance sampling, with one Gibbs step at each temperature.

    Args:
        rbm: the machine.
        base: visible biases b_0 of the machine without hidden units at β = 0.
        key: for the chains.
        temperatures: how many.
        chains: that are run beside each other.
        samples: of the machine, from which to anneal backward; forward, from the base, if None.
    """
    backward = samples is not None
    betas = jnp.linspace(1.0, 0.0, temperatures) if backward else jnp.linspace(0.0, 1.0, temperatures)
    v = samples if backward else bernoulli(key, jnp.broadcast_to(sigmoid(base), (chains, len(base))))

    def free_energy(beta, v):
        fields = (1 - beta) * base + beta * rbm.b
        return -v @ fields - softplus(beta * (rbm.c + v @ rbm.W)).sum(-1)

    def anneal(carry, step):
        v, log_weight = carry
        before, beta, i = step
        log_weight = log_weight + free_energy(before, v) - free_energy(beta, v)
        keys = jr.split(jr.fold_in(key, i))
        h = bernoulli(keys[0], sigmoid(beta * (rbm.c + v @ rbm.W)))
        v = bernoulli(keys[1], sigmoid((1 - beta) * base + beta * (rbm.b + h @ rbm.W.T)))
        return (v, log_weight), None

    steps = betas[:-1], betas[1:], 1 + jnp.arange(temperatures - 1)
    (_, log_weight), _ = jax.lax.scan(anneal, (v, jnp.zeros(len(v))), steps)
    base_log_z = softplus(base).sum() + len(rbm.c) * jnp.log(2.0)
    sign = -1.0 if backward else 1.0
    mean = logsumexp(log_weight) - jnp.log(len(v))
    relative = jnp.exp(log_weight - mean)
    return LogPartition(
        base_log_z + sign * mean,
        base_log_z + sign * log_weight.mean(),
        relative.std() / jnp.sqrt(len(v)),
    )

"""Boltzmann machines with two layers: energies, Gibbs steps, and their partition function.

A restricted Boltzmann machine has visible units v and hidden units h, both of zeros and ones, and

    E(v, h) = -b·v - c·h - v·W h,     p(v, h) = exp(-E(v, h)) / Z,
    F(v)    = -log Σ_h exp(-E(v, h)) = -b·v - Σ_j softplus(c_j + (v W)_j),    p(v) = exp(-F(v)) / Z.

`log_partition` anneals (`subitize.models.annealing`) along F_β(v) = -((1 - β) b_0 + β b)·v
- Σ_j softplus(β (c + v W)_j), from the machine without hidden units whose visible biases b_0 are given.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import sigmoid, softplus
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.draws import bernoulli
from subitize.core.networks import log_odds
from subitize.models.annealing import LogPartition, annealed_importance_sampling

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
    drawn = bernoulli(key, jnp.broadcast_to(sigmoid(base), (chains, len(base))))

    def free_energy(beta: Array, v: Array) -> Array:
        fields = (1 - beta) * base + beta * rbm.b
        return -v @ fields - softplus(beta * (rbm.c + v @ rbm.W)).sum(-1)

    def transition(beta: Array, v: Array, key: PRNGKeyArray) -> Array:
        keys = jr.split(key)
        h = bernoulli(keys[0], sigmoid(beta * (rbm.c + v @ rbm.W)))
        return bernoulli(keys[1], sigmoid((1 - beta) * base + beta * (rbm.b + h @ rbm.W.T)))

    return annealed_importance_sampling(
        free_energy,
        transition,
        drawn if samples is None else samples,
        softplus(base).sum() + len(rbm.c) * jnp.log(2.0),
        key,
        temperatures=temperatures,
        backward=samples is not None,
    )

"""General Boltzmann machines: energies, Gibbs sweeps, exact sums and partition functions.

All units s are zeros and ones, and any two may be connected. With symmetric W and a zero diagonal,

    E(s) = -½ s·W s - b·s,     p(s) = exp(-E(s)) / Z,     p(s_i = 1 | the others) = σ(Σ_j W_ij s_j + b_i).

The first units are visible, v, and the rest are hidden, h (Ackley, Hinton and Sejnowski 1985). Mean field
approximates p(h | v) by independent units with means μ = σ(W_hv v + W_hh μ + b_h), and bounds the likelihood
(Salakhutdinov and Hinton 2009):

    log p(v) ≥ -E(v, μ) + H(μ) - log Z,     H(μ) = -Σ_j μ_j log μ_j + (1 - μ_j) log(1 - μ_j).

`log_partition` anneals (`subitize.models.annealing`) from independent units with biases b_0, along the
machines with weights βW and biases (1 - β) b_0 + βb.

Ackley, Hinton and Sejnowski (1985), "A learning algorithm for Boltzmann machines". Salakhutdinov and Hinton
(2009), "Deep Boltzmann machines".
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import sigmoid, softplus
from jax.scipy.special import entr, logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.draws import bernoulli
from subitize.core.networks import log_odds
from subitize.models.annealing import LogPartition, annealed_importance_sampling
from subitize.models.boltzmann import MOST_ENUMERATED
from subitize.models.hopfield import Hopfield, without_diagonal

MEAN_FIELD_STEPS, DAMPING = 25, 0.5  # undamped, mean field can alternate between two states


class BoltzmannMachine(eqx.Module):
    """A Boltzmann machine over units of 0 and 1.

    Attributes:
        W: symmetric weights with a zero diagonal.
        b: biases.
        base: biases b_0 of the independent units from which annealing begins; never trained.
        visible: how many units are visible; they come first.
    """

    W: Float[Array, "units units"]
    b: Float[Array, " units"]
    base: Float[Array, " units"]
    visible: int = eqx.field(static=True)

    @classmethod
    def from_mean(
        cls, mean: Float[Array, " visible"], hidden: int, *, key: PRNGKeyArray
    ) -> "BoltzmannMachine":
        """A machine of nearly independent units.

        Args:
            mean: of each visible unit over the data.
            hidden: number of hidden units.
            key: for the weights, which are small.
        """
        units = len(mean) + hidden
        b = jnp.concatenate([log_odds(mean), jnp.zeros(hidden, mean.dtype)])
        return cls(0.01 * jr.normal(key, (units, units)), b, b, len(mean)).symmetric()

    @classmethod
    def from_hopfield(cls, network: Hopfield, temperature: float | Array) -> "BoltzmannMachine":
        """The machine with the energies of a Hopfield network over the temperature, but for a constant.

        A state s has the spins 2s - 1 (Ackley, Hinton and Sejnowski 1985). As the temperature falls to zero,
        a Gibbs sweep becomes asynchronous recall. A diagonal of the network is left out, because it adds the
        same to every energy.

        Args:
            network: over spins.
            temperature: T, larger than zero.
        """
        W = without_diagonal(network.W)
        b = 2 * (network.b - W.sum(1)) / temperature
        return cls(4 * W / temperature, b, jnp.zeros_like(b), len(b))

    def symmetric(self) -> "BoltzmannMachine":
        """The machine, or a gradient in its form, with W made symmetric and its diagonal zero."""
        return eqx.tree_at(lambda m: m.W, self, without_diagonal((self.W + self.W.T) / 2))

    def annealed(self, beta: float | Array) -> "BoltzmannMachine":
        """The machine with weights βW and biases (1 - β) b_0 + βb."""
        b = (1 - beta) * self.base + beta * self.b
        return BoltzmannMachine(beta * self.W, b, self.base, self.visible)

    def energy(self, s: Float[Array, "... units"]) -> Float[Array, "..."]:
        """E(s) of each state, in nats; of means of independent units, their mean energy."""
        return -0.5 * jnp.sum(s * (s @ self.W), -1) - s @ self.b

    def conditional_means(self, s: Float[Array, "... units"]) -> Float[Array, "... units"]:
        """P(s_i = 1 | the others) of each unit."""
        return sigmoid(s @ self.W + self.b)

    def sweep(
        self, s: Float[Array, "... units"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "... units"], Float[Array, "... units"]]:
        """New states after a Gibbs sweep over all units in turn, and the means from which they were drawn."""
        uniforms = jr.uniform(key, (s.shape[-1], *s.shape[:-1]), s.dtype)

        def update(s, unit):
            i, uniform = unit
            mean = sigmoid(s @ self.W[i] + self.b[i])
            return s.at[..., i].set((uniform < mean).astype(s.dtype)), mean

        s, means = jax.lax.scan(update, s, (jnp.arange(s.shape[-1]), uniforms))
        return s, jnp.moveaxis(means, 0, -1)

    def gibbs(
        self, s: Float[Array, "... units"], sweeps: int, key: PRNGKeyArray
    ) -> tuple[Float[Array, "... units"], Float[Array, "... units"]]:
        """States after so many Gibbs sweeps, and the means from which they were drawn."""

        def again(n, carry):
            return self.sweep(carry[0], jr.fold_in(key, n))

        return jax.lax.fori_loop(0, sweeps, again, (s, s))

    def mean_field(self, v: Float[Array, "... visible"]) -> Float[Array, "... units"]:
        """V beside the mean-field means μ of the hidden units (Salakhutdinov and Hinton 2009)."""
        W_hh, b_h = self.W[self.visible :, self.visible :], self.b[self.visible :]
        from_v = v @ self.W[: self.visible, self.visible :] + b_h

        def iterate(_, μ):
            return DAMPING * μ + (1 - DAMPING) * sigmoid(from_v + μ @ W_hh)

        μ = jax.lax.fori_loop(0, MEAN_FIELD_STEPS, iterate, jnp.full_like(from_v, 0.5))
        return jnp.concatenate([v, μ], -1)

    def unnormalised(self, v: Float[Array, "... visible"]) -> Float[Array, "..."]:
        """Log p(v) + log Z, in nats: exact without hidden units, by mean field a lower bound with them."""
        s = self.mean_field(v)
        return -self.energy(s) + (entr(s) + entr(1 - s)).sum(-1)  # units of 0 or 1 have no entropy


class Moments(NamedTuple):
    """Moments of a distribution over states.

    Attributes:
        first: E[s_i].
        second: E[s_i s_j].
    """

    first: Float[Array, " units"]
    second: Float[Array, "units units"]


def all_states(units: int) -> Float[Array, "states units"]:
    """All 2^units states of zeros and ones, the first unit changing fastest."""
    if units > MOST_ENUMERATED:
        raise ValueError(f"all states are listed of at most {MOST_ENUMERATED} units; there are {units}")
    return ((jnp.arange(2**units)[:, None] >> jnp.arange(units)) & 1).astype(float)


def log_partition_exactly(machine: BoltzmannMachine) -> Float[Array, ""]:
    """Log Z by a sum over all states, of at most `MOST_ENUMERATED` units."""
    return logsumexp(-machine.energy(all_states(len(machine.b))))


def moments_exactly(machine: BoltzmannMachine) -> Moments:
    """The moments by a sum over all states, of at most `MOST_ENUMERATED` units."""
    s = all_states(len(machine.b))
    p = jax.nn.softmax(-machine.energy(s))
    return Moments(p @ s, (p[:, None] * s).T @ s)


@eqx.filter_jit
def log_partition(
    machine: BoltzmannMachine,
    key: PRNGKeyArray,
    *,
    temperatures: int = 1000,
    chains: int = 100,
    samples: Float[Array, "chains units"] | None = None,
) -> LogPartition:
    """Log Z over all units by annealed importance sampling, with one Gibbs sweep at each temperature.

    Args:
        machine: with or without hidden units.
        key: for the chains.
        temperatures: how many.
        chains: that are run beside each other.
        samples: of the machine, from which to anneal backward; forward, from the base, if None.
    """
    base = jnp.broadcast_to(sigmoid(machine.base), (chains, len(machine.b)))
    return annealed_importance_sampling(
        lambda beta, s: machine.annealed(beta).energy(s),
        lambda beta, s, key: machine.annealed(beta).sweep(s, key)[0],
        bernoulli(key, base) if samples is None else samples,
        softplus(machine.base).sum(),
        key,
        temperatures=temperatures,
        backward=samples is not None,
    )

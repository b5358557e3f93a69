"""Deep Boltzmann machine of two hidden layers, which learns by mean field and persistent chains.

Visible units v and both layers of hidden units, h and g, are zeros and ones. Only neighbours are connected,

    E(v, h, g) = -b·v - c·h - d·g - v·W h - h·U g,     p(v, h, g) = exp(-E(v, h, g)) / Z.

Given h the other layers are independent units, and so is h given them. A Gibbs step draws each half at once.
The posterior of h and g is approximated by independent units with means μ and ν, which are updated in turn,

    μ = σ(c + v W + U ν),     ν = σ(d + μ U),
    log p(v) ≥ -E(v, μ, ν) + H(μ) + H(ν) - log Z,

and neither update can lower the bound. Its gradient is that of E over the data, with h and g at their means,
less that of E over the machine's own states. Those come from chains that go on from the last update. For
log Z, v and g are summed out, and h is annealed (`subitize.models.annealing`) from a machine with W = U = 0:

    p_β(h) ∝ exp(β c·h) Π_i (1 + exp((1 - β) b_0i + β (b + W h)_i)) Π_k (1 + exp(β (d + h U)_k)).

The paper trains layer by layer first. Here the machine learns at once, because it is centred: learned biases
are the fields of units whose neighbours are at offsets, the mean picture and ½ (Montavon and Müller 2012).

Salakhutdinov and Hinton (2009), "Deep Boltzmann machines". Montavon and Müller (2012), "Deep Boltzmann
machines and the centering trick".
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import sigmoid, softplus
from jax.scipy.special import entr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import BURN_IN, UNITS, Bound, check_bounds
from subitize.core.draws import bernoulli
from subitize.core.interfaces import DataSpec, Likelihood, Metrics
from subitize.core.networks import log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients.contrastive_learner import ContrastiveLearner
from subitize.models.annealing import LogPartition, annealed_importance_sampling

TEMPERATURES, CHAINS = 10_000, 100  # of the estimate of log Z
CONVERGED = 50  # mean-field updates of held-out pictures


@dataclass(frozen=True)
class DBMOptions:
    """A deep Boltzmann machine, learned by mean field and persistent chains (Salakhutdinov and Hinton 2009).

    Args:
        hidden: units of the first and of the second hidden layer.
        k: Gibbs steps per update.
        mean_field: updates of the hidden means per update of the weights.
        weight_decay: of the weights between layers.
        burn_in: Gibbs steps before a sample, from noise.
    """

    hidden: tuple[int, int] = (500, 1000)
    k: int = 5
    mean_field: int = 10
    weight_decay: float = 2e-4
    burn_in: int = 1000
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 20_000},
    }
    bounds: ClassVar[dict[str, Bound]] = {
        "hidden": UNITS,
        "k": Bound(1, 10_000, "in Gibbs steps per update"),
        "mean_field": Bound(1, 1000, "in updates of the means"),
        "weight_decay": Bound(0, 1, "a rate"),
        "burn_in": BURN_IN,
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> ContrastiveLearner:
        """A learner of a machine that begins with the mean picture of its first batch."""
        shape = (data.height, data.width, data.channels)
        return ContrastiveLearner(
            build=lambda key, batch: DBM(batch.image.mean(0).ravel(), self.hidden, key=key),
            energy=DBM.energy,
            clamped=lambda dbm, v: dbm.mean_field(v, self.mean_field),
            gibbs=DBM.gibbs,
            likelihood=likelihood,
            metrics=metrics,
            optimizer=optimizer.transformation(steps),
            shape=shape,
            units=math.prod(shape) + sum(self.hidden),
            k=self.k,
            persistent=True,
            burn_in=self.burn_in,
            penalty=lambda dbm: self.weight_decay / 2 * (jnp.sum(dbm.W**2) + jnp.sum(dbm.U**2)),
        )


class DBM(eqx.Module):
    """A deep Boltzmann machine; a state holds v, h and g in this order.

    Args:
        mean: of each visible unit over the data; the machine begins with it.
        hidden: units of h and of g.
        key: for the initial weights.
    """

    W: Float[Array, "visible first"]
    U: Float[Array, "first second"]
    centred: tuple[Float[Array, " visible"], Float[Array, " first"], Float[Array, " second"]]
    offset: Float[Array, " visible"]  # of the visible units; never trained

    def __init__(self, mean: Float[Array, " visible"], hidden: tuple[int, int], *, key: PRNGKeyArray):
        keys = jr.split(key)
        self.W = 0.01 * jr.normal(keys[0], (len(mean), hidden[0]))
        self.U = 0.01 * jr.normal(keys[1], hidden)
        self.centred = log_odds(mean), jnp.zeros(hidden[0]), jnp.zeros(hidden[1])
        self.offset = mean

    @property
    def biases(self) -> tuple[Float[Array, " visible"], Float[Array, " first"], Float[Array, " second"]]:
        """The biases b, c and d: learned fields, less what neighbours at their offsets add to them."""
        b, c, d = self.centred
        offset = jax.lax.stop_gradient(self.offset)
        return b - self.W.sum(1) / 2, c - offset @ self.W - self.U.sum(1) / 2, d - self.U.sum(0) / 2

    def layers(self, s: Float[Array, "... units"]) -> tuple[Array, Array, Array]:
        """V, h and g of states."""
        visible, first = self.W.shape
        return s[..., :visible], s[..., visible : visible + first], s[..., visible + first :]

    def energy(self, s: Float[Array, "... units"]) -> Float[Array, "..."]:
        """E(v, h, g) of each state, in nats; of means of independent units, their mean energy."""
        (b, c, d), (v, h, g) = self.biases, self.layers(s)
        return -v @ b - g @ d - jnp.sum(h * (c + v @ self.W + g @ self.U.T), -1)

    def first_means(self, v: Float[Array, "... visible"], g: Float[Array, "... second"]) -> Array:
        """P(h = 1 | v, g), [..., first]."""
        return sigmoid(self.biases[1] + v @ self.W + g @ self.U.T)

    def outer_means(self, h: Float[Array, "... first"]) -> tuple[Array, Array]:
        """P(v = 1 | h), [..., visible], and P(g = 1 | h), [..., second]."""
        b, _, d = self.biases
        return sigmoid(b + h @ self.W.T), sigmoid(d + h @ self.U)

    def gibbs(
        self, s: Float[Array, "... units"], steps: int, key: PRNGKeyArray
    ) -> tuple[Float[Array, "... units"], Float[Array, "... units"]]:
        """States after so many Gibbs steps, h first, then v and g; and the means they were drawn from."""

        def step(i, carry):
            v, _, g = self.layers(carry[0])
            keys = jr.split(jr.fold_in(key, i), 3)
            first = self.first_means(v, g)
            h = bernoulli(keys[0], first)
            visible, second = self.outer_means(h)
            drawn = bernoulli(keys[1], visible), h, bernoulli(keys[2], second)
            return jnp.concatenate(drawn, -1), jnp.concatenate([visible, first, second], -1)

        return jax.lax.fori_loop(0, steps, step, (s, s))

    def mean_field(self, v: Float[Array, "... visible"], updates: int) -> Float[Array, "... units"]:
        """V beside the means μ and ν after so many updates of both, of which ν begins at ½."""
        _, c, d = self.biases
        from_v = c + v @ self.W

        def update(_, means):
            μ = sigmoid(from_v + means[1] @ self.U.T)
            return μ, sigmoid(d + μ @ self.U)

        start = jnp.full_like(from_v, 0.5), jnp.full((*v.shape[:-1], len(d)), 0.5, v.dtype)
        return jnp.concatenate([v, *jax.lax.fori_loop(0, updates, update, start)], -1)

    def unnormalised(self, v: Float[Array, "... visible"], updates: int = CONVERGED) -> Float[Array, "..."]:
        """The mean-field lower bound of log p(v) + log Z, in nats."""
        s = self.mean_field(v, updates)
        return -self.energy(s) + (entr(s) + entr(1 - s)).sum(-1)  # units of 0 or 1 have no entropy


@eqx.filter_jit
def log_partition(
    dbm: DBM,
    key: PRNGKeyArray,
    *,
    temperatures: int,
    chains: int,
    samples: Float[Array, "chains first"] | None = None,
) -> LogPartition:
    """Log Z by annealed importance sampling over h, with one Gibbs step at each temperature.

    Args:
        dbm: the machine.
        key: for the chains.
        temperatures: how many.
        chains: that are run beside each other.
        samples: of h, from which to anneal backward; forward, from fair coins, if None.
    """
    (b, c, d), base = dbm.biases, log_odds(dbm.offset)

    def fields(beta: Array, h: Array) -> tuple[Array, Array]:
        return (1 - beta) * base + beta * (b + h @ dbm.W.T), beta * (d + h @ dbm.U)

    def free_energy(beta: Array, h: Array) -> Array:
        visible, second = fields(beta, h)
        return -beta * (h @ c) - softplus(visible).sum(-1) - softplus(second).sum(-1)

    def transition(beta: Array, h: Array, key: PRNGKeyArray) -> Array:
        keys = jr.split(key, 3)
        visible, second = fields(beta, h)
        v, g = bernoulli(keys[0], sigmoid(visible)), bernoulli(keys[1], sigmoid(second))
        return bernoulli(keys[2], sigmoid(beta * (c + v @ dbm.W + g @ dbm.U.T)))

    return annealed_importance_sampling(
        free_energy,
        transition,
        bernoulli(key, jnp.full((chains, len(c)), 0.5)) if samples is None else samples,
        softplus(base).sum() + (len(c) + len(d)) * jnp.log(2.0),
        key,
        temperatures=temperatures,
        backward=samples is not None,
    )


def likelihood(dbm: DBM, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Likelihood:
    """The mean-field bound of log p of each v, with log Z by annealed importance sampling.

    It is called stochastic, because the estimate of log Z is below log Z on average.
    """
    found = log_partition(dbm, key, temperatures=TEMPERATURES, chains=CHAINS)
    kind = f"mean field, ais, {CHAINS} chains, {TEMPERATURES:,} temperatures"
    return Likelihood(dbm.unnormalised(v) - found.value, found.error, kind, "stochastic")


def metrics(dbm: DBM, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Metrics:
    """Squared error of v seen through the means of h, and minus the bound but for log Z, in nats."""
    _, μ, _ = dbm.layers(dbm.mean_field(v, CONVERGED))
    means, _ = dbm.outer_means(μ)
    return {"loss": jnp.sum((v - means) ** 2, 1).mean(), "free_energy": -dbm.unnormalised(v).mean()}

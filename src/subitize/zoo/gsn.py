"""Generative stochastic network: a noisy recurrent computation whose chain has the data's distribution.

A state has the visible h_0 and layers h_1 … h_K. One update computes all odd layers from their neighbours,
then all even ones, the visible among them:

    h_i  =  tanh(a_i + σ ε) + σ ε',    a_i = W_{i-1}ᵀ h_{i-1} + W_i h_{i+1} + b_i
    p    =  sigmoid(W_0 h_1 + b_0),    v ~ Bernoulli(p),    h_0 = corrupt(v)

Training starts at a corrupted picture, makes some updates, and every reconstruction p has to lead back to the
clean picture: the loss is the sum of their cross entropies. The layer above the visible has no noise.

Bengio, Laufer, Alain and Yosinski (2014), "Deep generative stochastic networks trainable by backprop".
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.distributions import Bernoulli
from subitize.core.draws import bernoulli, salt_and_pepper
from subitize.core.interfaces import Batch, DataSpec, Draw
from subitize.core.networks import log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.chain_learner import ChainLearner


@dataclass(frozen=True)
class GSNOptions:
    """A recurrent network with noise whose chain draws pictures (Bengio et al. 2014).

    Args:
        hidden: units of each layer, from the one above the pixels up.
        corruption: share of pixels that are replaced by noise.
        noise: σ, standard deviation of the noise before and after tanh, but for the first layer.
        updates: of the training chain; at least twice as many as layers, or nothing comes back from the top.
        burn_in: updates of the chain before a sample, from noise.
    """

    hidden: tuple[int, ...] = (500, 500)
    corruption: float = 0.4
    noise: float = 2.0
    updates: int = 4
    burn_in: int = 200
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 15_000},
        "paper": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 500_000, "hidden": (1500, 1500)},
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> ChainLearner:
        """A learner whose reconstruction begins with the mean picture of its first batch."""
        return ChainLearner(
            build=lambda key, batch: GSN(self, batch, key=key),
            loss=expectation(walkback_loss),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            start=lambda gsn, noise, key: gsn.start(noise, key),
            chain_step=lambda gsn, state, key: gsn.update(state, key),
            means=lambda state: jax.nn.sigmoid(state.logits),
            burn_in=self.burn_in,
            shape=(data.height, data.width, data.channels),
        )


class ChainState(NamedTuple):
    """The layers of one chain, or of several with axes in front, and the latest log-odds of the pixels."""

    layers: tuple[Float[Array, "... _"], ...]  # h_0 … h_K
    logits: Float[Array, "... pixels"]


class GSN(eqx.Module):
    """Weights W_0 … W_{K-1} between neighbouring layers, used in both directions, and biases b_0 … b_K."""

    W: tuple[Float[Array, "_ _"], ...]
    b: tuple[Float[Array, " _"], ...]
    options: GSNOptions = eqx.field(static=True)

    def __init__(self, options: GSNOptions, batch: Batch, *, key: PRNGKeyArray):
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        sizes = (len(mean), *options.hidden)
        pairs = list(itertools.pairwise(sizes))
        self.W = tuple(
            (6 / (m + n)) ** 0.5 * jr.uniform(k, (m, n), minval=-1.0)  # Glorot and Bengio 2010
            for k, (m, n) in zip(jr.split(key, len(pairs)), pairs, strict=True)
        )
        self.b = (log_odds(mean), *(jnp.zeros(n) for n in options.hidden))
        self.options = options

    def start(self, x: Float[Array, "... pixels"], key: PRNGKeyArray) -> ChainState:
        """The state before the first update: a corrupted picture, and zeros above it."""
        above = tuple(jnp.zeros((*x.shape[:-1], n), x.dtype) for n in self.options.hidden)
        return ChainState((self.corrupt(x, key), *above), jnp.zeros_like(x))

    def corrupt(self, x: Float[Array, "... pixels"], key: PRNGKeyArray) -> Float[Array, "... pixels"]:
        """Salt and pepper on a share of the pixels."""
        return salt_and_pepper(x, self.options.corruption, key)

    def input_of(self, i: int, layers: list[Float[Array, "... _"]]) -> Float[Array, "... _"]:
        """a_i: what layer i receives from its neighbours."""
        below = layers[i - 1] @ self.W[i - 1] if i > 0 else 0.0
        above = layers[i + 1] @ self.W[i].T if i < len(self.W) else 0.0
        return below + above + self.b[i]

    def update(self, state: ChainState, key: PRNGKeyArray) -> ChainState:
        """The state after all odd layers, then all even ones, have been computed anew."""
        layers, logits, σ = list(state.layers), state.logits, self.options.noise
        for i in (*range(1, len(layers), 2), *range(0, len(layers), 2)):
            keys, a = jr.split(jr.fold_in(key, i)), self.input_of(i, layers)
            if i == 0:
                logits = a
                v = bernoulli(keys[0], jax.lax.stop_gradient(jax.nn.sigmoid(logits)))
                layers[0] = self.corrupt(v, keys[1])
            elif i == 1:
                layers[1] = jnp.tanh(a)
            else:
                layers[i] = jnp.tanh(a + σ * jr.normal(keys[0], a.shape)) + σ * jr.normal(keys[1], a.shape)
        return ChainState(tuple(layers), logits)


def walkback_loss(gsn: GSN, example: tuple[Array, PRNGKeyArray], draw: Draw) -> Float[Array, ""]:
    """The cost: the sum over updates of -log p(clean x), in nats; draws of pixels have no gradient."""
    x, key = example
    state, total = gsn.start(x, jr.fold_in(key, 0)), jnp.zeros(())
    for n in range(gsn.options.updates):
        state = gsn.update(state, jr.fold_in(key, n + 1))
        total -= Bernoulli(state.logits).log_prob(x)
    return total

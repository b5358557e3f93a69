"""Denoising autoencoder as a generative model: noise and its undoing make a Markov chain.

    corrupt(x): with probability c a pixel becomes zero or one, each as likely (salt and pepper)
    x̃ = corrupt(x),    p = decode(encode(x̃)),    minimise -log Bernoulli(x; p)

The chain x̃ → v ~ Bernoulli(p) → corrupt(v) has the distribution of the data as its stationary one, if p is
right (Bengio et al. 2013, theorem 1). With walkback the training chain takes several such steps, and each has
to lead back to the clean x: that removes modes which the model would invent far from the data (Algorithm 1).

Vincent, Larochelle, Bengio and Manzagol (2008), "Extracting and composing robust features with denoising
autoencoders". Bengio, Yao, Alain and Vincent (2013), "Generalized denoising auto-encoders as generative
models".
"""

from dataclasses import dataclass
from typing import ClassVar

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
class DAEOptions:
    """A denoising autoencoder whose noise and denoising make a Markov chain (Bengio et al. 2013).

    Args:
        hidden: number of hidden units.
        corruption: share of pixels that are replaced by noise.
        walkback: steps of the training chain; 1 for none.
        burn_in: steps of the chain before a sample, from noise.
    """

    hidden: int = 1000
    corruption: float = 0.4
    walkback: int = 3
    burn_in: int = 200
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 15_000},
        "paper": {
            "scenes": "bits(of='mnist', dynamic=True)", "steps": 250_000, "hidden": 2000, "walkback": 5,
        },
    }  # fmt: skip

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> ChainLearner:
        """A learner whose reconstruction begins with the mean picture of its first batch."""
        return ChainLearner(
            build=lambda key, batch: DAE(self, batch, key=key),
            loss=expectation(walkback_loss),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            start=lambda dae, noise, key: (noise, noise),
            chain_step=lambda dae, state, key: dae.chain_step(state[1], key),
            means=lambda state: jax.nn.sigmoid(state[0]),
            burn_in=self.burn_in,
            shape=(data.height, data.width, data.channels),
        )


class DAE(eqx.Module):
    """One hidden layer of tanh units, with weights that the decoder shares."""

    W: Float[Array, "pixels hidden"]
    b: Float[Array, " hidden"]
    c: Float[Array, " pixels"]
    corruption: float = eqx.field(static=True)
    walkback: int = eqx.field(static=True)

    def __init__(self, options: DAEOptions, batch: Batch, *, key: PRNGKeyArray):
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        limit = (6 / (len(mean) + options.hidden)) ** 0.5  # Glorot and Bengio 2010
        self.W = jr.uniform(key, (len(mean), options.hidden), minval=-limit, maxval=limit)
        self.b, self.c = jnp.zeros(options.hidden), log_odds(mean)
        self.corruption, self.walkback = options.corruption, options.walkback

    def corrupt(self, x: Float[Array, "... pixels"], key: PRNGKeyArray) -> Float[Array, "... pixels"]:
        """Salt and pepper on a share of the pixels."""
        return salt_and_pepper(x, self.corruption, key)

    def reconstruct(self, corrupted: Float[Array, "... pixels"]) -> Float[Array, "... pixels"]:
        """Log-odds of the clean pixels."""
        return jnp.tanh(corrupted @ self.W + self.b) @ self.W.T + self.c

    def chain_step(
        self, x: Float[Array, "... pixels"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "... pixels"], Float[Array, "... pixels"]]:
        """One step of the chain: the log-odds after denoising a corrupted x, and bits drawn from them."""
        keys = jr.split(key)
        logits = self.reconstruct(self.corrupt(x, keys[0]))
        return logits, bernoulli(keys[1], jax.nn.sigmoid(logits))


def walkback_loss(dae: DAE, example: tuple[Array, PRNGKeyArray], draw: Draw) -> Float[Array, ""]:
    """The cost: mean over the steps of -log p(clean x | corrupted), in nats; draws have no gradient."""
    x, key = example
    v, total = x, jnp.zeros(())
    for n in range(dae.walkback):
        logits, v = dae.chain_step(jax.lax.stop_gradient(v), jr.fold_in(key, n))
        total -= Bernoulli(logits).log_prob(x)
    return total / dae.walkback

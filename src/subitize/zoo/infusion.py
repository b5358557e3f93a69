"""Infusion training: a chain learns to make pictures of noise while the true picture is infused into it.

Each step of the chain has its own idea of the picture, p_t = sigmoid(f(z_{t-1}, t)). The training chain gets
a share α_t of its pixels from the picture x,

    p(z_t | z_{t-1})      =  Bernoulli(p_t),                           z_T = x
    q(z_t | z_{t-1}, x)   =  Bernoulli(α_t x + (1 - α_t) p_t),         α_t = α_0 + t ω

and every step has to lead straight to x. The later it is the more it counts:

    loss      =  - Σ_t t/T log Bernoulli(x; p_t)
    log p(x)  ≥  E_q[log p(z_0) - log q(z_0 | x) + Σ_t log p(z_t | z_{t-1}) - log q(z_t | z_{t-1}, x)
                     + log p(x | z_{T-1})]

A mixture of Bernoullis is a Bernoulli, so the bound is exact arithmetic. At fixed q its gradient is that of
the loss with α_t in place of t/T.

This departs from the paper in three ways. Pixels are Bernoulli and not Gaussian. One network is told the step
as a one-hot code, where the paper normalises its layers over a batch, at each step on its own. The mean of
the prior p(z_0) is that of the data as in the paper, but a gradient finds it: that of -log p(z_0 = x), which
is added to the loss.

Bordes, Honari and Vincent (2017), "Learning to generate samples from noise through infusion training".
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
from subitize.core.draws import bernoulli
from subitize.core.interfaces import Batch, DataSpec, Draw
from subitize.core.networks import MLP, log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.trajectory_learner import TrajectoryLearner


@dataclass(frozen=True)
class InfusionOptions:
    """A chain from noise to pictures, trained with the true picture infused into it (Bordes et al. 2017).

    Args:
        T: steps from the prior to a picture.
        infusion: α_0, share of pixels that are taken from the picture at the start of the training chain.
        growth: ω, how much this share grows with every step; it is 1 at most.
        hidden: units of the hidden layers.
    """

    T: int = 5
    infusion: float = 0.1
    growth: float = 0.05
    hidden: tuple[int, ...] = (500, 500)
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 40_000},
        "paper": {
            "scenes": "bits(of='mnist', dynamic=True)", "steps": 150_000, "batch_size": 512,
            "T": 10, "infusion": 0.02, "growth": 0.02, "hidden": (1200,),
        },
    }  # fmt: skip

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> TrajectoryLearner:
        """A learner whose chain begins with the mean picture of its first batch."""
        return TrajectoryLearner(
            build=lambda key, batch: Infusion(self, batch, key=key),
            loss=expectation(infusion_loss),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            shape=(data.height, data.width, data.channels),
            steps=self.T,
            log_weight=lambda model, x, key: model.infuse(x, key)[1],
        )


class Infusion(eqx.Module):
    """The log-odds of the prior, and one network for all steps."""

    prior: Float[Array, " pixels"]
    network: MLP
    bias: Float[Array, " pixels"]
    options: InfusionOptions = eqx.field(static=True)

    def __init__(self, options: InfusionOptions, batch: Batch, *, key: PRNGKeyArray):
        self.prior = self.bias = log_odds(batch.image.reshape(len(batch.image), -1).mean(0))
        pixels = len(self.prior)
        self.network = MLP((pixels + options.T, *options.hidden, pixels), key=key, last_scale=0.1)
        self.options = options

    def towards_data(self, i: Array | int, z: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """Log-odds of p_t, from z_{t-1}, where t = i + 1."""
        step = jax.nn.one_hot(i, self.options.T, dtype=z.dtype)
        return self.network(jnp.concatenate([z, step])) + self.bias

    def infuse(self, x: Float[Array, " pixels"], key: PRNGKeyArray) -> tuple[Array, Array]:
        """The loss of one training chain, and log p(x, z) - log q(z | x) of it, both in nats."""
        α, ω, T = self.options.infusion, self.options.growth, self.options.T

        def step(logits, t):
            """From the log-odds of p_t to those of p_{t+1}."""
            p, q = Bernoulli(jax.lax.stop_gradient(logits)), infused(logits, x, jnp.minimum(α + t * ω, 1))
            z = bernoulli(jr.fold_in(key, t), jax.nn.sigmoid(q.logits))
            return self.towards_data(t, z), (Bernoulli(logits).log_prob(x), p.log_prob(z) - q.log_prob(z))

        last, (log_x, log_ratio) = jax.lax.scan(step, self.prior, jnp.arange(T))
        log_p = Bernoulli(last).log_prob(x)
        loss = -log_p - log_x[0] - jnp.arange(1, T) / T @ log_x[1:]
        return loss, log_p + log_ratio.sum()


def infused(logits: Float[Array, " pixels"], x: Float[Array, " pixels"], α: Array | float) -> Bernoulli:
    """q: Bernoulli(α x + (1 - α) sigmoid(logits)), which has no gradient."""
    logits = jax.lax.stop_gradient(logits)
    one = jnp.logaddexp(jnp.log(α * x), jnp.log1p(-α) + jax.nn.log_sigmoid(logits))
    zero = jnp.logaddexp(jnp.log(α * (1 - x)), jnp.log1p(-α) + jax.nn.log_sigmoid(-logits))
    return Bernoulli(one - zero)


def infusion_loss(
    model: Infusion, example: tuple[Array, PRNGKeyArray], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The cost of one training chain, with that of the prior, and the chain's bound of log p(x), in nats."""
    loss, log_weight = model.infuse(*example)
    return loss, {"chain_bound": log_weight}

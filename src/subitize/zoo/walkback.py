"""Variational walkback: an operator learns to undo each step of its own walk away from the data.

The operator p_T has a temperature. A walk begins at a picture and gets hotter with every step:

    p_T(s' | s)  =  Bernoulli(sigmoid(((1 - α) s + α F(s)) / T))
    s_0 = x,    s_{t+1} ~ p_{T_t}(s_{t+1} | s_t),    T_t = T_0 r^t

The hottest picture s_K is close to noise, which has a broad distribution p*. The model draws s_K from p* and
cools down with the same operator. So it has to walk back where the walk went (Algorithm 1):

    loss      =  - Σ_t log p_{T_t}(s_t | s_{t+1}) - log p*(s_K)
    log p(x)  ≥  E[Σ_t log p_{T_t}(s_t | s_{t+1}) - log p_{T_t}(s_{t+1} | s_t) + log p*(s_K)]

The walk itself has no gradient. Note that s_t is scored under F at the next state s_{t+1}, as in the paper's
text, and not under F at s_t.

This departs from the paper in five ways. Pixels are Bernoulli and not Gaussian, so a temperature divides the
log-odds and does not multiply a variance. F has no batch normalisation. All steps of a walk make one update.
The length of walks does not grow in training. p* is Bernoulli, and its mean m follows that of s_K along the
gradient of the loss, m - s_K, and not as a running mean.

Goyal, Ke, Ganguli and Bengio (2017), "Variational walkback: learning a transition operator as a stochastic
recurrent net".
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
class WalkbackOptions:
    """An operator that undoes its own walk away from the data, at falling temperatures (Goyal et al. 2017).

    Args:
        walk: K, steps of the walk.
        temperature: T_0, of the first step of the walk, which is the last of a sample; below 1, or the first
            steps lose the picture.
        heating: r, factor on the temperature from one step to the next.
        step_size: α, weight of the network's output beside the state itself.
        extra: steps at T_0 after the way back, before a sample is taken; the bound knows nothing of them.
        hidden: units of the hidden layers.
    """

    walk: int = 10
    temperature: float = 0.4
    heating: float = 1.1
    step_size: float = 0.9
    extra: int = 0
    hidden: tuple[int, ...] = (500, 500)
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 25_000},
        "paper": {
            "scenes": "bits(of='mnist', dynamic=True)", "steps": 500_000, "hidden": (4096,), "step_size": 0.5,
        },
    }  # fmt: skip

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> TrajectoryLearner:
        """A learner whose operator begins with the mean picture of its first batch."""
        return TrajectoryLearner(
            build=lambda key, batch: Walkback(self, batch, key=key),
            loss=expectation(walkback_loss),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            shape=(data.height, data.width, data.channels),
            steps=self.walk + self.extra,
            log_weight=lambda model, x, key: model.walk(x, key)[1],
        )


class Walkback(eqx.Module):
    """F, and the log-odds of p*."""

    prior: Float[Array, " pixels"]
    F: MLP
    bias: Float[Array, " pixels"]
    options: WalkbackOptions = eqx.field(static=True)

    def __init__(self, options: WalkbackOptions, batch: Batch, *, key: PRNGKeyArray):
        self.options, self.bias = options, log_odds(batch.image.reshape(len(batch.image), -1).mean(0))
        sizes = (len(self.bias), *options.hidden, len(self.bias))
        self.F = MLP(sizes, key=key, activation=jnp.tanh, last_scale=0.1)
        self.prior = options.step_size * self.bias / self.temperature(options.walk - 1)

    def temperature(self, t: Array | int) -> Array:
        """T_t."""
        return self.options.temperature * self.options.heating ** jnp.asarray(t, self.bias.dtype)

    def operator(self, s: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """Log-odds of the next state at temperature 1; over T they are those at temperature T."""
        α = self.options.step_size
        return (1 - α) * s + α * (self.F(s) + self.bias)

    def towards_data(self, i: Array | int, s: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """Log-odds after step i of the way back, which begins at s_K with the hottest temperature."""
        return self.operator(s) / self.temperature(jnp.maximum(self.options.walk - 1 - i, 0))

    def walk(self, x: Float[Array, " pixels"], key: PRNGKeyArray) -> tuple[Array, Array]:
        """The loss of one walk that begins at x, and its bound of log p(x), both in nats."""

        def step(before, t):
            s, logits = before
            forward = Bernoulli(jax.lax.stop_gradient(logits) / self.temperature(t))
            following = bernoulli(jr.fold_in(key, t), jax.nn.sigmoid(forward.logits))
            logits = self.operator(following)
            back = Bernoulli(logits / self.temperature(t)).log_prob(s)
            return (following, logits), (back, forward.log_prob(following))

        start = x, self.operator(x)
        (last, _), (back, forward) = jax.lax.scan(step, start, jnp.arange(self.options.walk))
        log_p = back.sum() + Bernoulli(self.prior).log_prob(last)
        return -log_p, log_p - forward.sum()


def walkback_loss(
    model: Walkback, example: tuple[Array, PRNGKeyArray], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The cost of one walk, and its bound of log p(x), in nats."""
    loss, log_weight = model.walk(*example)
    return loss, {"chain_bound": log_weight}

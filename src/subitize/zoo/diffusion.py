"""Nonequilibrium diffusion of black-and-white pictures: noise flips their pixels, and a network unlearns it.

    q(x_t | x_{t-1}) = Bernoulli((1 - β_t) x_{t-1} + β_t / 2),      β_t = 1 / (T - t + 1)
    q(x_t | x_0)     = Bernoulli(α_t x_0 + (1 - α_t) / 2),          α_t = Π_{s ≤ t} (1 - β_s) = 1 - t/T
    p(x_T)           = Bernoulli(½)                                 just as q(x_T | x_0), so its term is zero

Each pixel forgets at a constant rate, and has forgotten all at T. By Bayes

    q(x_{t-1} = 1 | x_t, x_0)  ∝  π q(x_t | x_{t-1} = 1),           π = α_{t-1} x_0 + (1 - α_{t-1}) / 2

and the reverse step p(x_{t-1} | x_t) is the same with a probability f(x_t, t) in the place of x_0. It stands
for what the other pixels tell of x_0. If f is the mean picture, the chain is exactly that of independent
pixels, and there it begins. The bound is that of `subitize.gradients.diffusion_learner`.

Differences from the paper: its network is of convolutions at several scales, whose readout is weighted by
bumps in time; here it is a perceptron that sees the time as waves. It predicts x_{t-1}, and here x_0. It has
p(x_0 | x_1) fixed, and here it is learned.

Sohl-Dickstein, Weiss, Maheswaranathan and Ganguli (2015), "Deep unsupervised learning using nonequilibrium
thermodynamics".
"""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax.nn import log_sigmoid
from jax.scipy.special import logit
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.bounds import check_bounds
from subitize.core.distributions import Bernoulli
from subitize.core.draws import binarized
from subitize.core.interfaces import Batch, DataSpec, Likelihood
from subitize.core.networks import log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.diffusion_learner import (
    AbstractDiffusion,
    DiffusionLearner,
    at_random_times,
    estimate,
)
from subitize.models.time_network import TimeMLP


@dataclass(frozen=True)
class DiffusionOptions:
    """A chain of flipping pixels, learned backwards (Sohl-Dickstein et al. 2015).

    Args:
        T: steps of the chain.
        hidden: units of the hidden layers.
    """

    T: int = 100
    hidden: tuple[int, ...] = (512,)
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 50_000, "hidden": (1024, 1024)},
        "paper": {
            "scenes": "bits(of='mnist', dynamic=True)", "steps": 300_000, "hidden": (1024, 1024), "T": 1000,
        },
    }  # fmt: skip

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "BinomialLearner":
        """A learner whose chain begins as that of independent pixels with the mean of its first batch."""
        return BinomialLearner(
            build=lambda key, batch: BinomialDiffusion(self, batch, key=key),
            loss=expectation(estimate),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            transform=at_random_times(binarized),
            shape=(data.height, data.width, data.channels),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class BinomialLearner(DiffusionLearner):
    """A diffusion learner whose pictures are binarized at every visit."""

    def log_likelihood(self, params: PyTree, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """A lower bound of log p of each picture of zeros and ones, by the sum over the whole chain."""
        kind = f"chain bound, {params.T:,} steps"
        return Likelihood(self.bound(params, images, key), jnp.zeros(()), kind, "lower")


class BinomialDiffusion(AbstractDiffusion[Bernoulli]):
    """The chains of black-and-white pictures."""

    network: TimeMLP
    bias: Float[Array, " pixels"]
    T: int = eqx.field(static=True)

    def __init__(self, options: DiffusionOptions, batch: Batch, *, key: PRNGKeyArray):
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        self.network = TimeMLP((len(mean), *options.hidden, len(mean)), key=key)
        self.bias, self.T = log_odds(mean), options.T

    def α(self, t: Int[Array, ""]) -> Float[Array, ""]:
        """How much of x_0 is left at t."""
        return 1 - t / self.T

    def prior(self) -> Bernoulli:
        """p(x_T): fair coins."""
        return Bernoulli(jnp.zeros_like(self.bias))

    def forward(self, x_0: Float[Array, " pixels"], t: Int[Array, ""]) -> Bernoulli:
        """q(x_t | x_0)."""
        return Bernoulli(logit(self.α(t) * x_0 + (1 - self.α(t)) / 2))

    def β(self, t: Int[Array, ""]) -> Float[Array, ""]:
        """How likely a pixel is drawn anew at step t."""
        return 1 / (self.T - t + 1)

    def onward(self, x: Float[Array, " pixels"], t: Int[Array, ""]) -> Bernoulli:
        """q(x_t | x_{t-1})."""
        return Bernoulli(logit((1 - self.β(t)) * x + self.β(t) / 2))

    def posterior(
        self, x_t: Float[Array, " pixels"], x_0: Float[Array, " pixels"], t: Int[Array, ""]
    ) -> Bernoulli:
        """q(x_{t-1} | x_t, x_0)."""
        π = self.α(t - 1) * x_0 + (1 - self.α(t - 1)) / 2
        return Bernoulli(logit(π) + self.seen(x_t, t))

    def seen(self, x_t: Float[Array, " pixels"], t: Int[Array, ""]) -> Float[Array, " pixels"]:
        """Log q(x_t | x_{t-1} = 1) - log q(x_t | x_{t-1} = 0)."""
        return (1 - 2 * x_t) * logit(self.β(t) / 2)

    def reverse(self, x_t: Float[Array, " pixels"], t: Int[Array, ""]) -> Bernoulli:
        """p(x_{t-1} | x_t): the posterior with f(x_t, t) in the place of x_0."""
        f, α = self.f(x_t, t), self.α(t - 1)
        log_left, log_noise = jnp.log(α), jnp.log((1 - α) / 2)
        one = jnp.logaddexp(log_left + log_sigmoid(f), log_noise)
        zero = jnp.logaddexp(log_left + log_sigmoid(-f), log_noise)
        return Bernoulli(one - zero + self.seen(x_t, t))

    def f(self, x_t: Float[Array, " pixels"], t: Int[Array, ""]) -> Float[Array, " pixels"]:
        """Log-odds of x_0 by the network."""
        return self.bias + self.network(2 * x_t - 1, t / self.T)

    def encode(self, image: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """The picture itself."""
        return image

    def decode(self, x_0: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """The picture itself."""
        return x_0

    def enter(
        self, x_0: Float[Array, " pixels"], noise: Array
    ) -> tuple[Float[Array, " pixels"], Int[Array, ""]]:
        """x_t and t at which this share of the pixels is flipped: (1 - α_t) / 2 = t / 2T."""
        return x_0, jnp.clip(jnp.round(2 * self.T * noise).astype(jnp.int32), 1, self.T)

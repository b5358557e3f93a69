"""Nonequilibrium diffusion of real vectors and grey pictures: a chain to Gaussian noise, learned backwards.

    q(x_t | x_{t-1}) = N(√(1 - β_t) x_{t-1}, β_t),      α_t = Π_{s ≤ t} (1 - β_s)
    q(x_t | x_0)     = N(√α_t x_0, 1 - α_t)
    p(x_T)           = N(0, I)

By Bayes, if x_0 were known only as N(c, w), a step back would be

    N(m, s²),    s^-2 = 1/V + (1 - β_t) / β_t,    m = s² (√α_{t-1} c / V + √(1 - β_t) x_t / β_t)
                 V = α_{t-1} w + 1 - α_{t-1}.

With c = x_0 and w = 0 that is q(x_{t-1} | x_t, x_0). With c = 0 and w for each pixel it is the reverse chain
of independent Gaussian pixels, at which the learned one begins and which a network changes:

    p(x_{t-1} | x_t) = N(m + s μ, s² exp(ν / √T)),    μ, ν = f(x_t, t)

With w = 1 and μ = ν = 0 it is the forward chain itself, and the bound is exactly the log-density of N(0, I).

x_0 is the picture less its mean, over the standard deviation of all pixels. At first w is the variance of
each pixel. β_1 is given, and p(x_0 | x_1) is that of w = 1 and μ = ν = 0, as in the paper. So β_1 is the
smallest variance that the model can have, and limits the density. The other β_t begin at 1 / (T - t + 2).
They are learned by the gradient of the bound with the noise of x_t held. Grey levels are filled with uniform
noise before anything else.

Differences from the paper: its network is of convolutions at several scales, whose readout is weighted by
bumps in time; here it is a perceptron that sees the time as waves. There w is one for all pixels.

Sohl-Dickstein, Weiss, Maheswaranathan and Ganguli (2015), "Deep unsupervised learning using nonequilibrium
thermodynamics".
"""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import logit
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.distributions import Normal
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.diffusion_learner import (
    AbstractDiffusion,
    DiffusionLearner,
    at_random_times,
    estimate,
)
from subitize.models.gaussian_layers import standard_normal
from subitize.models.time_network import TimeMLP

SMALLEST_SCALE = 1e-3  # of the data, so that a picture of one shade can be divided by it


@dataclass(frozen=True)
class GaussianDiffusionOptions:
    """A chain of Gaussian noise, learned backwards (Sohl-Dickstein et al. 2015).

    Args:
        T: steps of the chain.
        hidden: units of the hidden layers.
        beta_1: variance of the first step's noise, where the data's is one.
        levels: shades of grey from 0 to 1; 0 for real vectors, which have none.
    """

    T: int = 100
    hidden: tuple[int, ...] = (1024,)
    beta_1: float = 1e-3
    levels: int = 256
    defaults: ClassVar[dict] = {
        "scenes": "images(of='digits')", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "images(of='mnist')", "steps": 50_000, "hidden": (1024, 1024)},
        "paper": {
            "scenes": "images(of='mnist')", "steps": 300_000, "hidden": (1024, 1024), "T": 1000,
        },
    }  # fmt: skip

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> DiffusionLearner:
        """A learner whose chain begins as that of one Gaussian, from the mean picture of its first batch."""
        return DiffusionLearner(
            build=lambda key, batch: GaussianDiffusion(self, batch, key=key),
            loss=expectation(estimate),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            transform=at_random_times(lambda images, key: dequantized(images, self.levels, key)),
            shape=(data.height, data.width, data.channels),
        )


class GaussianDiffusion(AbstractDiffusion[Normal]):
    """The chains of real vectors."""

    network: TimeMLP
    log_w: Float[Array, " pixels"]
    log_odds_β: Float[Array, " T-1"]  # of β_2 … β_T
    mean: Float[Array, " pixels"]  # of the data; held
    scale: Float[Array, ""]  # standard deviation of the data; held
    T: int = eqx.field(static=True)
    beta_1: float = eqx.field(static=True)
    levels: int = eqx.field(static=True)

    def __init__(self, options: GaussianDiffusionOptions, batch: Batch, *, key: PRNGKeyArray):
        x = batch.image.reshape(len(batch.image), -1)
        self.mean = x.mean(0)
        self.scale = jnp.maximum(jnp.sqrt(jnp.mean((x - self.mean) ** 2)), SMALLEST_SCALE)
        self.network = TimeMLP((len(self.mean), *options.hidden, 2 * len(self.mean)), key=key)
        self.log_w = jnp.log(jnp.maximum(x.var(0) / self.scale**2, options.beta_1))
        self.log_odds_β = -jnp.log(jnp.arange(options.T - 1, 0, -1.0))  # of 1 / (T - t + 2)
        self.T, self.beta_1, self.levels = options.T, options.beta_1, options.levels

    def log_odds(self) -> Float[Array, " T"]:
        """Log-odds of β_1 … β_T."""
        return jnp.concatenate([logit(jnp.array([self.beta_1])), self.log_odds_β])

    def β(self, t: Int[Array, ""]) -> Float[Array, ""]:
        """Variance of the noise of step t."""
        return jax.nn.sigmoid(self.log_odds()[t - 1])

    def log_α(self, t: Int[Array, ""]) -> Float[Array, ""]:
        """Log of how much of the variance of x_0 is left at t, from 1."""
        return jnp.cumsum(jax.nn.log_sigmoid(-self.log_odds()))[t - 1]

    def prior(self) -> Normal:
        """p(x_T)."""
        return standard_normal(len(self.mean))

    def forward(self, x_0: Float[Array, " pixels"], t: Int[Array, ""]) -> Normal:
        """q(x_t | x_0)."""
        log_α = self.log_α(t)
        return normal(jnp.exp(log_α / 2) * x_0, -jnp.expm1(log_α))

    def onward(self, x: Float[Array, " pixels"], t: Int[Array, ""]) -> Normal:
        """q(x_t | x_{t-1})."""
        return normal(jnp.sqrt(1 - self.β(t)) * x, self.β(t))

    def step_back(self, x_t: Float[Array, " pixels"], c: Array, w: Array, t: Int[Array, ""]) -> Normal:
        """x_{t-1} given x_t, if x_0 is N(c, w)."""
        β, log_α = self.β(t), jnp.where(t == 1, 0.0, self.log_α(jnp.maximum(t - 1, 1)))
        V = jnp.exp(log_α) * w - jnp.expm1(log_α)
        precision = 1 / V + (1 - β) / β
        m = (jnp.exp(log_α / 2) * c / V + jnp.sqrt(1 - β) * x_t / β) / precision
        return normal(m, 1 / precision)

    def posterior(
        self, x_t: Float[Array, " pixels"], x_0: Float[Array, " pixels"], t: Int[Array, ""]
    ) -> Normal:
        """q(x_{t-1} | x_t, x_0), for t from 2."""
        return self.step_back(x_t, x_0, jnp.zeros(()), t)

    def reverse(self, x_t: Float[Array, " pixels"], t: Int[Array, ""]) -> Normal:
        """p(x_{t-1} | x_t)."""
        p = self.step_back(x_t, jnp.zeros(()), jnp.exp(jnp.where(t == 1, 0.0, self.log_w)), t)
        μ, ν = jnp.where(t == 1, 0.0, jnp.stack(jnp.split(self.network(x_t, t / self.T), 2)))
        return Normal(p.loc + p.scale * μ, p.scale * jnp.exp(ν / self.T**0.5 / 2))

    def constant(self, x_0: Float[Array, " pixels"]) -> Float[Array, ""]:
        """The term of the bound that knows no t, with the logarithm of the data's scale; in nats."""
        return super().constant(x_0) + len(x_0) * jnp.log(jax.lax.stop_gradient(self.scale))

    def encode(self, image: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """The picture less the mean, over the standard deviation."""
        return (image - jax.lax.stop_gradient(self.mean)) / jax.lax.stop_gradient(self.scale)

    def decode(self, x_0: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """The picture, its shades within 0 and 1; or the vector."""
        image = self.mean + self.scale * x_0
        return jnp.clip(image, 0, 1) if self.levels else image

    def enter(
        self, x_0: Float[Array, " pixels"], noise: Float[Array, ""]
    ) -> tuple[Float[Array, " pixels"], Int[Array, ""]]:
        """x_t and t at which the noise has this standard deviation beside x_0: √(1 - α_t) / √α_t."""
        log_α = jax.vmap(self.log_α)(jnp.arange(1, self.T + 1))
        own = jnp.log(-jnp.expm1(log_α)) - log_α
        t = 1 + jnp.argmin(jnp.abs(own - 2 * jnp.log(noise / self.scale)))
        return jnp.exp(log_α[t - 1] / 2) * x_0, t


def normal(mean: Float[Array, " pixels"], variance: Array) -> Normal:
    """A normal with this variance, of each coordinate or of all."""
    return Normal(mean, jnp.broadcast_to(jnp.sqrt(variance), mean.shape))


def dequantized(
    images: Float[Array, "batch ..."], levels: int, key: PRNGKeyArray
) -> Float[Array, "batch pixels"]:
    """Pictures as vectors, each shade drawn from its share of the range from 0 to 1, if there are levels."""
    x = images.reshape(len(images), -1)
    return (x * (levels - 1) + jr.uniform(key, x.shape, x.dtype)) / levels if levels else x

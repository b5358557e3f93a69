"""Variational autoencoder: a decoder from latents to pictures, and an encoder that infers them.

    p(z) = N(0, I),    p(x | z) = Bernoulli(decoder(z)),    q(z | x) = N(μ(x), diag σ²(x))
    ELBO = E_q[log p(x | z)] - KL(q(z | x) | p(z))  ≤  log p(x)

z = μ(x) + σ(x) ε is reparameterised, and the KL divergence is the closed form of the paper's appendix B.

Kingma and Welling (2014), "Auto-encoding variational Bayes". Rezende, Mohamed and Wierstra (2014),
"Stochastic backpropagation and approximate inference in deep generative models".
"""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.distributions import Normal
from subitize.core.interfaces import Batch, DataSpec, Draw
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.latent_learner import LatentLearner
from subitize.models.gaussian_layers import BernoulliLayer, GaussianLayer, standard_normal


@dataclass(frozen=True)
class VAEOptions:
    """A variational autoencoder with Gaussian latents (Kingma and Welling 2014).

    Args:
        latent_dim: dimensions of z.
        hidden: units of the hidden layers of encoder and decoder.
    """

    latent_dim: int = 50
    hidden: tuple[int, ...] = (200, 200)
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 300_000},
        "paper": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 8_000_000, "batch_size": 20},
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> LatentLearner:
        """A learner that follows the ELBO, from the mean picture of its first batch."""
        return LatentLearner(
            build=lambda key, batch: VAE(self, batch, key=key),
            loss=expectation(negative_elbo),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            shape=(data.height, data.width, data.channels),
            negative_log_weight=negative_log_weight,
        )


class VAE(eqx.Module):
    """Encoder and decoder."""

    encoder: GaussianLayer
    decoder: BernoulliLayer
    latent_dim: int = eqx.field(static=True)

    def __init__(self, options: VAEOptions, batch: Batch, *, key: PRNGKeyArray):
        keys, mean = jr.split(key), batch.image.reshape(len(batch.image), -1).mean(0)
        self.latent_dim = options.latent_dim
        self.encoder = GaussianLayer((len(mean), *options.hidden, options.latent_dim), key=keys[0])
        self.decoder = BernoulliLayer((options.latent_dim, *reversed(options.hidden)), mean, key=keys[1])

    @property
    def prior(self) -> Normal:
        """p(z)."""
        return standard_normal(self.latent_dim)

    def decode(self, draw: Draw) -> Float[Array, " pixels"]:
        """Means of the pixels of a picture whose latents are drawn from the prior."""
        return self.decoder(draw("z", self.prior)).mean()


def negative_elbo(vae: VAE, x: Float[Array, " pixels"], draw: Draw) -> tuple[Array, dict[str, Array]]:
    """The cost: -log p(x | z) + KL(q(z | x) | p(z)), in nats, and its parts."""
    q = vae.encoder(x)
    reconstruction = -vae.decoder(draw("z", q)).log_prob(x)
    kl = q.kl(vae.prior)
    return reconstruction + kl, {"reconstruction": reconstruction, "kl": kl}


def negative_log_weight(vae: VAE, x: Float[Array, " pixels"], draw: Draw) -> Float[Array, ""]:
    """Log q(z | x) - log p(x, z), in nats."""
    q = vae.encoder(x)
    z = draw("z", q)
    return q.log_prob(z) - vae.prior.log_prob(z) - vae.decoder(z).log_prob(x)

"""Importance weighted autoencoder: a variational autoencoder with a tighter bound, of one or more layers.

    h_0 = x,    q(h | x) = Π_l q(h_l | h_{l-1}),    p(x, h) = p(h_L) Π_l p(h_{l-1} | h_l)
    log p(x)  ≥  E[log 1/k Σ_i p(x, h^i) / q(h^i | x)]    with h^1 … h^k ~ q

Each conditional is normal, p(h_L) is standard normal, and p(x | h_1) is Bernoulli. With k = 1 the bound is
the ELBO. Its gradient is the paper's equation 14, which plain differentiation gives.

Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders".
"""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec, Draw
from subitize.core.optimizer import Optimizer
from subitize.gradients import ImportanceWeighted, expectation
from subitize.gradients.latent_learner import LatentLearner
from subitize.models.gaussian_layers import BernoulliLayer, GaussianLayer, standard_normal


@dataclass(frozen=True)
class IWAEOptions:
    """A variational autoencoder that follows an importance weighted bound (Burda et al. 2016).

    Args:
        k: samples of the bound.
        latent_dims: dimensions of the stochastic layers, from the one above the pixels up.
        hidden: units of both hidden layers of each conditional, from the pixels up.
    """

    k: int = 50
    latent_dims: tuple[int, ...] = (50,)
    hidden: tuple[int, ...] = (200,)
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100, "epochs": True,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 20_000},
        "paper": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 8_000_000, "batch_size": 20},
    }

    def __post_init__(self):
        check_bounds(self)
        if len(self.latent_dims) != len(self.hidden):
            raise UsageError(
                f"`hidden` names the units for each of the {len(self.latent_dims)} layers of `latent_dims`; "
                f"got {len(self.hidden)}."
            )

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> LatentLearner:
        """A learner that follows the bound, from the mean picture of its first batch."""
        return LatentLearner(
            build=lambda key, batch: IWAE(self, batch, key=key),
            loss=expectation(negative_log_weight, objective=ImportanceWeighted(self.k)),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            shape=(data.height, data.width, data.channels),
            negative_log_weight=negative_log_weight,
        )


class IWAE(eqx.Module):
    """The conditionals of q, from the pixels up, and of p, in the same order."""

    q: tuple[GaussianLayer, ...]
    p: tuple[GaussianLayer, ...]  # p(h_l | h_{l+1})
    pixels: BernoulliLayer
    top: int = eqx.field(static=True)  # dimensions of h_L

    def __init__(self, options: IWAEOptions, batch: Batch, *, key: PRNGKeyArray):
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        sizes, units = (len(mean), *options.latent_dims), options.hidden
        keys = iter(jr.split(key, 2 * len(units)))
        self.q = tuple(
            GaussianLayer((below, n, n, above), key=next(keys))
            for below, above, n in zip(sizes, sizes[1:], units, strict=False)
        )
        self.p = tuple(
            GaussianLayer((above, n, n, below), key=next(keys))
            for below, above, n in zip(sizes[1:], sizes[2:], units[1:], strict=False)
        )
        self.pixels = BernoulliLayer((sizes[1], units[0], units[0]), mean, key=next(keys))
        self.top = sizes[-1]

    def decode(self, draw: Draw) -> Float[Array, " pixels"]:
        """Means of the pixels of a picture whose latents are drawn from the prior."""
        h = draw(f"h{len(self.q)}", standard_normal(self.top))
        for number in range(len(self.p), 0, -1):
            h = draw(f"h{number}", self.p[number - 1](h))
        return self.pixels(h).mean()


def negative_log_weight(iwae: IWAE, x: Float[Array, " pixels"], draw: Draw) -> Float[Array, ""]:
    """The cost: log q(h | x) - log p(x, h), in nats."""
    h, log_q = [x], jnp.zeros(())
    for number, layer in enumerate(iwae.q, 1):
        q = layer(h[-1])
        h.append(draw(f"h{number}", q))
        log_q += q.log_prob(h[-1])
    log_p = standard_normal(iwae.top).log_prob(h[-1]) + iwae.pixels(h[1]).log_prob(x)
    for below, above, layer in zip(h[1:], h[2:], iwae.p, strict=False):
        log_p += layer(above).log_prob(below)
    return log_q - log_p

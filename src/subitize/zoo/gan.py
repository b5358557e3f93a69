"""Generative adversarial network: a generator learns to fool a discriminator, which tells it from data.

With z uniform, images x and a probability D that an image is real, the players minimise

    discriminator   ½ E[-log D(x)] + ½ E[-log(1 - D(G(z)))]
    generator       E[-log D(G(z))].

At the optimum G(z) is distributed as x, D is ½ everywhere and the discriminator's loss is log 2. The
generator's loss is the one that the paper advises in its section 3: -log D does not flatten where the
discriminator is sure, as log(1 - D) does. The networks are convolutions (Radford et al. 2016); those of the
paper were perceptrons.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio (2014), "Generative
adversarial nets".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.random as jr
from jax.nn import softplus
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.networks import Features, Linear
from subitize.core.optimizer import Optimizer
from subitize.gradients.adversarial import AdversarialLearner
from subitize.models.decoder import CONVOLUTIONS, Decoder


@dataclass(frozen=True)
class GANOptions:
    """A generator that learns to fool a discriminator (Goodfellow et al. 2014).

    Args:
        latent_dim: dimensions of z.
        features: units of the fully connected layer of either player.
        ema: weight of the past in the running mean of the generator's weights, from which images are drawn.
    """

    latent_dim: int = 64
    features: int = 256
    ema: float = 0.999
    defaults: ClassVar[dict] = {
        "scenes": "images(of='digits')", "learning_rate": 2e-4, "b1": 0.5, "lr_hold_fraction": 0.5,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {"cpu": {"scenes": "images(of='mnist')", "steps": 20_000}}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> AdversarialLearner:
        """A learner of both players, whose generator begins with the mean picture of its first batch."""

        def build(key: PRNGKeyArray, batch: Batch) -> tuple[Decoder, Discriminator]:
            keys = jr.split(key)
            generator = Decoder(batch.image.mean(0), self.latent_dim, self.features, key=keys[0])
            return generator, Discriminator(data, self.features, key=keys[1])

        return AdversarialLearner(
            build=build,
            generator_loss=lambda g, d, batch, key: generator_loss(d, self.images(g, len(batch.image), key)),
            discriminator_loss=lambda g, d, batch, key: discriminator_loss(
                d, batch.image, self.images(g, len(batch.image), key)
            ),
            optimizer=optimizer.transformation(steps),
            draw_image=lambda generator, key: self.images(generator, 1, key)[0],
            ema=self.ema,
        )

    def images(
        self, generator: Decoder, n: int, key: PRNGKeyArray
    ) -> Float[Array, "n height width channels"]:
        """G(z) of N latents z, uniform with mean zero and variance one."""
        z = jr.uniform(key, (n, self.latent_dim), minval=-(3**0.5), maxval=3**0.5)
        return jax.nn.sigmoid(jax.vmap(generator)(z))


class Discriminator(eqx.Module):
    """D: the log-odds that an image is real."""

    features: Features
    last: Linear

    def __init__(self, data: DataSpec, features: int, *, key: PRNGKeyArray):
        keys = jr.split(key)
        self.features = Features(
            data.height, data.width, data.channels, convolutions=CONVOLUTIONS, features=features, key=keys[0]
        )
        self.last = Linear(features, 1, key=keys[1])

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, ""]:
        """The log-odds of one image."""
        return self.last(self.features(image))[0]


def generator_loss(
    discriminator: Callable[[Array], Array], fake: Float[Array, "batch ..."]
) -> tuple[Array, Metrics]:
    """E[-log D(G(z))], and the mean of D(G(z))."""
    odds = jax.vmap(discriminator)(fake)
    return softplus(-odds).mean(), {"fake_probability": jax.nn.sigmoid(odds).mean()}


def discriminator_loss(
    discriminator: Callable[[Array], Array], real: Float[Array, "batch ..."], fake: Float[Array, "batch ..."]
) -> tuple[Array, Metrics]:
    """½ E[-log D(x)] + ½ E[-log(1 - D(G(z)))], and the mean of D(x)."""
    odds = jax.vmap(discriminator)(real)
    loss = (softplus(-odds).mean() + softplus(jax.vmap(discriminator)(fake)).mean()) / 2
    return loss, {"real_probability": jax.nn.sigmoid(odds).mean()}

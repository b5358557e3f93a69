"""Generative adversarial network: a generator learns to fool a discriminator, which tells it from data.

With z uniform, images x and a probability D that an image is real, the players minimise

    discriminator   ½ E[-log D(x)] + ½ E[-log(1 - D(G(z)))] + ½ γ E[|∂ logit D(x) / ∂x|²]
    generator       E[-log D(G(z))].

At the optimum G(z) is distributed as x, D is ½ everywhere and the discriminator's loss is log 2. The
generator's loss is the one that the paper advises in its section 3: -log D does not flatten where the
discriminator is sure, as log(1 - D) does. The last term is the penalty R1 of Mescheder, Geiger and Nowozin
(2018), "Which training methods for GANs do actually converge?", and takes the place of the paper's dropout.
With γ = 0 the players do not settle on few pictures. Both are perceptrons, as in the paper.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio (2014), "Generative
adversarial nets".
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.networks import MLP, leaky, log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients.adversarial import (
    AdversarialLearner,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)


@dataclass(frozen=True)
class GANOptions:
    """A generator that learns to fool a discriminator (Goodfellow et al. 2014).

    Args:
        latent_dim: dimensions of z.
        hidden: units of the hidden layers of either player.
        r1: γ, weight of the penalty on the discriminator's gradient at real images.
        ema: weight of the past in the running mean of the generator's weights, from which images are drawn.
    """

    latent_dim: int = 64
    hidden: tuple[int, ...] = (512, 512)
    r1: float = 1.0
    ema: float = 0.999
    defaults: ClassVar[dict] = {
        "scenes": "images(of='digits')", "learning_rate": 2e-4, "b1": 0.5, "lr_hold_fraction": 0.5,
        "steps": 6000,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {"cpu": {"scenes": "images(of='mnist')", "steps": 40_000}}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> AdversarialLearner:
        """A learner of both players, whose generator begins with the mean picture of its first batch."""
        return AdversarialLearner(
            build=lambda key, batch: (
                Generator(batch.image.mean(0), self, key=key),
                Discriminator(batch.image[0].size, self.hidden, key=jr.fold_in(key, 1)),
            ),
            generator_loss=played_by_generator,
            discriminator_loss=partial(played_by_discriminator, r1=self.r1),
            optimizer=optimizer.transformation(steps),
            draw_image=lambda generator, key: generator(generator.noise(key)),
            ema=self.ema,
        )


class Generator(eqx.Module):
    """G: from noise z to an image."""

    network: MLP
    bias: Float[Array, "height width channels"]
    latent_dim: int = eqx.field(static=True)

    def __init__(
        self, mean: Float[Array, "height width channels"], options: GANOptions, *, key: PRNGKeyArray
    ):
        self.network = MLP((options.latent_dim, *options.hidden, mean.size), key=key)
        self.bias, self.latent_dim = log_odds(mean), options.latent_dim

    def noise(self, key: PRNGKeyArray) -> Float[Array, " latents"]:
        """z, uniform with mean zero and variance one."""
        return jr.uniform(key, (self.latent_dim,), minval=-(3**0.5), maxval=3**0.5)

    def __call__(self, z: Float[Array, " latents"]) -> Float[Array, "height width channels"]:
        """The image of one z."""
        return jax.nn.sigmoid(self.network(z).reshape(self.bias.shape) + self.bias)


class Discriminator(eqx.Module):
    """D: the log-odds that an image is real."""

    network: MLP

    def __init__(self, pixels: int, hidden: tuple[int, ...], *, key: PRNGKeyArray):
        self.network = MLP((pixels, *hidden, 1), key=key, activation=leaky)

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, ""]:
        """The log-odds of one image."""
        return self.network(image.ravel())[0]


def played_by_generator(
    generator: Generator, discriminator: Discriminator, batch: Batch, key: PRNGKeyArray
) -> tuple[Array, Metrics]:
    """The generator's loss on as many images as the batch has, and the mean of D(G(z))."""
    fake = jax.vmap(discriminator)(images_of(generator, len(batch.image), key))
    return generator_loss(fake), {"fake_probability": jax.nn.sigmoid(fake).mean()}


def played_by_discriminator(
    generator: Generator, discriminator: Discriminator, batch: Batch, key: PRNGKeyArray, *, r1: float
) -> tuple[Array, Metrics]:
    """The discriminator's loss on the batch and as many generated images, and the mean of D(x)."""
    fake = jax.vmap(discriminator)(images_of(generator, len(batch.image), key))
    real, slope = jax.vmap(jax.value_and_grad(lambda x: discriminator(x)))(batch.image)
    loss = discriminator_loss(real, fake) + r1_penalty(slope, r1)
    return loss, {"real_probability": jax.nn.sigmoid(real).mean()}


def images_of(generator: Generator, n: int, key: PRNGKeyArray) -> Float[Array, "n height width channels"]:
    """N images of the generator; of the same key the same for both players."""
    return jax.vmap(lambda k: generator(generator.noise(k)))(jr.split(key, n))

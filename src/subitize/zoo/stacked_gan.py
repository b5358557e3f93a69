"""Stacked generative adversarial network: from a label to features, and from features to an image.

A classifier E encodes an image x as features h = E(x) and reads the label y off them. Two generators go the
other way, each with noise of its own that is uniform from 0 to 1,

    ĥ = G₁(y, z₁),     x̂ = G₀(h, z₀),     and at use   x̂ = G₀(G₁(y, z₁), z₀).

Each has a discriminator D of its own, which tells ĥ from h or x̂ from x, and which also guesses by Q what the
noise was. A generator minimises, and its discriminator minimises,

    generator       a E[-log D(·)] + c L_cond + e L_ent
    discriminator   ½ E[-log D(real)] + ½ E[-log(1 - D(generated))] + e L_ent + ½ γ E[|∂ logit D(real)|²]
    L_cond          of G₁: -log p_E(y | ĥ),    of G₀: |E(x̂) - h|², a mean over features
    L_ent           |Q(·) - z|², a mean over dimensions of the noise.

L_cond asks that what is generated still has what it was generated from. L_ent is, but for constants, a bound
of minus the entropy of what is generated, so that the noise is not ignored. The last term is the penalty R1
of Mescheder, Geiger and Nowozin (2018). The paper trains E first. Here E learns beside the others, from real
images and their labels alone. Its features have mean square one, so that they keep their scale.

Huang, Li, Poursaeed, Hopcroft and Belongie (2017), "Stacked generative adversarial networks".
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.networks import MLP, Linear, leaky, log_odds
from subitize.core.optimizer import Optimizer
from subitize.gradients.adversarial import AdversarialLearner, discriminator_loss, generator_loss, r1_penalty

LEARNED = 0.1  # nats: below this loss the encoder rests, so that features do not collapse onto their labels


@dataclass(frozen=True)
class StackedGANOptions:
    """Two stacked generators, from a label to features and on to an image (Huang et al. 2017).

    Args:
        latent_dim: dimensions of the noise of either generator.
        features: of an image, between the generators.
        hidden: units of the hidden layers of every network.
        adversarial: a, weight of the discriminators in the generators' loss.
        conditional: c, weight of what a generator shall keep.
        entropy: e, weight of the guess of the noise.
        joint: whether G₀ learns from the features of G₁, and not from those of real images.
        r1: γ, weight of the penalty on the discriminators' gradient at what is real.
        ema: weight of the past in the running mean of the generators' weights, from which images are drawn.
    """

    latent_dim: int = 10
    features: int = 128
    hidden: tuple[int, ...] = (256, 256)
    adversarial: float = 1.0
    conditional: float = 1.0
    entropy: float = 10.0
    joint: bool = False
    r1: float = 0.3
    ema: float = 0.999
    defaults: ClassVar[dict] = {
        "scenes": "images(of='digits')", "learning_rate": 1e-3, "b1": 0.5, "lr_hold_fraction": 0.5,
        "steps": 6000,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "images(of='mnist')", "steps": 50_000, "hidden": (512, 512), "latent_dim": 20},
    }
    supervised: ClassVar[bool] = True  # batches carry labels

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "StackedGANLearner":
        """A learner of all networks, whose lower generator begins with the mean picture of its first batch.

        Raises:
            UsageError: nobody knows the labels of the pictures.
        """
        if data.classes is None:
            raise UsageError("A stacked GAN needs pictures with labels, such as images(of='digits').")
        classes = data.classes
        return StackedGANLearner(
            build=lambda key, batch: (
                Generators(batch.image.mean(0), classes, self, key=key),
                Judges(batch.image[0].size, classes, self, key=jr.fold_in(key, 1)),
            ),
            generator_loss=partial(played_by_generators, options=self),
            discriminator_loss=partial(played_by_judges, options=self),
            optimizer=optimizer.transformation(steps),
            draw_image=lambda generators, key: generators.of_any_label(key),
            ema=self.ema,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class StackedGANLearner(AdversarialLearner):
    """A learner with two players, that can draw images of given labels too."""

    def sample_of(
        self, params: tuple["Generators", "Judges"], key: PRNGKeyArray, labels: Int[Array, " n"]
    ) -> Float[Array, "n height width channels"]:
        """One image of each label, counted from 0."""
        return jax.vmap(params[0].of_label)(labels, jr.split(key, len(labels)))


class Generators(eqx.Module):
    """G₁, from a label to features, and G₀, from features to an image."""

    upper: MLP
    lower: MLP
    bias: Float[Array, "height width channels"]
    classes: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)

    def __init__(
        self,
        mean: Float[Array, "height width channels"],
        classes: int,
        options: StackedGANOptions,
        *,
        key: PRNGKeyArray,
    ):
        keys, noise = jr.split(key), options.latent_dim
        self.upper = MLP((classes + noise, *options.hidden, options.features), key=keys[0])
        self.lower = MLP((options.features + noise, *options.hidden, mean.size), key=keys[1])
        self.bias, self.classes, self.latent_dim = log_odds(mean), classes, noise

    def noise(self, key: PRNGKeyArray) -> Float[Array, "2 latents"]:
        """z₁ and z₀."""
        return jr.uniform(key, (2, self.latent_dim))

    def features(self, label: Int[Array, ""], z: Float[Array, " latents"]) -> Float[Array, " features"]:
        """ĥ = G₁(y, z₁)."""
        return scaled(self.upper(jnp.concatenate([jax.nn.one_hot(label, self.classes), wide(z)])))

    def image(
        self, h: Float[Array, " features"], z: Float[Array, " latents"]
    ) -> Float[Array, "height width channels"]:
        """x̂ = G₀(h, z₀)."""
        return jax.nn.sigmoid(self.lower(jnp.concatenate([h, wide(z)])).reshape(self.bias.shape) + self.bias)

    def of_label(self, label: Int[Array, ""], key: PRNGKeyArray) -> Float[Array, "height width channels"]:
        """An image of a label."""
        z = self.noise(key)
        return self.image(self.features(label, z[0]), z[1])

    def of_any_label(self, key: PRNGKeyArray) -> Float[Array, "height width channels"]:
        """An image of a label that is drawn, any as likely as the others."""
        keys = jr.split(key)
        return self.of_label(jr.randint(keys[0], (), 0, self.classes), keys[1])


class Encoder(eqx.Module):
    """E: from an image to features, and from these to the log-odds of labels, but for a constant."""

    body: MLP
    head: Linear

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, " features"]:
        """H of one image."""
        return scaled(self.body(image.ravel()))


class Judges(eqx.Module):
    """What generators learn from: E, and for features and for images a discriminator with its guess Q."""

    encoder: Encoder
    discriminators: tuple[MLP, MLP]

    def __init__(self, pixels: int, classes: int, options: StackedGANOptions, *, key: PRNGKeyArray):
        keys, hidden, features = jr.split(key, 4), options.hidden, options.features
        body = MLP((pixels, *hidden[:1], features), key=keys[0], activation=leaky)
        self.encoder = Encoder(body, Linear(features, classes, key=keys[1]))
        self.discriminators = (
            MLP((features, *hidden, 1 + options.latent_dim), key=keys[2], activation=leaky),
            MLP((pixels, *hidden, 1 + options.latent_dim), key=keys[3], activation=leaky),
        )


class Generated(NamedTuple):
    """What is made of the labels of a batch, or of its images; of the same key the same for both players."""

    labels: Int[Array, " batch"]
    z: Float[Array, "batch 2 latents"]
    given: Float[Array, "batch features"]  # h, of which images are made
    made: tuple[Float[Array, "batch features"], Float[Array, "batch height width channels"]]


def generated(
    generators: Generators, encoder: Encoder, batch: Batch, key: PRNGKeyArray, *, joint: bool
) -> Generated:
    """Features of the labels of a batch, and images of these features or of those of its own images."""
    assert batch.labels is not None, "a supervised learner is given labels"
    z = jax.vmap(generators.noise)(jr.split(key, len(batch.image)))
    features = jax.vmap(generators.features)(batch.labels, z[:, 0])
    h = features if joint else jax.vmap(encoder)(batch.image)
    return Generated(batch.labels, z, h, (features, jax.vmap(generators.image)(h, z[:, 1])))


def played_by_generators(
    generators: Generators, judges: Judges, batch: Batch, key: PRNGKeyArray, *, options: StackedGANOptions
) -> tuple[Array, Metrics]:
    """The sum of both generators' losses, and its terms. No gradient of it reaches the encoder."""
    encoder = stop_gradient(judges.encoder)
    labels, z, given, made = generated(generators, encoder, batch, key, joint=options.joint)
    found = [judged(network, x) for network, x in zip(judges.discriminators, made, strict=True)]
    terms = {
        "adversarial": sum(generator_loss(log_odds) for log_odds, _ in found),
        "label": label_loss(encoder, made[0], labels),
        "feature": feature_loss(encoder, made[1], given),
        "entropy": sum(entropy_loss(guess, z[:, i]) for i, (_, guess) in enumerate(found)),
    }
    loss = options.adversarial * terms["adversarial"] + options.entropy * terms["entropy"]
    return loss + options.conditional * (terms["label"] + terms["feature"]), terms


def played_by_judges(
    generators: Generators, judges: Judges, batch: Batch, key: PRNGKeyArray, *, options: StackedGANOptions
) -> tuple[Array, Metrics]:
    """The sum of both discriminators' losses and the encoder's, which is its own alone; and the latter."""
    encoder = stop_gradient(judges.encoder)
    labels, z, _, made = generated(generators, encoder, batch, key, joint=options.joint)
    loss = label_loss(judges.encoder, jax.vmap(judges.encoder)(batch.image), labels)
    loss = jnp.where(loss > LEARNED, loss, stop_gradient(loss))
    metrics = {"encoder": loss}
    real = jax.vmap(encoder)(batch.image), batch.image
    for i, network in enumerate(judges.discriminators):
        fake, guess = judged(network, made[i])
        true, slope = jax.vmap(jax.value_and_grad(lambda x, network=network: network(x.ravel())[0]))(real[i])
        loss += discriminator_loss(true, fake) + r1_penalty(slope, options.r1)
        loss += options.entropy * entropy_loss(guess, z[:, i])
    return loss, metrics


def judged(
    network: MLP, x: Float[Array, "batch ..."]
) -> tuple[Float[Array, " batch"], Float[Array, "batch latents"]]:
    """The log-odds that each is real, and Q's guess of the noise that it was made of."""
    found = jax.vmap(network)(x.reshape(len(x), -1))
    return found[:, 0], found[:, 1:]


def label_loss(
    encoder: Encoder, h: Float[Array, "batch features"], labels: Int[Array, " batch"]
) -> Float[Array, ""]:
    """E[-log p_E(y | h)], in nats: what the encoder minimises, and L_cond of G₁."""
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(encoder.head)(h), labels).mean()


def feature_loss(
    encoder: Encoder, images: Float[Array, "batch height width channels"], h: Float[Array, "batch features"]
) -> Float[Array, ""]:
    """The mean square of E(x̂) - h: L_cond of G₀."""
    return jnp.mean((jax.vmap(encoder)(images) - h) ** 2)


def entropy_loss(guess: Float[Array, "batch latents"], z: Float[Array, "batch latents"]) -> Float[Array, ""]:
    """L_ent, the mean square of Q's errors."""
    return jnp.mean((guess - z) ** 2)


def scaled(h: Float[Array, " features"]) -> Float[Array, " features"]:
    """Features after their activation, brought to a mean square of one."""
    h = leaky(h)
    return h * jax.lax.rsqrt(jnp.mean(h**2) + 1e-6)


def wide(z: Float[Array, " latents"]) -> Float[Array, " latents"]:
    """Uniform noise brought to mean zero and variance one, as networks like their inputs."""
    return (z - 0.5) * 12**0.5

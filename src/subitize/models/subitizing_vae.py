"""A variational autoencoder whose pictures are compared as they look, not only pixel by pixel.

    z ~ N(0, I),    x ≈ x̂(z),    φ_l(x) ≈ φ_l(x̂(z)) in every layer l of a judge φ,

inverted by a convolutional network q(z | x) = N(μ(x), s(x)). The judge is a convolutional network whose
weights are random and never trained. With D pixels, D_l features in layer l of L and a share w,

    cost = KL(q ‖ N(0, I)) + |x - x̂|² (1 - w) / 2σ² + w Σ_l (r_l D / L D_l) |φ_l(x) - φ_l(x̂)|² / 2σ²,
    r_l  = (⟨x²⟩ + ε) / (⟨φ_l(x)²⟩ + ε),

so that every layer speaks as loud as the pixels. With w = 0 it is the usual variational autoencoder.

Kingma and Welling (2014), "Auto-encoding variational Bayes"; Hou et al. (2017), "Deep feature consistent
variational autoencoder", there with a judge trained on labelled photographs; used for subitizing by Wever
and Runia (2018), "Subitizing with variational autoencoders".
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions import Normal
from subitize.core.interfaces import Draw
from subitize.core.networks import Features, Linear, Rendering, convolve, log_odds, positive_scale

JUDGE_SEED = 0  # every model is judged by the same network
FAINT = 1e-2  # ε


@dataclass(frozen=True)
class SubitizingVAESettings:
    """What defines the autoencoder besides its weights.

    Args:
        height, width, channels: of an image.
        code: dimensions of z.
        convolutions: (stride, channels) on the way in, and back on the way out.
        features: length of the vector between the convolutions and the code.
        judge: (stride, channels) of the layers that compare pictures.
        perceptual: w, the share of what the judge says, from 0 to 1.
        pixel_deviation: σ.
    """

    height: int = 64
    width: int = 64
    channels: int = 1
    code: int = 64
    convolutions: tuple[tuple[int, int], ...] = ((4, 32), (2, 64), (2, 128))
    features: int = 256
    judge: tuple[tuple[int, int], ...] = ((2, 16), (2, 32), (2, 64))
    perceptual: float = 0.5
    pixel_deviation: float = 0.1


class SubitizingVAE(eqx.Module):
    """The autoencoder.

    Args:
        settings: sizes and weights of the loss.
        key: for the initial weights.
        mean: of the pictures, pixel by pixel in 0 … 1; rendering starts from its odds, even ones if None.
            Where pictures are mostly black, learning that first would drown what z says, and leave it unused.
    """

    features: Features
    code: Linear  # -> mean and deviation of q(z | x)
    spread: Linear  # z -> what is rendered
    rendering: Rendering
    start: Float[Array, "height width channels"]  # log-odds of x̂, to which the rendering of z is added
    judge: tuple[Linear, ...]  # constant
    settings: SubitizingVAESettings = eqx.field(static=True)

    def __init__(
        self,
        settings: SubitizingVAESettings,
        *,
        key: PRNGKeyArray,
        mean: Float[Array, "height width channels"] | None = None,
    ):
        s, keys = settings, jr.split(key, 4)
        shape = (s.height, s.width, s.channels)
        self.settings = s
        self.features = Features(*shape, convolutions=s.convolutions, features=s.features, key=keys[0])
        self.code = Linear(s.features, 2 * s.code, key=keys[1], scale=0.3)
        self.spread = Linear(s.code, s.features, key=keys[2])
        self.rendering = Rendering(*shape, convolutions=s.convolutions, features=s.features, key=keys[3])
        self.start = jnp.zeros(shape) if mean is None else log_odds(mean)
        judges, depth = jr.split(jr.key(JUDGE_SEED), len(s.judge)), s.channels
        judge = []
        for (stride, channels), k in zip(s.judge, judges, strict=True):
            judge.append(Linear(4 * stride**2 * depth, channels, key=k))
            depth = channels
        self.judge = tuple(judge)

    def posterior(self, image: Float[Array, "height width channels"]) -> Normal:
        """q(z | x)."""
        loc, scale = jnp.split(self.code(self.features(image - 0.5)), 2)
        return Normal(loc, positive_scale(scale))

    def render(self, code: Float[Array, " code"]) -> Float[Array, "height width channels"]:
        """x̂(z), in 0 … 1."""
        return jax.nn.sigmoid(self.start + self.rendering(self.spread(code)))

    def sample_prior(self, key: PRNGKeyArray) -> Float[Array, "height width channels"]:
        """The mean image of a code from the prior."""
        return self.render(jr.normal(key, (self.settings.code,)))

    def seen_by_judge(self, image: Float[Array, "height width channels"]) -> list[Array]:
        """Every layer of the judge."""
        layers = []
        for layer, (stride, _) in zip(jax.lax.stop_gradient(self.judge), self.settings.judge, strict=True):
            image = convolve(layer, image, stride)
            layers.append(image)
        return layers


def negative_elbo(
    model: SubitizingVAE, image: Float[Array, "height width channels"], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The program: the cost of one image, in nats up to a constant, and its parts.

    It is minus the evidence lower bound where the judge has no say (`perceptual` 0), and else no bound.

    Args:
        model: the autoencoder.
        image: in 0 … 1.
        draw: gives out the random value `code`.
    """
    s = model.settings
    q = model.posterior(image)
    found = model.render(draw("code", q))
    kl = q.kl(Normal(jnp.zeros(s.code), jnp.ones(s.code)))
    pixels = jnp.sum((image - found) ** 2)
    loud = jnp.mean(image**2) + FAINT
    layers = zip(model.seen_by_judge(image), model.seen_by_judge(found), strict=True)
    each = [loud / (jnp.mean(a**2) + FAINT) * jnp.mean((a - b) ** 2) for a, b in layers]
    features = image.size * sum(each, jnp.zeros(())) / max(len(each), 1)
    error = (1 - s.perceptual) * pixels + s.perceptual * features
    parts = {"kl": kl, "pixels": pixels, "features": features}
    return kl + error / (2 * s.pixel_deviation**2), parts


def mean_code(model: SubitizingVAE, image: Float[Array, "height width channels"]) -> Float[Array, " code"]:
    """μ(x), the mean of the code's posterior."""
    return model.posterior(image).loc

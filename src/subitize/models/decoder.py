"""Decoder: from a latent z to the log-odds of a picture, by one dense layer and transposed convolutions."""

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.networks import Linear, Rendering, log_odds

CONVOLUTIONS = ((2, 32), (2, 64))  # (stride, channels), from the picture on; an encoder has the same


class Decoder(eqx.Module):
    """From a latent to a picture.

    Args:
        mean: the picture to begin with, from 0 to 1.
        latent_dim: dimensions of z.
        features: units of the fully connected layer.
        key: for the initial weights.
    """

    first: Linear
    rendering: Rendering
    bias: Float[Array, "height width channels"]

    def __init__(
        self,
        mean: Float[Array, "height width channels"],
        latent_dim: int,
        features: int,
        *,
        key: PRNGKeyArray,
    ):
        keys = jr.split(key)
        self.first = Linear(latent_dim, features, key=keys[0])
        height, width, channels = mean.shape
        self.rendering = Rendering(
            height, width, channels, convolutions=CONVOLUTIONS, features=features, key=keys[1]
        )
        self.bias = log_odds(mean)

    def __call__(self, z: Float[Array, " latents"]) -> Float[Array, "height width channels"]:
        """The log-odds of the picture of one z."""
        return self.rendering(jax.nn.relu(self.first(z))) + self.bias

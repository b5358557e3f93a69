"""Count classifier: how many, told at once? A supervised counter that was told the counts, for comparison.

A convolutional network and a softmax over classes, trained by cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.interfaces import Draw
from subitize.core.networks import Features, Linear


@dataclass(frozen=True)
class CountClassifierSettings:
    """What defines a count classifier besides its weights.

    Args:
        height, width, channels: of an image.
        classes: that are told apart.
        convolutions: (stride, channels); features: length of what they yield.
    """

    height: int = 50
    width: int = 50
    channels: int = 1
    classes: int = 5
    convolutions: tuple[tuple[int, int], ...] = ((2, 24), (2, 48), (2, 96))
    features: int = 128


class CountClassifier(eqx.Module):
    """A picture, and how probable each class is.

    Args:
        settings: sizes.
        key: for the initial weights.
    """

    features: Features
    last: Linear
    settings: CountClassifierSettings = eqx.field(static=True)

    def __init__(self, settings: CountClassifierSettings, *, key: PRNGKeyArray):
        s, (first, last) = settings, jr.split(key)
        self.settings = s
        self.features = Features(
            s.height, s.width, s.channels, convolutions=s.convolutions, features=s.features, key=first
        )
        self.last = Linear(s.features, s.classes, key=last, scale=0.1)

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, " classes"]:
        """Log-probabilities of the classes."""
        return jax.nn.log_softmax(self.last(self.features(image)))


def cross_entropy(
    classifier: Callable[[Array], Array], example: tuple[Array, Array], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The program: minus the log-probability of the true class, in nats, and whether it is the likeliest.

    Args:
        classifier: makes logits, or log-probabilities, of a picture or code.
        example: a picture or code, and its class.
        draw: for random values; there are none.
    """
    shown, label = example
    log_probs = jax.nn.log_softmax(classifier(shown))
    return -log_probs[label], {"accuracy": (jnp.argmax(log_probs) == label).astype(log_probs.dtype)}

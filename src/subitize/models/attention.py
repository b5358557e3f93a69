"""Attention networks: where to attend next, and is there anything left to attend to?

An attention network is the part of the recognition network that runs from step to step. It hands out

    continue_logit  the logit of there being one more object,
    where           a normal around the object's place and size, in standard units of the prior.

What it carries from step to step tells the models apart: `RecurrentAttention` (ours) and
`Eslami2016Attention` (Eslami et al. 2016) the state of an LSTM, `subitize.models.dair` an order of places.
"""

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from subitize.core.distributions import Normal
from subitize.core.interfaces import Draw
from subitize.core.networks import Features, Linear, lstm, positive_scale
from subitize.models.settings import AIRSettings

SHARPNESS = 3.0  # of the choice among places


class AttentionOutput(NamedTuple):
    """What an attention network says at one step."""

    continue_logit: Float[Array, ""]
    where: Normal  # of (size, x, y), in standard units of the prior


class AbstractAttention(eqx.Module):
    """From step to step through one image.

    `any_length` says whether it may take more steps than in training, `stochastic` whether it attends to
    objects in an order that differs from pass to pass.
    """

    any_length: ClassVar[bool]
    stochastic: ClassVar[bool] = False

    @abc.abstractmethod
    def __init__(self, settings: AIRSettings, keys: Key[Array, " keys"]):
        """Initial weights, from up to eight keys."""

    @abc.abstractmethod
    def begin(self, image: Float[Array, "height width channels"], draw: Draw) -> PyTree:
        """The state before the first step; what differs from pass to pass is drawn."""

    @abc.abstractmethod
    def attend(
        self, step: int | Array, state: PyTree, image: Array, canvas: Array, previous: Array
    ) -> tuple[AttentionOutput, PyTree]:
        """One step.

        Args:
            step: its number, from 0.
            state: what the step before left.
            image: the whole.
            canvas: what has been painted so far; no gradient goes there.
            previous: `where` and `what` of the step before, as one vector; zeros at first.
        """


class RecurrentAttention(AbstractAttention):
    """Ours: a recurrent network that sees the image, and coarsely what the canvas does not explain yet.

    Args:
        settings: sizes.
        keys: eight, for the initial weights.
    """

    features: Features  # of the whole image: what is where, and how many
    count: Linear  # features -> a share of the logits of going on
    see_features: Linear  # inputs of the recurrent cell: the image, the same at every step,
    see_residual: Linear  # what the canvas does not explain yet,
    remember: Linear  # and its own output
    head: Linear  # state -> what the next two read from it
    where: Linear  # -> logit of going on, and q(where) around
    places: Linear  # -> the place chosen on a grid
    settings: AIRSettings = eqx.field(static=True)
    any_length: ClassVar[bool] = False

    def __init__(self, settings: AIRSettings, keys: Key[Array, " keys"]):
        s = self.settings = settings
        seen, gates = -(-s.height // s.pool) * -(-s.width // s.pool) * s.channels, 4 * s.recurrent
        self.features = Features(
            s.height, s.width, s.channels, convolutions=s.convolutions, features=s.features, key=keys[0]
        )
        self.count = Linear(s.features, s.max_objects, key=keys[1], scale=0.02)
        self.see_features = Linear(s.features, gates, key=keys[2], scale=0.4)
        self.see_residual = Linear(seen, gates, key=keys[3], scale=0.7)
        self.remember = Linear(s.recurrent, gates, key=keys[4], scale=0.7)
        self.head = Linear(s.recurrent, s.head, key=keys[5])
        self.where = Linear(s.head, 7, key=keys[6], scale=0.01)
        self.places = Linear(s.head, s.places**2, key=keys[7], scale=0.01)

    def begin(self, image: Float[Array, "height width channels"], draw: Draw) -> PyTree:
        """What the image gives to every step, and an empty state."""
        features = self.features(image)
        nothing = jnp.zeros(self.settings.recurrent, image.dtype)
        return self.see_features(features), self.count(features), nothing, nothing

    def attend(
        self, step: int | Array, state: PyTree, image: Array, canvas: Array, previous: Array
    ) -> tuple[AttentionOutput, PyTree]:
        """One step of the recurrent network."""
        seen, more, output, cell = state
        unexplained = pooled(image - canvas, self.settings.pool)
        output, cell = lstm(seen + self.see_residual(unexplained) + self.remember(output), cell)
        attention = jax.nn.relu(self.head(output))
        continue_logit, loc, scale = jnp.split(self.where(attention), [1, 4])
        place = grid_mean(jax.nn.softmax(SHARPNESS * self.places(attention)), self.settings.places)
        where = Normal(loc + jnp.append(0.0, place), positive_scale(scale))
        return AttentionOutput(continue_logit[0] + more[step], where), (seen, more, output, cell)


class Eslami2016Attention(AbstractAttention):
    """As Eslami et al. (2016) built it: a recurrent network that sees the image and its own latest latents.

    Args:
        settings: sizes.
        keys: at least five, for the initial weights.
    """

    see: Linear  # the image
    hear: Linear  # where and what of the step before
    remember: Linear
    head: Linear
    where: Linear
    settings: AIRSettings = eqx.field(static=True)
    any_length: ClassVar[bool] = True

    def __init__(self, settings: AIRSettings, keys: Key[Array, " keys"]):
        s, gates = settings, 4 * settings.recurrent
        self.settings = s
        self.see = Linear(s.height * s.width * s.channels, gates, key=keys[0], scale=0.7)
        self.hear = Linear(3 + s.what_dim, gates, key=keys[1], scale=0.7)
        self.remember = Linear(s.recurrent, gates, key=keys[2], scale=0.7)
        self.head = Linear(s.recurrent, s.head, key=keys[3])
        self.where = Linear(s.head, 7, key=keys[4], scale=0.01)

    def begin(self, image: Float[Array, "height width channels"], draw: Draw) -> PyTree:
        """What the image gives to every step, and an empty state."""
        nothing = jnp.zeros(self.settings.recurrent, image.dtype)
        return self.see(image.ravel()), nothing, nothing

    def attend(
        self, step: int | Array, state: PyTree, image: Array, canvas: Array, previous: Array
    ) -> tuple[AttentionOutput, PyTree]:
        """One step of the recurrent network."""
        seen, output, cell = state
        output, cell = lstm(seen + self.hear(previous) + self.remember(output), cell)
        continue_logit, loc, scale = jnp.split(self.where(jax.nn.relu(self.head(output))), [1, 4])
        return AttentionOutput(continue_logit[0], Normal(loc, positive_scale(scale))), (seen, output, cell)


def grid_mean(weights: Float[Array, " cells"], places: int) -> Float[Array, "2"]:
    """Mean (x, y) of a distribution over a square grid that spans ±√3, as a uniform of deviation one."""
    axis = jnp.linspace(-(3**0.5), 3**0.5, places)
    table = weights.reshape(places, places)
    return jnp.stack([table.sum(0) @ axis, table.sum(1) @ axis])


def pooled(image: Float[Array, "height width channels"], block: int) -> Float[Array, " blocks"]:
    """Block means of an image, padded with black to whole blocks, as a vector."""
    height, width, channels = image.shape
    padded = jnp.pad(image, ((0, -height % block), (0, -width % block), (0, 0)))
    blocks = padded.reshape(-(-height // block), block, -(-width // block), block, channels)
    return blocks.mean((1, 3)).ravel()

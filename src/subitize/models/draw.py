"""DRAW: paint a picture glimpse by glimpse, all on one canvas.

At each of T steps the encoder reads the image and what the canvas lacks, through a grid of Gaussian filters
that the decoder points; it names a code; the decoder adds a stroke to the canvas:

    x̂ = x - σ(c_{t-1}),               r_t = read(x, x̂; d_{t-1}),
    e_t = LSTM(e_{t-1}; r_t, d_{t-1}),  z_t ~ q_t = Normal(μ(e_t), σ(e_t)),
    d_t = LSTM(d_{t-1}; z_t),           c_t = c_{t-1} + write(d_t),

    bound = log Bernoulli(x; σ(c_T)) - Σ_t KL(q_t || Normal(0, I)).

Unlike AIR it takes every step for every picture, and its codes belong to steps, not to objects.

Gregor, Danihelka, Graves, Rezende and Wierstra (2015), "DRAW: a recurrent neural network for image
generation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions import Bernoulli, Normal
from subitize.core.draws import Means, Samples
from subitize.core.interfaces import Draw
from subitize.core.networks import Linear, log_odds, lstm, positive_scale

POINTING = 5  # numbers that place a grid of filters: x, y, variance, stride, intensity


@dataclass(frozen=True)
class DRAWSettings:
    """Everything that defines a DRAW besides its weights; the defaults are the paper's for MNIST.

    Args:
        height, width: of the grey images.
        glimpses: T.
        hidden: units of the encoder, and of the decoder.
        code: dimensions of each z_t.
        read, write: filters along each side of the grid that reads, and of the one that writes.
    """

    height: int = 28
    width: int = 28
    glimpses: int = 64
    hidden: int = 256
    code: int = 100
    read: int = 2
    write: int = 5


class Filters(NamedTuple):
    """A grid of Gaussian filters on an image.

    Attributes:
        rows, columns: weights of the image's pixels in each filter, rows of sum one.
        intensity: γ, by which a reading is multiplied, and a stroke divided.
        window: x0, y0, x1, y1 in pixels: the outermost filters' centres, two deviations further out.
    """

    rows: Float[Array, "filters height"]
    columns: Float[Array, "filters width"]
    intensity: Float[Array, ""]
    window: Float[Array, "4"]

    def read(self, image: Float[Array, "height width"]) -> Float[Array, "filters filters"]:
        """What the filters see."""
        return self.intensity * self.rows @ image @ self.columns.T

    def write(self, stroke: Float[Array, "filters filters"]) -> Float[Array, "height width"]:
        """A stroke on an empty canvas."""
        return self.rows.T @ stroke @ self.columns / self.intensity


class DRAWTrace(NamedTuple):
    """What DRAW makes of one picture, step by step.

    Attributes:
        code: values of the codes, as they were drawn.
        canvas: odds of the pixels after each step, as probabilities.
        read, write: windows (x0, y0, x1, y1) in pixels.
    """

    code: Float[Array, "glimpses code"]
    canvas: Float[Array, "glimpses height width"]
    read: Float[Array, "glimpses 4"]
    write: Float[Array, "glimpses 4"]


class DRAWState(NamedTuple):
    """What goes from step to step."""

    encoder: tuple[Array, Array]  # output and cell
    decoder: tuple[Array, Array]
    canvas: Float[Array, "height width"]


class DRAW(eqx.Module):
    """Deep recurrent attentive writer.

    Args:
        settings: sizes.
        key: for the initial weights.
        mean: of the pictures, pixel by pixel in 0 … 1; painting starts from its odds, even ones if None. So
            the first strokes need not learn what all pictures share.
    """

    settings: DRAWSettings = eqx.field(static=True)
    point: Linear  # decoder -> where to read
    encoder: Linear  # reading and both outputs -> gates
    code: Linear  # encoder -> q(z)
    decoder: Linear  # code and output -> gates
    stroke: Linear  # decoder -> where to write, and what
    start: Float[Array, "height width"]  # c_0

    def __init__(
        self, settings: DRAWSettings, *, key: PRNGKeyArray, mean: Float[Array, "height width"] | None = None
    ):
        s, keys = settings, jr.split(key, 5)
        gates = 4 * s.hidden
        self.settings = s
        point = Linear(s.hidden, POINTING, key=keys[0], scale=0.1)
        self.point = starting(point, broad(s.read, s.height, s.width, writes=False))
        self.encoder = Linear(2 * s.read**2 + 2 * s.hidden, gates, key=keys[1])
        self.code = Linear(s.hidden, 2 * s.code, key=keys[2])
        self.decoder = Linear(s.code + s.hidden, gates, key=keys[3])
        stroke = Linear(s.hidden, POINTING + s.write**2, key=keys[4])
        self.stroke = starting(stroke, broad(s.write, s.height, s.width, writes=True))
        self.start = jnp.zeros((s.height, s.width)) if mean is None else log_odds(mean)

    def begin(self) -> DRAWState:
        """Nothing seen, nothing painted."""
        nothing = jnp.zeros(self.settings.hidden), jnp.zeros(self.settings.hidden)
        return DRAWState(nothing, nothing, self.start)

    def see(self, state: DRAWState, image: Float[Array, "height width"]) -> tuple[Normal, DRAWState, Array]:
        """One step of the encoder: q(z), the new state, and the window that was read."""
        s, said = self.settings, state.decoder[0]
        filters = place(self.point(said), s.read, s.height, s.width)
        missing = image - jax.nn.sigmoid(state.canvas)
        reading = jnp.concatenate([filters.read(image).ravel(), filters.read(missing).ravel(), said])
        output, cell = state.encoder
        lstm_state = lstm(self.encoder(jnp.concatenate([reading, output])), cell)
        loc, scale = jnp.split(self.code(lstm_state[0]), 2)
        return Normal(loc, positive_scale(scale)), state._replace(encoder=lstm_state), filters.window

    def paint(self, state: DRAWState, code: Float[Array, " code"]) -> tuple[DRAWState, Array]:
        """One step of the decoder: the new state, and the window written to."""
        s, (output, cell) = self.settings, state.decoder
        lstm_state = lstm(self.decoder(jnp.concatenate([code, output])), cell)
        pointing, stroke = jnp.split(self.stroke(lstm_state[0]), [POINTING])
        filters = place(pointing, s.write, s.height, s.width)
        canvas = state.canvas + filters.write(stroke.reshape(s.write, s.write))
        return state._replace(decoder=lstm_state, canvas=canvas), filters.window

    def trace(self, image: Float[Array, "height width"], draw: Draw | None = None) -> DRAWTrace:
        """Every step, with the codes that `draw` gives out; by default they are at their means."""
        draw = Means() if draw is None else draw

        def step(state, t):
            q, state, read = self.see(state, image)
            code = draw.at(t)("code", q)
            state, written = self.paint(state, code)
            return state, DRAWTrace(code, jax.nn.sigmoid(state.canvas), read, written)

        return jax.lax.scan(step, self.begin(), jnp.arange(self.settings.glimpses))[1]

    def sample_prior(self, key: PRNGKeyArray) -> Float[Array, "glimpses height width"]:
        """Sample a picture: probabilities of its pixels after each step."""
        prior, samples = self.prior(), Samples(key)

        def step(state, t):
            state, _ = self.paint(state, samples.at(t)("code", prior))
            return state, jax.nn.sigmoid(state.canvas)

        return jax.lax.scan(step, self.begin(), jnp.arange(self.settings.glimpses))[1]

    def prior(self) -> Normal:
        """Prior of a code."""
        return Normal(jnp.zeros(self.settings.code), jnp.ones(self.settings.code))


def negative_elbo(
    model: DRAW, image: Float[Array, "height width"], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The program: minus the evidence lower bound of one image, in nats.

    Args:
        model: the DRAW.
        image: zeros and ones; brightness in between counts as the probability of a one.
        draw: gives out `code` at each step.

    Returns:
        The cost, and its parts, to report.
    """
    prior = model.prior()

    def step(state, t):
        q, state, _ = model.see(state, image)
        state, _ = model.paint(state, draw.at(t)("code", q))
        return state, q.kl(prior)

    state, kls = jax.lax.scan(step, model.begin(), jnp.arange(model.settings.glimpses))
    log_likelihood, kl = Bernoulli(state.canvas).log_prob(image), kls.sum()
    return kl - log_likelihood, {"elbo": log_likelihood - kl, "log_likelihood": log_likelihood, "kl": kl}


def place(pointing: Float[Array, "5"], filters: int, height: int, width: int) -> Filters:
    """Filters where the decoder points, as in section 3.2 of the paper; zeros span the whole image.

    Args:
        pointing: g̃_x, g̃_y, log σ², log δ̃, log γ.
        filters: along each side.
        height: of the image, in pixels.
        width: the same.
    """
    x, y, log_variance, log_stride, log_intensity = pointing
    centre_x, centre_y = (width + 1) / 2 * (x + 1) - 1, (height + 1) / 2 * (y + 1) - 1  # first pixel is 0
    stride = spanning(filters, height, width) * jnp.exp(log_stride)
    offsets = stride * (jnp.arange(filters) - (filters - 1) / 2)
    variance = jnp.exp(log_variance)
    reach = offsets[-1] + 2 * jnp.sqrt(variance)
    window = jnp.stack([centre_x - reach, centre_y - reach, centre_x + reach, centre_y + reach]) + 0.5
    return Filters(
        gaussians(centre_y + offsets, variance, height),
        gaussians(centre_x + offsets, variance, width),
        jnp.exp(log_intensity),
        window,
    )


def spanning(filters: int, height: int, width: int) -> float:
    """The stride, in pixels, at which a row of filters reaches from one side of the image to the other."""
    return (max(height, width) - 1) / max(filters - 1, 1)


def broad(filters: int, height: int, width: int, *, writes: bool) -> Float[Array, "5"]:
    """Where to point at first: filters all over the middle, half as broad as they lie apart.

    Narrow filters far apart see little of an image, and so would learn late to move. Those that write are so
    strong that strokes of one change the canvas by about one: a filter has sum one, on stride² pixels.
    """
    stride = spanning(filters, height, width) / 2
    log_intensity = -2 * math.log(stride) if writes else 0.0
    return jnp.array([0.0, 0.0, 2 * math.log(stride / 2), math.log(1 / 2), log_intensity])


def starting(layer: Linear, pointing: Float[Array, "5"]) -> Linear:
    """A layer whose first outputs point there at first."""
    return eqx.tree_at(lambda layer: layer.bias, layer, layer.bias.at[:POINTING].set(pointing))


def gaussians(
    centres: Float[Array, " filters"], variance: Array, pixels: int
) -> Float[Array, "filters pixels"]:
    """Gaussian weights around centres, rows of sum one: a filter that left the image clings to its edge."""
    distance = jnp.arange(pixels)[None, :] - centres[:, None]
    return jax.nn.softmax(-0.5 * distance**2 / variance, axis=1)

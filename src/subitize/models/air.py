"""AIR: attend to one object, infer what it is, repeat, and stop when nothing is left.

A scene of n objects is painted by adding up patches y(what_t) in windows where_t:

    n ~ p(n),  where_t ~ N(…),  what_t ~ N(0, I),   image ~ Normal(Σ_{t≤n} paint(y(what_t), where_t), σ).

The recognition network rolls out all N steps *as if each object were there*; at every step it sees the
image and what its canvas does not yet explain. The last thing drawn is one site, the count, from the
logits with which each step would have gone on. Steps behind the count enter no term, so the joint over
(count, where_1:n, what_1:n) is the paper's, and

    bound = log p(image | canvas_n) + log p(n) - log q(n) - Σ_{t≤n} KL_t

can be summed over the N + 1 counts of a single roll-out.

Eslami, Heess, Weber, Tassa, Szepesvari, Kavukcuoglu and Hinton (2016), "Attend, infer, repeat: fast scene
understanding with generative models".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.distributions import Normal, Stopping
from subitize.core.distributions.continuous import LOG_2PI
from subitize.core.draws import Means, Samples
from subitize.core.glimpse import Window, paint, read
from subitize.core.networks import MLP, Features, Linear

SMALLEST_DEVIATION = 1e-3  # of any posterior: keeps the density of a sure guess finite
SHARPNESS = 3.0  # of the choice among places
DARK = -2.0  # bias of the decoder's output: patches start dim, or the model learns to paint nothing


@dataclass(frozen=True)
class AIRSettings:
    """Everything that defines an AIR besides its weights.

    Args:
        height, width, channels: of the images.
        max_objects: N, the most objects that can be seen.
        object_size: mean side of a window in pixels.
        object_size_spread: its standard deviation, as a share of the mean.
        window: cells along the side of a window.
        what: dimensions of an object's code.
        recurrent, head, encoder, decoder: widths of the networks.
        convolutions: (stride, channels) of those on the image; features: length of what they yield.
        places: cells along each side of the grid on which the next window's place is chosen.
        pixel_deviation: σ of the likelihood.
    """

    height: int = 50
    width: int = 50
    channels: int = 1
    max_objects: int = 3
    object_size: float = 18.0
    object_size_spread: float = 0.08
    window: int = 16
    what: int = 20
    recurrent: int = 256
    head: int = 200
    encoder: int = 200
    decoder: int = 200
    convolutions: tuple[tuple[int, int], ...] = ((4, 16), (2, 32))
    features: int = 128
    places: int = 13
    pixel_deviation: float = 0.3

    @staticmethod
    def from_json(values: dict[str, Any]) -> AIRSettings:
        """Settings from their JSON, in which tuples have become lists."""
        pairs = tuple((stride, channels) for stride, channels in values["convolutions"])
        whole: dict[str, Any] = values | {"convolutions": pairs}
        return AIRSettings(**whole)

    @property
    def pool(self) -> int:
        """Pixels along the side of the blocks that the recurrent network sees."""
        return max(1, round(min(self.height, self.width) / 12.5))


class Step(NamedTuple):
    """What one step of the roll-out yields; a leading axis of steps once all are stacked."""

    go_on: Float[Array, "*steps"]  # logit of going on to this step
    where: Float[Array, "*steps 3"]
    what: Float[Array, "*steps what"]
    patch: Float[Array, "*steps height width channels"]  # painted on an empty canvas
    error: Float[Array, "*steps"]  # squared error of the canvas that keeps this and all earlier patches
    kl: Float[Array, "*steps"]  # of where and what, in nats


class Look(NamedTuple):
    """What AIR sees in one picture."""

    count: Int[Array, ""]  # the most probable
    posterior: Float[Array, " counts"]  # q(0) … q(N)
    boxes: Float[Array, "steps 4"]  # x0, y0, x1, y1 in pixels; the first `count` are the objects
    what: Float[Array, "steps what"]
    patches: Float[Array, "steps height width channels"]
    reconstruction: Float[Array, "height width channels"]


class AIR(eqx.Module):
    """Attend, infer, repeat.

    Args:
        settings: sizes and priors.
        key: for the initial weights.
    """

    settings: AIRSettings = eqx.field(static=True)
    features: Features  # of the whole image: what is where, and how many
    count: Linear  # features -> a share of the logits of going on
    see_features: Linear  # inputs of the recurrent cell: the image, the same at every step,
    see_residual: Linear  # what the canvas does not explain yet,
    remember: Linear  # and its own output
    attend: Linear  # memory -> what the next two read from it
    where: Linear  # -> logit of going on, and q(where) around
    places: Linear  # -> the place chosen on a grid
    encoder: MLP
    decoder: MLP

    def __init__(self, settings: AIRSettings, *, key: PRNGKeyArray):
        s, keys = settings, iter(jr.split(key, 11))
        seen = -(-s.height // s.pool) * -(-s.width // s.pool) * s.channels
        cells, gates = s.window**2 * s.channels, 4 * s.recurrent
        self.settings = s
        self.features = Features(
            s.height, s.width, s.channels, convolutions=s.convolutions, features=s.features, key=next(keys)
        )
        self.count = Linear(s.features, s.max_objects, key=next(keys), scale=0.02)
        self.see_features = Linear(s.features, gates, key=next(keys), scale=0.4)
        self.see_residual = Linear(seen, gates, key=next(keys), scale=0.7)
        self.remember = Linear(s.recurrent, gates, key=next(keys), scale=0.7)
        self.attend = Linear(s.recurrent, s.head, key=next(keys))
        self.where = Linear(s.head, 7, key=next(keys), scale=0.01)
        self.places = Linear(s.head, s.places**2, key=next(keys), scale=0.01)
        self.encoder = MLP((cells, s.encoder, 2 * s.what), key=next(keys), last_scale=0.5)
        self.decoder = MLP((s.what, s.decoder, cells), key=next(keys), last_scale=0.5)

    def prior_where(self) -> Normal:
        """Prior of (size, x, y): size as canvas over window side, shifts in half canvases from the middle.

        The shift's deviation is that of a window placed uniformly inside the canvas.
        """
        s = self.settings
        zoom = min(s.height, s.width) / s.object_size
        shift = max(1 - 1 / zoom, 0.1) / 3**0.5
        return Normal(jnp.array([zoom, 0.0, 0.0]), jnp.array([s.object_size_spread * zoom, shift, shift]))

    def prior_what(self) -> Normal:
        """Prior of an object's code."""
        return Normal(jnp.zeros(self.settings.what), jnp.ones(self.settings.what))

    def window(self, where: Float[Array, "3"]) -> Window:
        """The window that `where` speaks of, in pixels."""
        s = self.settings
        side = min(s.height, s.width) / jnp.maximum(where[0], 1.0)
        return Window(side, (1 + where[1]) * s.width / 2, (1 + where[2]) * s.height / 2)

    def paint(self, where: Float[Array, "3"], what: Float[Array, " what"]) -> Float[Array, "H W c"]:
        """One object on an empty canvas."""
        s = self.settings
        patch = jax.nn.sigmoid(self.decoder(what) + DARK).reshape(s.window, s.window, s.channels)
        return paint(patch, self.window(where), s.height, s.width)

    def roll_out(self, image: Float[Array, "height width channels"], draw: Any) -> Step:
        """All N steps, each as if its object were there; draws `where` and `what` at every step."""
        s = self.settings
        features = self.features(image)
        seen = self.see_features(features)
        output = cell = jnp.zeros(s.recurrent, image.dtype)
        residual, steps = image, []
        for t in range(s.max_objects):  # few and fixed: unrolled, they run faster than a scan
            unexplained = pooled(jax.lax.stop_gradient(residual), s.pool)
            output, cell = lstm(seen + self.see_residual(unexplained) + self.remember(output), cell)
            found = self._attend_and_infer(image, output, draw.at(t))
            residual = residual - found.patch
            steps.append(found._replace(error=jnp.sum(residual**2)))
        steps = jax.tree.map(lambda *x: jnp.stack(x), *steps)
        return steps._replace(go_on=steps.go_on + self.count(features))

    def _attend_and_infer(self, image: Array, memory: Array, draw: Callable) -> Step:
        """One object: where it is, what it is, and how it looks."""
        attention = jax.nn.relu(self.attend(memory))
        go_on, loc, scale = jnp.split(self.where(attention), [1, 4])
        place = grid_mean(jax.nn.softmax(SHARPNESS * self.places(attention)), self.settings.places)
        prior = self.prior_where()
        q_where = Normal(
            prior.loc + prior.scale * (loc + jnp.append(0.0, place)), prior.scale * deviation(scale)
        )
        where = draw("where", q_where)
        glimpse = read(image, self.window(where), self.settings.window)
        loc, scale = jnp.split(self.encoder(glimpse.ravel()), 2)
        q_what = Normal(loc, deviation(scale))
        what = draw("what", q_what)
        kl = q_where.kl(prior) + q_what.kl(self.prior_what())
        return Step(go_on[0], where, what, self.paint(where, what), jnp.zeros(()), kl)

    def look(self, image: Float[Array, "height width channels"]) -> Look:
        """Count what is in one picture, with every continuous variable at its mean: deterministic."""
        steps = self.roll_out(image, Means())
        count = Stopping(steps.go_on)
        best = jnp.argmax(count.log_probs())
        kept = count.support()[best]
        boxes = jax.vmap(lambda where: self.window(where).box())(steps.where)
        canvas = jnp.tensordot(kept, steps.patch, 1)
        return Look(best, count.probs(), boxes, steps.what, steps.patch, canvas)

    def dream(self, key: PRNGKeyArray, log_prior: Float[Array, " counts"]) -> tuple[Array, Array]:
        """Sample a scene: (mean image, count)."""
        s, draw = self.settings, Samples(key)
        count = jr.categorical(jr.fold_in(key, s.max_objects), log_prior)

        def one(t):
            at = draw.at(t)
            return self.paint(at("where", self.prior_where()), at("what", self.prior_what()))

        patches = jax.vmap(one)(jnp.arange(s.max_objects))
        return jnp.tensordot((jnp.arange(s.max_objects) < count).astype(patches.dtype), patches, 1), count


def negative_elbo(model: AIR, scene: tuple[Array, Array], draw: Any) -> tuple[Array, dict[str, Array]]:
    """The program: minus the evidence lower bound of one image, in nats.

    Args:
        model: the AIR.
        scene: the image, and the log-prior over counts 0 … N (given, so that it may be annealed).
        draw: gives out the random values `where` and `what` at each step, and `count`.

    Returns:
        The cost, and its parts, to report.
    """
    image, log_prior = scene
    steps = model.roll_out(image, draw)
    q = Stopping(steps.go_on)
    parts = Evidence.of(model, image, log_prior, steps).bound(q, draw("count", q))
    return -parts["elbo"], parts


class Evidence(NamedTuple):
    """All that the bound of one roll-out needs to know, for whatever count.

    A count's unary code v keeps the first patches, so every term is linear in it:

        log p(x | v) = ll_0 + Σ_t v_t (ll_t - ll_{t-1}),    ll_t = log Normal(x; Σ_{s≤t} y_s, σ),

    and judging one more count costs next to nothing.
    """

    log_likelihood: Float[Array, " counts"]
    kl: Float[Array, " steps"]
    log_prior: Float[Array, " counts"]

    @staticmethod
    def of(model: AIR, image: Array, log_prior: Array, steps: Step) -> Evidence:
        """The evidence in one roll-out."""
        σ = model.settings.pixel_deviation
        errors = jnp.concatenate([jnp.sum(image**2)[None], steps.error])
        constant = image.size * (math.log(σ) + 0.5 * LOG_2PI)
        return Evidence(-0.5 * errors / σ**2 - constant, steps.kl, log_prior)

    def bound(self, q: Stopping, count: Float[Array, " steps"]) -> dict[str, Array]:
        """The bound at one count, given as its unary code, and its parts, in nats."""
        log_likelihood = self.log_likelihood[0] + count @ jnp.diff(self.log_likelihood)
        kl = count @ self.kl
        kl_count = q.log_prob(count) - self.log_prior[0] - count @ jnp.diff(self.log_prior)
        return {
            "elbo": log_likelihood - kl - kl_count,
            "log_likelihood": log_likelihood,
            "kl": kl,
            "kl_count": kl_count,
            "count": count.sum(),
        }


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


def lstm(gates: Float[Array, " gates"], cell: Float[Array, " width"]) -> tuple[Array, Array]:
    """Output and cell of a long short-term memory from its summed gate inputs."""
    enter, keep, leave, new = jnp.split(gates, 4)
    cell = jax.nn.sigmoid(keep + 1) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
    return jax.nn.sigmoid(leave) * jnp.tanh(cell), cell


def deviation(x: Array) -> Array:
    """A standard deviation from a network's output; one where the output is zero."""
    return jax.nn.softplus(x + 0.5413249) + SMALLEST_DEVIATION

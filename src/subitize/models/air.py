"""AIR: attend to one object, infer what it is, repeat, and stop when nothing is left.

A scene of n objects is painted by adding up patches y(what_t) in windows where_t:

    n ~ p(n),  where_t ~ N(…),  what_t ~ N(0, I),   image ~ Normal(Σ_{t≤n} paint(y(what_t), where_t), σ).

The recognition network unrolls all N steps *as if each object were there*. At every step it sees the image
and what its canvas does not yet explain. The last thing drawn is one sample site, the count. Its logits are
the steps' logits of continuing. Steps t > n enter no term, so the joint over (count, where_1:n, what_1:n) is
the paper's. Its

    elbo = log p(image | canvas_n) + log p(n) - log q(n) - Σ_{t≤n} KL_t

can be summed over the N + 1 counts of a single roll-out. The canvas that the attention network sees is under
a stop-gradient: how a step's patch changes what later steps see is not differentiated. So the gradient is
biased by that path alone, even where the count is summed exactly.

Eslami, Heess, Weber, Tassa, Szepesvari, Kavukcuoglu and Hinton (2016), "Attend, infer, repeat: fast scene
understanding with generative models".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.counts import COUNT_PRIORS, AbstractCountPrior
from subitize.core.distributions import Normal, Stopping
from subitize.core.distributions.continuous import LOG_2PI
from subitize.core.draws import Samples
from subitize.core.errors import UsageError
from subitize.core.glimpse import Window, paint, read
from subitize.core.interfaces import Draw
from subitize.core.networks import MLP, positive_scale
from subitize.core.specs import from_spec
from subitize.models.attention import (
    AbstractAttention,
    AttentionOutput,
    Eslami2016Attention,
    RecurrentAttention,
)
from subitize.models.dair import DifferenceAttention
from subitize.models.settings import AIRSettings

DECODER_BIAS = -2.0  # bias of the decoder's output: patches start dim, or the model learns to paint nothing
MAX_PATCH_PIXELS = 2e7  # of all patches of one image, of four bytes each; 16 images make a batch
ATTENTION_NETWORKS: dict[str, type[AbstractAttention]] = {
    "air": RecurrentAttention,
    "eslami2016": Eslami2016Attention,
    "dair": DifferenceAttention,
}


class Step(NamedTuple):
    """The outputs of one step; with a leading axis of steps once all are stacked."""

    continue_logit: Float[Array, "*steps"]  # of z_pres: whether there is an object for this step
    where: Float[Array, "*steps 3"]
    what: Float[Array, "*steps what"]
    patch: Float[Array, "*steps height width channels"]  # painted on an empty canvas
    error: Float[Array, "*steps"]  # squared error of the canvas that keeps this and all earlier patches
    kl: Float[Array, "*steps"]  # of where and what, in nats
    sampling_cost: Float[Array, "*steps"]  # expected loss of log-likelihood by sampling them, in nats

    @property
    def cost(self) -> Float[Array, "*steps"]:
        """The penalty of an object at its posterior means, as in Laplace's approximation, in nats."""
        return self.kl + self.sampling_cost


class Carry(NamedTuple):
    """The carry from one step to the next."""

    state: PyTree  # of the attention network
    canvas: Float[Array, "height width channels"]  # all patches painted so far
    previous: Float[Array, " latents"]  # where and what of the previous step; zeros at first


class AIR(eqx.Module):
    """Attend, infer, repeat.

    Args:
        settings: sizes and priors.
        key: for the initial weights.
    """

    settings: AIRSettings = eqx.field(static=True)
    attention: AbstractAttention
    encoder: MLP
    decoder: MLP
    count_prior: AbstractCountPrior

    def __init__(self, settings: AIRSettings, *, key: PRNGKeyArray):
        s, keys = settings, jr.split(key, 11)
        cells = s.window**2 * s.channels
        self.settings = s
        self.attention = ATTENTION_NETWORKS[s.model](s, keys[:8])
        self.encoder = MLP((cells, s.encoder, 2 * s.what_dim), key=keys[8], last_scale=0.5)
        self.decoder = MLP((s.what_dim, s.decoder, cells), key=keys[9], last_scale=0.5)
        self.count_prior = from_spec(s.count_prior, COUNT_PRIORS, "count prior")

    def for_inference(self, max_objects: int | None = None, passes: int = 1) -> AIR:
        """The same weights for inference with another limit on the count, or with refinement passes.

        Args:
            max_objects: the most objects that are looked for; None as in training.
            passes: over each picture; those after the first refine what was found.

        Raises:
            UsageError: its attention network has a fixed number of steps, or is deterministic and would find
                the same again; a number is below one; or so many patches need too much memory.
        """
        s = self.settings
        room = int(MAX_PATCH_PIXELS / (s.height * s.width * s.channels))
        max_objects = s.max_objects if max_objects is None else max_objects
        if max_objects < 1 or passes < 1:
            raise UsageError(
                f"A model makes at least one pass, for at least 1 object; got {passes} and {max_objects}."
            )
        longer = replace(s, max_objects=max_objects, passes=passes)
        if longer == s:
            return self
        if passes > 1 and not self.attention.stochastic:
            raise UsageError(
                f"The model '{s.model}' would find the same at every pass. Those that refine: "
                f"{', '.join(name for name, own in ATTENTION_NETWORKS.items() if own.stochastic)}."
            )
        if not self.attention.any_length and max_objects != s.max_objects:
            raise UsageError(
                f"The model '{s.model}' was trained for {s.max_objects} steps and takes no others. Those "
                f"that do: {', '.join(name for name, own in ATTENTION_NETWORKS.items() if own.any_length)}."
            )
        if max_objects > room:
            raise UsageError(
                f"A patch for each of {max_objects} objects on a canvas of {s.height}x{s.width} does not fit "
                f"into memory. Ask for at most {room}."
            )
        shape = jax.eval_shape(lambda key: AIR(longer, key=key), jr.key(0))
        return jax.tree.unflatten(jax.tree.structure(shape), jax.tree.leaves(self))

    def prior_where(self) -> Normal:
        """Prior of (zoom, x, y): zoom is the canvas's side over the window's, shifts are in half canvases.

        The standard deviations of the shifts are those of a window placed uniformly inside the canvas.
        """
        s = self.settings
        spread = jnp.array([s.object_size_spread * s.zoom, *s.shift_deviations])
        return Normal(jnp.array([s.zoom, 0.0, 0.0]), spread)

    def prior_what(self) -> Normal:
        """Prior of an object's code."""
        return Normal(jnp.zeros(self.settings.what_dim), jnp.ones(self.settings.what_dim))

    def log_prior(self) -> Float[Array, " counts"]:
        """Log-prior of the counts 0 … N."""
        return self.count_prior.log_probs(self.settings.max_objects)

    def window(self, where: Float[Array, "3"]) -> Window:
        """The window of a `where`, in pixels."""
        s = self.settings
        side = min(s.height, s.width) / jnp.maximum(where[0], 1.0)
        return Window(side, (1 + where[1]) * s.width / 2, (1 + where[2]) * s.height / 2)

    @jax.jit
    def paint(self, window: Window, what: Float[Array, " what"]) -> Float[Array, "H W c"]:
        """One object on an empty canvas."""
        s = self.settings
        patch = jax.nn.sigmoid(self.decoder(what) + DECODER_BIAS).reshape(s.window, s.window, s.channels)
        return paint(patch, window, s.height, s.width)

    @jax.jit
    def recognise(self, image: Float[Array, "H W c"], window: Window) -> Normal:
        """q(what) of what is seen through a window."""
        loc, scale = jnp.split(self.encoder(read(image, window, self.settings.window).ravel()), 2)
        return Normal(loc, positive_scale(scale))

    def roll_out(self, image: Float[Array, "height width channels"], draw: Draw) -> Step:
        """All N steps, each as if its object were there; draws what `begin` and `advance` do."""
        advance = lambda t, carry: self.advance(t, carry, image, draw.at(t))  # noqa: E731
        return self.scan_steps(self.begin(image, draw), advance)

    def scan_steps(self, carry: Carry, advance: Callable[[int, Carry], tuple[Step, Carry]]) -> Step:
        """All N steps by `advance`, from the carry before the first."""
        steps = []
        for t in range(self.settings.max_objects):  # few and fixed: unrolled, they run faster than a scan
            step, carry = advance(t, carry)
            steps.append(step)
        return jax.tree.map(lambda *x: jnp.stack(x), *steps)

    def begin(self, image: Float[Array, "height width channels"], draw: Draw) -> Carry:
        """The carry before the first step: an empty canvas.

        A stochastic attention network draws at the site `order` in which order it prefers places. Like the
        sites of all steps it is reparameterised; only the estimator of the count can be chosen.
        """
        nothing = jnp.zeros(3 + self.settings.what_dim, image.dtype)
        return Carry(self.attention.begin(image, draw.at(0)), jnp.zeros_like(image), nothing)

    def advance(
        self, t: int | Array, carry: Carry, image: Float[Array, "height width channels"], draw: Draw
    ) -> tuple[Step, Carry]:
        """Step t, from 0, as if its object were there; draws `where` and `what` with the step's own draw."""
        state, canvas, previous = carry
        attended, state = attend(self.attention, t, state, image, jax.lax.stop_gradient(canvas), previous)
        step = self.infer_object(image, attended, draw)
        canvas, previous = canvas + step.patch, jnp.concatenate([step.where, step.what])
        return step._replace(error=jnp.sum((image - canvas) ** 2)), Carry(state, canvas, previous)

    def infer_object(self, image: Array, attended: AttentionOutput, draw: Draw) -> Step:
        """One object: where it is, what it is, and how it looks."""
        prior = self.prior_where()
        loc, scale = attended.where.loc, attended.where.scale
        q_where = Normal(prior.loc + prior.scale * loc, prior.scale * scale)
        where = draw("where", q_where)
        window = self.window(where)
        q_what = self.recognise(image, window)
        what = draw("what", q_what)
        kl = q_where.kl(prior) + q_what.kl(self.prior_what())
        cost = sampling_cost(q_where, prior) + sampling_cost(q_what, self.prior_what())
        return Step(attended.continue_logit, where, what, self.paint(window, what), jnp.zeros(()), kl, cost)

    def sample_prior(
        self, key: PRNGKeyArray, log_prior: Float[Array, " counts"] | None = None
    ) -> tuple[Array, Array]:
        """Sample a scene: (mean image, count), the count from its own prior or a given one."""
        s, draw = self.settings, Samples(key)
        log_prior = self.log_prior() if log_prior is None else log_prior
        count = jr.categorical(jr.fold_in(key, s.max_objects), log_prior)

        def one(t):
            at = draw.at(t)
            return self.paint(self.window(at("where", self.prior_where())), at("what", self.prior_what()))

        patches = jax.vmap(one)(jnp.arange(s.max_objects))
        return jnp.tensordot((jnp.arange(s.max_objects) < count).astype(patches.dtype), patches, 1), count


def sampling_cost(q: Normal, prior: Normal) -> Float[Array, ""]:
    """Expected loss of log-likelihood by sampling from q and not taking its mean: ½ Σ (1 - s² / S²) nats.

    That holds for the optimal scales s of q, where S are those of the prior.

    With curvature h in a latent, the bound is highest at 1 / s² = h + 1 / S², and sampling costs ½ h s².
    """
    return 0.5 * jnp.sum(1 - (q.scale / prior.scale) ** 2)


@jax.jit
def attend(
    network: AbstractAttention, step: Array | int, state: PyTree, image: Array, canvas: Array, previous: Array
) -> tuple[AttentionOutput, PyTree]:
    """The output of the attention network; traced once for all steps, so that a roll-out compiles sooner."""
    return network.attend(step, state, image, canvas, previous)


def negative_elbo(
    model: AIR, image: Float[Array, "height width channels"], draw: Draw
) -> tuple[Array, dict[str, Array]]:
    """The cost function: the negative ELBO of one image, in nats.

    Args:
        model: the AIR.
        image: what is seen.
        draw: gives the values of sample sites: `where` and `what` at each step, `count`, and `order` if
            the attention network is stochastic.

    Returns:
        The cost, and its parts, to report.
    """
    steps = model.roll_out(image, draw)
    q = Stopping(steps.continue_logit)
    parts = ElboTerms.of(model, image, model.log_prior(), steps).elbo_at(q, draw("count", q))
    return -parts["elbo"], parts


class ElboTerms(NamedTuple):
    """The terms of the ELBO of one roll-out, for every count.

    The unary code v of a count has ones for the steps that are kept, so every term is linear in v:

        log p(x | v) = ll_0 + Σ_t v_t (ll_t - ll_{t-1}),    ll_t = log Normal(x; Σ_{s≤t} y_s, σ),

    and the ELBO at one more count costs next to nothing.
    """

    log_likelihood: Float[Array, " counts"]
    kl: Float[Array, " steps"]
    log_prior: Float[Array, " counts"]

    @staticmethod
    def of(model: AIR, image: Array, log_prior: Array, steps: Step) -> ElboTerms:
        """The terms of one roll-out."""
        σ = model.settings.pixel_deviation
        errors = jnp.concatenate([jnp.sum(image**2)[None], steps.error])
        constant = image.size * (math.log(σ) + 0.5 * LOG_2PI)
        return ElboTerms(-0.5 * errors / σ**2 - constant, steps.kl, log_prior)

    def elbo_at(self, q: Stopping, count: Float[Array, " steps"]) -> dict[str, Array]:
        """The ELBO at one count, given as its unary code, and its parts, in nats."""
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

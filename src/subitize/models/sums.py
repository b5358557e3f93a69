"""Sums: what a picture of several things looks like can be learned from pictures of one.

Where a canvas adds up, the sum of m pictures that hold one thing each is a picture that holds m, and nobody
had to count. Attend-Infer-Repeat alone does not use that, and its most stubborn error is to take two things
that touch for one: its decoder has learned to draw the pair, so the bound itself prefers one. Here pictures
that the model counts as one each, and whose sum nowhere exceeds white, become *sum scenes*, which enter
training twice; m is the smallest count above one that occurs, for only then can they be like real scenes:

* force: their m windows must explain them; the cost is minus the bound at count m;
* contrast: D(x) = q(m|x) / (q(m|x) + π), π the share of scenes of m, must tell sum scenes from real ones, as
  in noise-contrastive estimation (Gutmann and Hyvärinen 2010). If sums are distributed as real scenes of m
  are, their density ratio is p(m|x)/π, so told apart with equal weights the best q(m|x) is p(m|x): it is
  pushed neither up nor down. Both sides of a batch weigh the same, and the more the more sums it has: while
  the model knows no one when it sees it, there is no contrast at all. A recipe says how many nats it is
  worth, per scene; at zero nothing but force is left.

This is unsupervised: counts come from the model itself, and no label is seen. It assumes that objects add
up and are placed independently; where that does not hold (textured grounds, objects that attract each
other) leave it out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.distributions import Stopping
from subitize.core.interfaces import Draw
from subitize.models.air import AIR, ElboTerms

FORCE = 0.25  # share of a real scene's weight with which a sum scene's bound counts
CANDIDATES = 20  # the most certain ones of a batch, from which summands are drawn
TRIES = 3  # draws for each further summand of a sum that is wanted: many do not fit
SURE = 0.25  # least probability that all are ones
DECAY = 0.98  # decay of the running share of scenes with as many objects


class TrainingExample(NamedTuple):
    """One example of training: a real scene, or a sum of some.

    Attributes:
        image: what is seen.
        prior_shift: added to the log-prior over counts 0 … N, while that is annealed.
        sharpness: factor on the count's logits; low at first, so that no count is ruled out too soon.
        real: weight as a real scene.
        told: weight with which it is told from sums, as a real scene.
        sum: weight as a sum scene.
        share: π, the share of scenes of m among real ones.
        summands: m, of every sum scene of the batch.
        nce_weight: nats that telling sums from real scenes is worth, per scene.
    """

    image: Float[Array, "height width channels"]
    prior_shift: Float[Array, " counts"]
    sharpness: Float[Array, ""]
    real: Float[Array, ""]
    told: Float[Array, ""]
    sum: Float[Array, ""]
    share: Float[Array, ""]
    summands: Int[Array, ""]
    nce_weight: Float[Array, ""]


class ReplayBuffer(NamedTuple):
    """What is remembered of the batch before: its pictures, how probably each is a one, and π."""

    images: Float[Array, "batch height width channels"]
    ones: Float[Array, " batch"]
    share: Float[Array, ""]


def sum_scene_loss(model: AIR, example: TrainingExample, draw: Draw) -> tuple[Array, dict[str, Array]]:
    """The program: the negative bound of a real scene, or what a sum scene teaches; in nats."""
    steps = model.roll_out(example.image, draw)
    q = Stopping(example.sharpness * steps.continue_logit)
    evidence = ElboTerms.of(model, example.image, model.log_prior() + example.prior_shift, steps)
    parts = evidence.elbo_at(q, draw("count", q))
    log_probs = q.log_probs()
    cost = -example.real * parts["elbo"]
    if model.settings.max_objects >= 2:
        m = example.summands
        all_of_them = (jnp.arange(model.settings.max_objects) < m).astype(log_probs.dtype)
        at_m = evidence.elbo_at(q, all_of_them)["elbo"] + log_probs[m]
        told_sum = jnp.logaddexp(log_probs[m], jnp.log(example.share)) - log_probs[m]
        told_real = jnp.log1p(jnp.exp(log_probs[m]) / example.share)
        cost += example.nce_weight * (example.told * told_real + example.sum * told_sum)
        cost -= FORCE * example.sum * at_m
    return cost, parts | {"posterior": jnp.exp(log_probs)}


def empty_buffer(images: Float[Array, "batch height width channels"]) -> ReplayBuffer:
    """Before the first batch: nothing is certain to be a one."""
    return ReplayBuffer(
        jnp.zeros_like(images), jnp.zeros(images.shape[0], images.dtype), jnp.full((), 1 / 3, images.dtype)
    )


def update_buffer(
    before: ReplayBuffer, images: Array, posterior: Float[Array, "batch counts"], summands: int
) -> ReplayBuffer:
    """After a batch: its pictures, and what the model thought of them."""
    posterior = posterior.astype(images.dtype)
    several = posterior[:, summands].mean() if posterior.shape[1] > summands else before.share
    return ReplayBuffer(images, posterior[:, 1], DECAY * before.share + (1 - DECAY) * several)


def sum_scenes(
    before: ReplayBuffer, number: int, summands: int, key: PRNGKeyArray
) -> tuple[Array, Float[Array, " number"]]:
    """Sums of remembered ones, and their weights (zero where none were found that are sure and fit).

    Args:
        before: the batch to take them from.
        number: how many sums to make.
        summands: m, pictures in each.
        key: for the choice.
    """
    choose, *each = jr.split(key, summands + 1)
    ties = 1e-4 * jr.uniform(choose, before.ones.shape)
    likely = jnp.argsort(-before.ones + ties)[:CANDIDATES]
    tries = number * TRIES ** (summands - 1)
    picks = jnp.stack([likely[jr.randint(one, (tries,), 0, likely.size)] for one in each])
    sums = before.images[picks].sum(0)
    different = (jnp.diff(jnp.sort(picks, axis=0), axis=0) > 0).all(0)
    fits = different & (sums.max((1, 2, 3)) <= 1 + 1e-5)
    keep = jnp.argsort(~fits)[:number]
    weight = (fits * before.ones[picks].prod(0))[keep]
    return sums[keep], jax.lax.stop_gradient(jnp.where(weight > SURE, weight, 0.0))

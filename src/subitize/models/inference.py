"""Inference: what does an AIR see in one picture, with `where` and `what` at their means?

What nobody can see is not counted. A run may learn to spend its first step on an empty place, which costs it
little, and to paint nothing there. An object is visible if its patch y, painted on black, changes the
log-likelihood by at least `VISIBLE` nats: |y|² / 2σ² ≥ 1. With s_n the visible ones among the first n,

    q(k objects) = Σ_n q(n) [s_n = k].

An attention network that may take any number of steps takes them while one more object has a probability
of at least `UNLIKELY`, and at most N; there are no boxes, codes and patches behind the last one. Those of
invisible objects come after all others. With a stochastic one further passes may refine what is found
(`subitize.models.refinement`).

`infer_per_object` asks what is seen rather than how much. Its windows are drawn, and every object is
recognised again in x - Σ_{s≠t} y_s, without the others.
"""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.draws import Means, Samples
from subitize.core.interfaces import Inference
from subitize.models.air import AIR, Carry, Step
from subitize.models.refinement import OPTIONS as REFINEMENT
from subitize.models.refinement import refine
from subitize.models.rollout import UNLIKELY, Rollout, Shifted, mean_step, rollout

VISIBLE = 1.0  # nats
SWEEPS = 2  # times that `infer_per_object` explains each object without the others
OPTIONS = VISIBLE, SWEEPS, UNLIKELY, REFINEMENT  # that decide what is seen


def infer(air: AIR, image: Float[Array, "height width channels"]) -> Inference:
    """What an AIR sees in one picture, with `where` and `what` at their means: deterministic."""
    found = rollout(air, image, air.begin(image, Means()), mean_step(air, image))
    if air.settings.passes > 1:
        again = jnp.arange(air.settings.passes - 1)
        found, _ = jax.lax.scan(lambda found, i: (refine(air, image, found, i), None), found, again)
    return summed_up(air, found)


def infer_per_object(air: AIR, image: Float[Array, "height width channels"], key: PRNGKeyArray) -> Inference:
    """What an AIR sees at windows drawn from q(where), and then at each object without the others.

    What is near an object is in its window and blurs its code; explained away it does not. Several such
    inferences are draws of what a picture may be, and tell more of it than the one at the means.
    """

    def advance(t: Array | int, progress: Carry) -> tuple[Step, Carry]:
        return air.advance(t, progress, image, Shifted(jr.normal(jr.fold_in(key, t), (3,))))

    found = rollout(air, image, air.begin(image, Samples(key)), advance)
    turns = jnp.tile(jnp.arange(len(found.counts)), SWEEPS)
    found, _ = jax.lax.scan(lambda found, t: (without_the_others(air, image, found, t), None), found, turns)
    return summed_up(air, found)


def without_the_others(air: AIR, image: Array, found: Rollout, t: Int[Array, ""]) -> Rollout:
    """Object t recognised again in what the other counted ones leave, if so less remains unexplained."""
    others, objects = found.counts.at[t].set(False).astype(image.dtype), found.objects
    left, window = image - jnp.tensordot(others, objects.patches, 1), air.window(objects.where[t])
    what = air.recognise(jnp.clip(left, 0, 1), window).loc
    patch = air.paint(window, what)
    better = found.counts[t] & (jnp.sum((left - patch) ** 2) < jnp.sum((left - objects.patches[t]) ** 2))
    changed = objects._replace(what=objects.what.at[t].set(what), patches=objects.patches.at[t].set(patch))
    return found._replace(objects=jax.tree.map(partial(jnp.where, better), changed, objects))


def summed_up(air: AIR, found: Rollout) -> Inference:
    """What is seen in a roll-out: invisible objects are not counted."""
    light = jnp.sum(found.objects.patches**2, (1, 2, 3)) / (2 * air.settings.pixel_deviation**2)
    taken = jnp.arange(len(light)) < found.taken
    visible = (light >= VISIBLE) | ~taken
    first = jnp.argsort(~visible, stable=True)
    among = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(visible)])
    posterior = jnp.zeros_like(found.posterior).at[among].add(found.posterior)
    boxes = jax.vmap(lambda where: air.window(where).box())(found.objects.where) * taken[:, None]
    boxes, what, patches = (x[first] for x in (boxes, found.objects.what, found.objects.patches))
    count = jnp.argmax(posterior)
    kept = (jnp.arange(len(light)) < count).astype(patches.dtype)
    return Inference(count, posterior, boxes, what, patches, jnp.tensordot(kept, patches, 1))

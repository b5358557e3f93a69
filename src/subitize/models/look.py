"""Look: what does an AIR see in one picture, with every continuous variable at its mean?

A guide that knows only the steps it was trained for takes them all. One that may take any number looks for
one more object while that has a probability of at least `UNLIKELY`, and at most N times.

What nobody can see is not counted. A run may learn to spend its first step on an empty place, which costs it
little, and to paint nothing there. An object is visible if its patch y, painted on black, changes the
log-likelihood by at least `VISIBLE` nats: |y|² / 2σ² ≥ 1. With s_n the visible ones among the first n,

    q(k objects) = Σ_n q(n) [s_n = k].
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from subitize.core.distributions import Stopping
from subitize.core.draws import Means

UNLIKELY = 1e-3  # probability of one more object, below which nobody looks for it
VISIBLE = 1.0  # nats


class Look(NamedTuple):
    """What AIR sees in one picture.

    A guide that may take any number of steps takes them while one more object has a probability of at least
    `UNLIKELY`, and at most N; there are no boxes, codes and patches behind the last one. Those of invisible
    objects come after all others.
    """

    count: Int[Array, ""]  # the most probable
    posterior: Float[Array, " counts"]  # q(0) … q(N)
    boxes: Float[Array, "steps 4"]  # x0, y0, x1, y1 in pixels; the first `count` are the objects
    what: Float[Array, "steps what"]
    patches: Float[Array, "steps height width channels"]
    reconstruction: Float[Array, "height width channels"]


class Looking(NamedTuple):
    """A look under way, with as many steps as it takes."""

    step: Int[Array, ""]  # the next one
    memory: Any  # of the guide
    canvas: Float[Array, "height width channels"]
    latest: Float[Array, " latents"]
    more: Float[Array, ""]  # probability with which the step before went on
    found: Look  # the posterior's entry at `step` is the probability of at least so many objects


def look_at_all(air: Any, image: Float[Array, "height width channels"]) -> Look:
    """Look at all N objects, each as if it were there."""
    steps = air.roll_out(image, Means())
    boxes = jax.vmap(lambda where: air.window(where).box())(steps.where)
    found = Look(jnp.asarray(0), Stopping(steps.go_on).probs(), boxes, steps.what, steps.patch, image)
    return summed_up(air, found, air.settings.max_objects)


def look_on(air: Any, image: Float[Array, "height width channels"]) -> Look:
    """Look at one object after the other for as long as there may be one more, but at most N times.

    What little probability is left then is shared out as if all further steps were like the last.
    """
    most, what = air.settings.max_objects, air.settings.what

    def may_go_on(looking: Looking) -> Array:
        return (looking.step < most) & (looking.found.posterior[looking.step] >= UNLIKELY)

    def go_on(looking: Looking) -> Looking:
        t, memory, canvas, latest, _, found = looking
        attention, memory = air.guide.attend(t, memory, image, canvas, latest)
        step, reached = air.infer(image, attention, Means()), found.posterior[t]
        more = jax.nn.sigmoid(step.go_on)
        found = found._replace(
            posterior=found.posterior.at[t].set(reached * (1 - more)).at[t + 1].set(reached * more),
            boxes=found.boxes.at[t].set(air.window(step.where).box()),
            what=found.what.at[t].set(step.what),
            patches=found.patches.at[t].set(step.patch),
        )
        latest = jnp.concatenate([step.where, step.what])
        return Looking(t + 1, memory, canvas + step.patch, latest, more, found)

    nothing = Look(
        count=jnp.asarray(0),
        posterior=jnp.zeros(most + 1).at[0].set(1.0),
        boxes=jnp.zeros((most, 4)),
        what=jnp.zeros((most, what)),
        patches=jnp.zeros((most, *image.shape), image.dtype),
        reconstruction=jnp.zeros_like(image),
    )
    nobody = jnp.zeros(3 + what, image.dtype)
    canvas = jnp.zeros_like(image)
    start = Looking(jnp.asarray(0), air.guide.begin(image), canvas, nobody, jnp.zeros(()), nothing)
    t, *_, more, found = jax.lax.while_loop(may_go_on, go_on, start)
    n, rest = jnp.arange(most + 1), found.posterior[t]
    tail = rest * more ** jnp.maximum(n - t, 0) * jnp.where(n < most, 1 - more, 1.0)
    return summed_up(air, found._replace(posterior=jnp.where(n < t, found.posterior, tail)), t)


def summed_up(air: Any, found: Look, taken: int | Int[Array, ""]) -> Look:
    """What is seen, from the posterior over steps and the object of each: invisible ones are not counted.

    Args:
        air: the model.
        found: count and reconstruction mean nothing yet.
        taken: how many steps were taken; of the others nobody knows how they would look.
    """
    light = jnp.sum(found.patches**2, (1, 2, 3)) / (2 * air.settings.pixel_deviation**2)
    visible = (light >= VISIBLE) | (jnp.arange(len(light)) >= taken)
    first = jnp.argsort(~visible, stable=True)
    among = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(visible)])
    posterior = jnp.zeros_like(found.posterior).at[among].add(found.posterior)
    boxes, what, patches = (x[first] for x in (found.boxes, found.what, found.patches))
    count = jnp.argmax(posterior)
    kept = (jnp.arange(len(light)) < count).astype(patches.dtype)
    return Look(count, posterior, boxes, what, patches, jnp.tensordot(kept, patches, 1))

"""Look: what does an AIR see in one picture, with `where` and `what` at their means?

A guide that knows only the steps it was trained for takes them all. One that may take any number looks for
one more object while that has a probability of at least `UNLIKELY`, and at most N times.

What nobody can see is not counted. A run may learn to spend its first step on an empty place, which costs it
little, and to paint nothing there. An object is visible if its patch y, painted on black, changes the
log-likelihood by at least `VISIBLE` nats: |y|² / 2σ² ≥ 1. With s_n the visible ones among the first n,

    q(k objects) = Σ_n q(n) [s_n = k].

A restless guide may look several times, first in its mean order and then in others. Of these looks the one is
kept that explains the picture best, by the bound at its own count:

    log Normal(x; Σ_{t≤n} y_t, σ) + log p(n) - Σ_{t≤n} KL_t.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples

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


class Sight(NamedTuple):
    """One roll-out, with `where` and `what` at their means."""

    posterior: Float[Array, " counts"]  # q(0) … q(N) of steps, whatever they paint
    boxes: Float[Array, "steps 4"]
    what: Float[Array, "steps what"]
    patches: Float[Array, "steps height width channels"]
    kl: Float[Array, " steps"]  # of where and what, in nats
    taken: Int[Array, ""]  # steps; of the others nobody knows how they would look


class Looking(NamedTuple):
    """A roll-out under way, with as many steps as it takes."""

    progress: Any  # what the last step left to the next
    more: Float[Array, ""]  # probability with which the step before went on
    found: Sight  # the posterior's entry at `taken` is the probability of at least so many objects


def look(air: Any, image: Float[Array, "height width channels"]) -> Look:
    """Look once or several times, and keep what explains the picture best."""
    first = air.begin(image, Means())
    if air.settings.looks == 1:
        return summed_up(air, sight(air, image, first))
    keys = jr.split(jr.key(0), air.settings.looks - 1)
    others = jax.vmap(lambda key: air.begin(image, Samples(key)))(keys)
    beginnings = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, others)
    sights = jax.lax.map(lambda beginning: sight(air, image, beginning), beginnings)
    best = jnp.argmax(jax.vmap(lambda found: evidence(air, image, found))(sights))
    return summed_up(air, jax.tree.map(lambda x: x[best], sights))


def sight(air: Any, image: Float[Array, "height width channels"], beginning: Any) -> Sight:
    """One roll-out of as many steps as the guide can take, from the `Progress` before the first."""
    way = look_on if air.guide.extends else look_at_all
    return way(air, image, beginning)


def look_at_all(air: Any, image: Float[Array, "height width channels"], beginning: Any) -> Sight:
    """Look at all N objects, each as if it were there."""
    steps = air.roll_on(beginning, image, Means())
    boxes = jax.vmap(lambda where: air.window(where).box())(steps.where)
    posterior, most = Stopping(steps.go_on).probs(), jnp.asarray(air.settings.max_objects)
    return Sight(posterior, boxes, steps.what, steps.patch, steps.kl, most)


def look_on(air: Any, image: Float[Array, "height width channels"], beginning: Any) -> Sight:
    """Look at one object after the other for as long as there may be one more, but at most N times.

    What little probability is left then is shared out as if all further steps were like the last.
    """
    most, what = air.settings.max_objects, air.settings.what

    def may_go_on(looking: Looking) -> Array:
        t = looking.found.taken
        return (t < most) & (looking.found.posterior[t] >= UNLIKELY)

    def go_on(looking: Looking) -> Looking:
        progress, _, found = looking
        t = found.taken
        step, progress = air.advance(t, progress, image, Means())
        more, reached = jax.nn.sigmoid(step.go_on), found.posterior[t]
        found = Sight(
            posterior=found.posterior.at[t].set(reached * (1 - more)).at[t + 1].set(reached * more),
            boxes=found.boxes.at[t].set(air.window(step.where).box()),
            what=found.what.at[t].set(step.what),
            patches=found.patches.at[t].set(step.patch),
            kl=found.kl.at[t].set(step.kl),
            taken=t + 1,
        )
        return Looking(progress, more, found)

    nothing = Sight(
        posterior=jnp.zeros(most + 1).at[0].set(1.0),
        boxes=jnp.zeros((most, 4)),
        what=jnp.zeros((most, what)),
        patches=jnp.zeros((most, *image.shape), image.dtype),
        kl=jnp.zeros(most),
        taken=jnp.asarray(0),
    )
    _, more, found = jax.lax.while_loop(may_go_on, go_on, Looking(beginning, jnp.zeros(()), nothing))
    n, rest = jnp.arange(most + 1), found.posterior[found.taken]
    tail = rest * more ** jnp.maximum(n - found.taken, 0) * jnp.where(n < most, 1 - more, 1.0)
    return found._replace(posterior=jnp.where(n < found.taken, found.posterior, tail))


def evidence(air: Any, image: Float[Array, "height width channels"], found: Sight) -> Float[Array, ""]:
    """The bound at the most probable count of a roll-out without q(count), in nats up to a constant."""
    count = jnp.argmax(found.posterior)
    kept = (jnp.arange(len(found.kl)) < count).astype(image.dtype)
    missed = jnp.sum((image - jnp.tensordot(kept, found.patches, 1)) ** 2)
    return air.log_prior()[count] - kept @ found.kl - missed / (2 * air.settings.pixel_deviation**2)


def summed_up(air: Any, found: Sight) -> Look:
    """What is seen in a roll-out: invisible objects are not counted."""
    light = jnp.sum(found.patches**2, (1, 2, 3)) / (2 * air.settings.pixel_deviation**2)
    visible = (light >= VISIBLE) | (jnp.arange(len(light)) >= found.taken)
    first = jnp.argsort(~visible, stable=True)
    among = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(visible)])
    posterior = jnp.zeros_like(found.posterior).at[among].add(found.posterior)
    boxes, what, patches = (x[first] for x in (found.boxes, found.what, found.patches))
    count = jnp.argmax(posterior)
    kept = (jnp.arange(len(light)) < count).astype(patches.dtype)
    return Look(count, posterior, boxes, what, patches, jnp.tensordot(kept, patches, 1))

"""Look: what does an AIR see in one picture, with `where` and `what` at their means?

A guide that knows only the steps it was trained for takes them all. One that may take any number looks for
one more object while that has a probability of at least `UNLIKELY`, and at most N times.

What nobody can see is not counted. A run may learn to spend its first step on an empty place, which costs it
little, and to paint nothing there. An object is visible if its patch y, painted on black, changes the
log-likelihood by at least `VISIBLE` nats: |y|² / 2σ² ≥ 1. With s_n the visible ones among the first n,

    q(k objects) = Σ_n q(n) [s_n = k].

A restless guide may look several times: first in its mean order, with windows at their means, and then in
other orders, with windows drawn about them. A window that cuts an object leaves a part of it, which the next
step takes for one more. So half of the looks are careful: at each step they draw several windows, and keep
the one that leaves least to explain,

    log Normal(x; Σ_{s≤t} y_s, σ) - KL_t.

Careful looks are greedy, and may take two objects that touch for one; the others are not. Of all looks the
one is kept that explains the picture best, by the bound at its own count:

    log Normal(x; Σ_{t≤n} y_t, σ) + log p(n) - Σ_{t≤n} KL_t.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples

UNLIKELY = 1e-3  # probability of one more object, below which nobody looks for it
VISIBLE = 1.0  # nats
# Deviations of the windows that are drawn, as a multiple of those of q(where). The mean bound of training
# scenes, best of eight looks, is highest from 1.5 to 2.5.
BOLDNESS = 2.0
TRIES = 8  # windows of which a careful look keeps one
Advance = Callable[[Int[Array, ""] | int, Any], tuple[Any, Any]]  # step and `Progress` -> `Step` and the next


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


class Shifted(NamedTuple):
    """Continuous sites at their means, but for `where`, which is so many deviations beside it."""

    shift: Float[Array, "3"]

    def __call__(self, name: str, dist: Any) -> Array:
        """The value of a normal site."""
        mean = Means()(name, dist)
        return mean + self.shift * dist.scale if name == "where" else mean

    def at(self, step: Any) -> "Shifted":
        """The same at every step."""
        return self


def look(air: Any, image: Float[Array, "height width channels"]) -> Look:
    """Look once or several times, and keep what explains the picture best."""
    more = air.settings.looks - 1
    first = sight(air, image, air.begin(image, Means()), calmly(air, image))
    if not more:
        return summed_up(air, first)
    keys, careful = jr.split(jr.key(0), more), (more + 1) // 2
    sights = [jax.tree.map(lambda x: x[None], first), look_around(air, image, keys[:careful], TRIES)]
    if more > careful:
        sights.append(look_around(air, image, keys[careful:], 1))
    each = jax.tree.map(lambda *x: jnp.concatenate(x), *sights)
    best = jnp.argmax(jax.vmap(lambda found: evidence(air, image, found))(each))
    return summed_up(air, jax.tree.map(lambda x: x[best], each))


def look_around(air: Any, image: Array, keys: Key[Array, " looks"], tries: int) -> Sight:
    """A look for each key, in an order of its own, keeping one of so many windows at each step."""

    def one(key: PRNGKeyArray) -> Sight:
        return sight(air, image, air.begin(image, Samples(key)), boldly(air, image, key, tries))

    return jax.lax.map(one, keys)


def calmly(air: Any, image: Array) -> Advance:
    """Steps whose `where` and `what` are at their means."""
    return lambda t, progress: air.advance(t, progress, image, Means())


def boldly(air: Any, image: Array, key: PRNGKeyArray, tries: int) -> Advance:
    """Steps whose windows are drawn about their means: the best of so many, of which one is the mean itself.

    A single one is only drawn.
    """

    def advance(t: Array | int, progress: Any) -> tuple[Any, Any]:
        shifts = BOLDNESS * jr.normal(jr.fold_in(key, t), (tries, 3))
        shifts = shifts if tries == 1 else shifts.at[0].set(0.0)
        tried = jax.vmap(lambda shift: air.advance(t, progress, image, Shifted(shift)))(shifts)
        costs = tried[0].error / (2 * air.settings.pixel_deviation**2) + tried[0].kl
        return jax.tree.map(lambda x: x[jnp.argmin(costs)], tried)

    return advance


def sight(air: Any, image: Float[Array, "height width channels"], beginning: Any, advance: Advance) -> Sight:
    """One roll-out of as many steps as the guide can take, from the `Progress` before the first."""
    way = look_on if air.guide.extends else look_at_all
    return way(air, image, beginning, advance)


def look_at_all(air: Any, image: Array, beginning: Any, advance: Advance) -> Sight:
    """Look at all N objects, each as if it were there."""
    steps = air.roll_on(beginning, advance)
    boxes = jax.vmap(lambda where: air.window(where).box())(steps.where)
    posterior, most = Stopping(steps.go_on).probs(), jnp.asarray(air.settings.max_objects)
    return Sight(posterior, boxes, steps.what, steps.patch, steps.kl, most)


def look_on(air: Any, image: Array, beginning: Any, advance: Advance) -> Sight:
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
        step, progress = advance(t, progress)
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

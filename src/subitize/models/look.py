"""Look: what does an AIR see in one picture, with `where` and `what` at their means?

A guide that knows only the steps it was trained for takes them all. One that may take any number looks for
one more object while that has a probability of at least `UNLIKELY`, and at most N times.

What nobody can see is not counted. A run may learn to spend its first step on an empty place, which costs it
little, and to paint nothing there. An object is visible if its patch y, painted on black, changes the
log-likelihood by at least `VISIBLE` nats: |y|² / 2σ² ≥ 1. With s_n the visible ones among the first n,

    q(k objects) = Σ_n q(n) [s_n = k].

A restless guide may look several times. Since it remembers nothing but an order of places, it can take back
what it has found, and look on from there as if it had found the rest alone. At each further look it takes
back every object in turn, now alone and now with the nearest one, and looks on in another order and with
care: of several windows drawn at a step it keeps the one that leaves least to explain,

    log Normal(x; Σ_{s≤t} y_s, σ) - cost_t,    cost_t = KL_t + ½ Σ (1 - s² / S²).

With scales s of q and S of the prior, cost_t is half the sum of (μ - m)² / S² - log(s² / S²): Laplace's price
of an object that is seen at its mean μ, and not the divergence alone, which would forget what sampling costs.
At some looks it insists on one object more than it would count. What it finds anew it refines, climbing with
the means of where_t and what_t the evidence at its count,

    log Normal(x; Σ_{t≤n} y_t, σ) + log p(n) - Σ_{t≤n} cost_t,

by which it keeps the better explanation. Two objects that touch and were taken for one may so be told apart,
though a window around both hid how they look, and the halves of one that were taken for two be joined,
whatever else there is.

A close look asks what is seen rather than how much. Its windows are drawn, and every object is recognised
again in x - Σ_{s≠t} y_s, without the others.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples
from subitize.core.glimpse import Window

UNLIKELY = 1e-3  # probability of one more object, below which nobody looks for it
VISIBLE = 1.0  # nats
# Deviations of the windows that are drawn, as a multiple of those of q(where). When every look began
# anew, the mean bound of training scenes was highest from 1.5 to 2.5.
BOLDNESS = 2.0
TRIES = 8  # windows of which a careful step keeps one
TOGETHER = 2  # most objects that are taken back at once
REFINED, REFINEMENTS, RATE = 3, 60, 0.05  # most objects; steps of Adam; their size, in the prior's deviations
SWEEPS = 2  # times that a close look explains each object without the others
OPTIONS = UNLIKELY, VISIBLE, BOLDNESS, TRIES, TOGETHER, REFINED, REFINEMENTS, RATE  # that decide what is seen
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
    cost: Float[Array, " steps"]  # of where and what, in nats
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
    """Look once, and reconsider as often as it shall."""
    found = sight(air, image, air.begin(image, Means()), calmly(air, image))
    if air.settings.looks > 1:
        again = jnp.arange(air.settings.looks - 1)
        found, _ = jax.lax.scan(lambda found, i: (reconsidered(air, image, found, i), None), found, again)
    return summed_up(air, found)


def look_closely(air: Any, image: Float[Array, "height width channels"], key: PRNGKeyArray) -> Look:
    """Look once, at windows drawn from q(where), and then at each object without the others."""

    def advance(t: Array | int, progress: Any) -> tuple[Any, Any]:
        return air.advance(t, progress, image, Shifted(jr.normal(jr.fold_in(key, t), (3,))))

    found = sight(air, image, air.begin(image, Samples(key)), advance)
    objects = jnp.tile(jnp.arange(len(found.cost)), SWEEPS)
    found, _ = jax.lax.scan(lambda found, t: (without_the_others(air, image, found, t), None), found, objects)
    return summed_up(air, found)


def without_the_others(air: Any, image: Array, found: Sight, t: Int[Array, ""]) -> Sight:
    """Object t recognised again in what the other counted ones leave, if so less remains unexplained."""
    counts = jnp.arange(len(found.cost)) < counted(found)
    left = image - jnp.tensordot(counts.at[t].set(False).astype(image.dtype), found.patches, 1)
    window = Window.of_box(found.boxes[t])
    what = air.recognise(jnp.clip(left, 0, 1), window).loc
    patch = air.paint(window, what)
    better = counts[t] & (jnp.sum((left - patch) ** 2) < jnp.sum((left - found.patches[t]) ** 2))
    changed = found._replace(what=found.what.at[t].set(what), patches=found.patches.at[t].set(patch))
    return jax.tree.map(partial(jnp.where, better), changed, found)


def reconsidered(air: Any, image: Array, found: Sight, time: Array) -> Sight:
    """Take back every object, alone or with its neighbours, and look on from there with care.

    At one time it takes back one, at the next two; at the next two times again, insisting on one object more.

    Args:
        air: the model.
        image: the picture.
        found: what is to be reconsidered.
        time: from 0, how often it was already.
    """
    sweep, together = jr.fold_in(jr.key(0), time), 1 + time % TOGETHER
    insists = time // TOGETHER % 2 == 1

    def may_think(thinking: tuple[Array, Sight]) -> Array:
        thought, found = thinking
        return thought < jnp.maximum(counted(found), 1)

    def think(thinking: tuple[Array, Sight]) -> tuple[Array, Sight]:
        thought, found = thinking
        key = jr.fold_in(sweep, thought)
        left = taken_back(found, together)
        progress = air.begin(image, Samples(key))._replace(canvas=left.patches.sum(0))
        other = look_on(air, image, progress, carefully(air, image, key), left)
        other = jax.tree.map(partial(jnp.where, insists), one_more(other), other)
        other = refined(air, image, other, left.taken)
        better = evidence(air, image, other) > evidence(air, image, found)
        return thought + 1, jax.tree.map(partial(jnp.where, better), other, first_to_last(found))

    return jax.lax.while_loop(may_think, think, (jnp.asarray(0), found))[1]


def counted(found: Sight) -> Int[Array, ""]:
    """The most probable count of a roll-out."""
    return jnp.argmax(found.posterior)


def taken_back(found: Sight, number: Int[Array, ""]) -> Sight:
    """What is left of the counted objects without the first one and those nearest to it, so many in all."""
    place, middles = jnp.arange(len(found.cost)), found.boxes[:, :2] + found.boxes[:, 2:]
    distance = jnp.sum((middles - middles[0]) ** 2, -1).at[0].set(-1.0)
    nearness = jnp.argsort(jnp.argsort(jnp.where(place < counted(found), distance, jnp.inf)))
    kept = (place < counted(found)) & (nearness >= number)
    first, taken = jnp.argsort(~kept, stable=True), kept.sum()
    parts = (found.boxes, found.what, found.patches, found.cost)
    boxes, what, patches, cost = ((x[first].T * (place < taken)).T for x in parts)
    fewer = jnp.where(jnp.arange(len(found.posterior)) < taken, found.posterior, 0)
    return Sight(fewer.at[taken].set(1 - fewer.sum()), boxes, what, patches, cost, taken)


def first_to_last(found: Sight) -> Sight:
    """The same with the first of the counted objects behind the others."""
    place = jnp.arange(len(found.cost))
    order = jnp.argsort(jnp.where(place == 0, counted(found) - 0.5, place))
    boxes, what, patches, cost = (x[order] for x in (found.boxes, found.what, found.patches, found.cost))
    return found._replace(boxes=boxes, what=what, patches=patches, cost=cost)


def one_more(found: Sight) -> Sight:
    """The same, counting one more if a step was taken for it: the two counts' probabilities are swapped."""
    count, most = counted(found), len(found.posterior) - 1
    swapped = jnp.stack([count, jnp.where(found.taken > count, jnp.minimum(count + 1, most), count)])
    return found._replace(posterior=found.posterior.at[swapped].set(found.posterior[swapped[::-1]]))


def refined(air: Any, image: Array, found: Sight, first: Int[Array, ""]) -> Sight:
    """The counted objects from the first on, but not more than some, moved up the evidence by Adam.

    The scales of q stay, so that costs change by the means alone, ½ Σ (μ - m)² / S².
    """
    place = jnp.minimum(first, max(len(found.cost) - REFINED, 0)) + jnp.arange(min(REFINED, len(found.cost)))
    counts = jnp.arange(len(found.cost)) < counted(found)
    moves = (counts[place] & (place >= first)).astype(image.dtype)
    stay = counts.astype(image.dtype).at[place].add(-moves)
    left, prior = image - jnp.tensordot(stay, found.patches, 1), air.prior_where()

    def windows(where: Array) -> Window:
        return jax.vmap(lambda one: air.window(prior.loc + prior.scale * one))(where)

    def unlikely(where: Array, what: Array) -> Array:
        return 0.5 * (jnp.sum(where**2, 1) + jnp.sum(what**2, 1))

    def cost(latents: tuple[Array, Array]) -> Array:
        where, what = latents
        missed = left - jnp.tensordot(moves, jax.vmap(air.paint)(windows(where), what), 1)
        return jnp.sum(missed**2) / (2 * air.settings.pixel_deviation**2) + moves @ unlikely(where, what)

    def climb(state: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        latents, memory = state
        change, memory = optimizer.update(jax.grad(cost)(latents), memory)
        return (optax.apply_updates(latents, change), memory), None

    def moved(after: Array, before: Array) -> Array:
        return jnp.where(moves > 0, after.T, before.T).T

    optimizer = optax.adam(RATE)
    before = (moved(standard_where(air, found.boxes[place]), jnp.zeros((len(place), 3))), found.what[place])
    (after, _), _ = jax.lax.scan(climb, (before, optimizer.init(before)), length=REFINEMENTS)
    seen = windows(after[0])
    patches = jax.vmap(air.paint)(seen, after[1])
    changed = found._replace(
        boxes=found.boxes.at[place].set(moved(jax.vmap(Window.box)(seen), found.boxes[place])),
        what=found.what.at[place].set(after[1]),
        patches=found.patches.at[place].set(moved(patches, found.patches[place])),
        cost=found.cost.at[place].add(moves * (unlikely(*after) - unlikely(*before))),
    )
    better = evidence(air, image, changed) > evidence(air, image, found)
    return jax.tree.map(partial(jnp.where, better), changed, found)


def standard_where(air: Any, boxes: Float[Array, "steps 4"]) -> Float[Array, "steps 3"]:
    """`where` of the windows with these edges, in deviations of its prior."""
    prior = air.prior_where()
    where = jax.vmap(lambda box: air.where(Window.of_box(box)))(boxes)
    return (where - prior.loc) / prior.scale


def calmly(air: Any, image: Array) -> Advance:
    """Steps whose `where` and `what` are at their means."""
    return lambda t, progress: air.advance(t, progress, image, Means())


def carefully(air: Any, image: Array, key: PRNGKeyArray) -> Advance:
    """Steps whose windows are drawn about their means: the best of some, of which one is the mean itself."""

    def advance(t: Array | int, progress: Any) -> tuple[Any, Any]:
        shifts = BOLDNESS * jr.normal(jr.fold_in(key, t), (TRIES, 3)).at[0].set(0.0)
        tried = jax.vmap(lambda shift: air.advance(t, progress, image, Shifted(shift)))(shifts)
        costs = tried[0].error / (2 * air.settings.pixel_deviation**2) + tried[0].kl + tried[0].noise
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
    return Sight(posterior, boxes, steps.what, steps.patch, steps.kl + steps.noise, most)


def look_on(air: Any, image: Array, beginning: Any, advance: Advance, found: Sight | None = None) -> Sight:
    """Look at one object after the other for as long as there may be one more, but at most N times.

    It goes on from what is found, if anything. What little probability is left in the end is shared out as if
    all further steps were like the last.
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
            cost=found.cost.at[t].set(step.kl + step.noise),
            taken=t + 1,
        )
        return Looking(progress, more, found)

    nothing = Sight(
        posterior=jnp.zeros(most + 1).at[0].set(1.0),
        boxes=jnp.zeros((most, 4)),
        what=jnp.zeros((most, what)),
        patches=jnp.zeros((most, *image.shape), image.dtype),
        cost=jnp.zeros(most),
        taken=jnp.asarray(0),
    )
    _, more, found = jax.lax.while_loop(may_go_on, go_on, Looking(beginning, jnp.zeros(()), found or nothing))
    n, rest = jnp.arange(most + 1), found.posterior[found.taken]
    tail = rest * more ** jnp.maximum(n - found.taken, 0) * jnp.where(n < most, 1 - more, 1.0)
    return found._replace(posterior=jnp.where(n < found.taken, found.posterior, tail))


def evidence(air: Any, image: Float[Array, "height width channels"], found: Sight) -> Float[Array, ""]:
    """Laplace's log-evidence at the most probable count of a roll-out, in nats up to a constant."""
    count = counted(found)
    kept = (jnp.arange(len(found.cost)) < count).astype(image.dtype)
    missed = jnp.sum((image - jnp.tensordot(kept, found.patches, 1)) ** 2)
    return air.log_prior()[count] - kept @ found.cost - missed / (2 * air.settings.pixel_deviation**2)


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

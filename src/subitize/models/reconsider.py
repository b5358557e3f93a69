"""Reconsider: what does a stochastic attention network see when it looks again?

Since it remembers nothing but an order of places, it can take back what it has found, and look on from there
as if it had found the rest alone. At each further look it takes back every object in turn, now alone and now
with the nearest one, and looks on in another order and with care: of several windows drawn at a step it keeps
the one that leaves least to explain,

    log Normal(x; Σ_{s≤t} y_s, σ) - cost_t.

At some looks it insists on one object more than it would count. What it finds anew it refines, climbing the
evidence (`subitize.models.sight`) with the means of where_t and what_t; and it keeps the explanation whose
evidence is higher. Two objects that touch and were taken for one may so be told apart, though a window around
both hid how they look, and the halves of one that were taken for two be joined, whatever else there is.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.draws import Samples
from subitize.models.air import AIR, Progress, Step
from subitize.models.sight import Advance, Shifted, Sight, evidence, look_on

# Deviations of the windows that are drawn, as a multiple of those of q(where). When every look began
# anew, the mean bound of training scenes was highest from 1.5 to 2.5.
BOLDNESS = 2.0
TRIES = 8  # windows of which a careful step keeps one
TOGETHER = 2  # most objects that are taken back at once
REFINED, REFINEMENTS, RATE = 3, 60, 0.05  # most objects; steps of Adam; their size, in the prior's deviations
OPTIONS = BOLDNESS, TRIES, TOGETHER, REFINED, REFINEMENTS, RATE  # that decide what is seen at further looks


def reconsidered(air: AIR, image: Array, found: Sight, time: Array) -> Sight:
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
        return thought < jnp.maximum(found.count, 1)

    def think(thinking: tuple[Array, Sight]) -> tuple[Array, Sight]:
        thought, found = thinking
        key = jr.fold_in(sweep, thought)
        left = taken_back(found, together)
        progress = air.begin(image, Samples(key))._replace(canvas=left.objects.patches.sum(0))
        other = look_on(air, image, progress, carefully(air, image, key), left)
        other = other._replace(posterior=jnp.where(insists, of_one_more(other), other.posterior))
        other = refined(air, image, other, left.taken)
        better = evidence(air, image, other) > evidence(air, image, found)
        return thought + 1, jax.tree.map(partial(jnp.where, better), other, first_to_last(found))

    return jax.lax.while_loop(may_think, think, (jnp.asarray(0), found))[1]


def taken_back(found: Sight, number: Int[Array, ""]) -> Sight:
    """What is left of the counted objects without the first one and those nearest to it, so many in all."""
    middles = found.objects.where[:, 1:]
    distance = jnp.sum((middles - middles[0]) ** 2, -1).at[0].set(-1.0)
    nearness = jnp.argsort(jnp.argsort(jnp.where(found.counts, distance, jnp.inf)))
    kept = found.counts & (nearness >= number)
    first, taken = jnp.argsort(~kept, stable=True), kept.sum()
    left = jnp.arange(len(kept)) < taken
    objects = jax.tree.map(lambda x: (x[first].T * left).T, found.objects)
    fewer = jnp.where(jnp.arange(len(found.posterior)) < taken, found.posterior, 0)
    return Sight(fewer.at[taken].set(1 - fewer.sum()), objects, taken)


def first_to_last(found: Sight) -> Sight:
    """The same with the first of the counted objects behind the others."""
    place = jnp.arange(len(found.counts))
    order = jnp.argsort(jnp.where(place == 0, found.count - 0.5, place))
    return found._replace(objects=jax.tree.map(lambda x: x[order], found.objects))


def carefully(air: AIR, image: Array, key: PRNGKeyArray) -> Advance:
    """Steps whose windows are drawn about their means: the best of some, of which one is the mean itself."""

    def advance(t: Array | int, progress: Progress) -> tuple[Step, Progress]:
        shifts = BOLDNESS * jr.normal(jr.fold_in(key, t), (TRIES, 3)).at[0].set(0.0)
        tried = jax.vmap(lambda shift: air.advance(t, progress, image, Shifted(shift)))(shifts)
        costs = tried[0].error / (2 * air.settings.pixel_deviation**2) + tried[0].cost
        return jax.tree.map(lambda x: x[jnp.argmin(costs)], tried)

    return advance


def of_one_more(found: Sight) -> Float[Array, " counts"]:
    """The posterior with its largest entry at one more, if a step was taken for it: the two change places."""
    change = jnp.stack([found.count, found.count + (found.taken > found.count)])
    return found.posterior.at[change].set(found.posterior[change[::-1]])


def refined(air: AIR, image: Array, found: Sight, first: Int[Array, ""]) -> Sight:
    """The counted objects from the first on, but not more than some, moved up the evidence by Adam.

    The scales of q stay, so that costs change by the means alone, ½ Σ (μ - m)² / S².
    """
    most, prior = len(found.counts), air.prior_where()
    place = jnp.minimum(first, max(most - REFINED, 0)) + jnp.arange(min(REFINED, most))
    moves = found.counts[place] & (place >= first)
    stay = found.counts.at[place].set(found.counts[place] & ~moves).astype(image.dtype)
    left = image - jnp.tensordot(stay, found.objects.patches, 1)
    before = jax.tree.map(lambda x: x[place], found.objects)

    def painted(where: Array, what: Array) -> Array:
        return jax.vmap(lambda where, what: air.paint(air.window(where), what))(where, what)

    def unlikely(where: Array, what: Array) -> Array:
        return 0.5 * (jnp.sum(((where - prior.loc) / prior.scale) ** 2, 1) + jnp.sum(what**2, 1))

    def moved(shift: tuple[Array, Array]) -> tuple[Array, Array]:
        return before.where + prior.scale * shift[0], before.what + shift[1]

    def price(shift: tuple[Array, Array]) -> Array:
        missed = left - jnp.tensordot(moves.astype(image.dtype), painted(*moved(shift)), 1)
        return jnp.sum(missed**2) / (2 * air.settings.pixel_deviation**2) + moves @ unlikely(*moved(shift))

    where, what = moved(downhill(price, (0 * before.where, 0 * before.what)))
    costs = before.cost + unlikely(where, what) - unlikely(before.where, before.what)
    after = before._replace(where=where, what=what, patches=painted(where, what), cost=costs)
    after = jax.tree.map(lambda new, old: jnp.where(moves, new.T, old.T).T, after, before)
    changed = jax.tree.map(lambda all, new: all.at[place].set(new), found.objects, after)
    changed = found._replace(objects=changed)
    better = evidence(air, image, changed) > evidence(air, image, found)
    return jax.tree.map(partial(jnp.where, better), changed, found)


def downhill(price: Callable[[PyTree], Array], start: PyTree) -> PyTree:
    """Where Adam comes to from a start."""
    optimizer = optax.adam(RATE)

    def go(state: tuple[PyTree, PyTree], _: None) -> tuple[tuple[PyTree, PyTree], None]:
        place, memory = state
        change, memory = optimizer.update(jax.grad(price)(place), memory)
        return (optax.apply_updates(place, change), memory), None

    (place, _), _ = jax.lax.scan(go, (start, optimizer.init(start)), length=REFINEMENTS)
    return place

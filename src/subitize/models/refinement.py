"""Refinement: can another explanation of a picture be better than the one that was found?

A stochastic attention network carries nothing from step to step but an order of places. So an object can be
removed, and the roll-out continued as if the rest had been found alone. A pass over the found objects is

    for each object in turn:
        remove it, or it and the nearest one
        continue the roll-out in another order of places; at each step draw some windows and keep the best
        at some passes force the birth of one object more than q would count
        refine `where` and `what` of the new objects by gradient ascent on the evidence
        keep the new explanation if its evidence is higher (`subitize.models.rollout`)

The best window leaves least to explain: log Normal(x; Σ_{s≤t} y_s, σ) - cost_t. Two objects that touch and
were taken for one may so be told apart, and two halves of one be joined.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.draws import Samples
from subitize.models.air import AIR, Carry, Step
from subitize.models.rollout import Advance, Rollout, Shifted, continue_rollout, evidence

# Deviations of the windows that are drawn, as a multiple of those of q(where). When every pass began with
# nothing found, the mean bound of training scenes was highest from 1.5 to 2.5.
BOLDNESS = 2.0
TRIES = 8  # windows of which `best_of_k_step` keeps one
TOGETHER = 2  # most objects that are removed at once
REFINED, REFINEMENTS, RATE = 3, 60, 0.05  # most objects; steps of Adam; their size, in the prior's deviations
OPTIONS = BOLDNESS, TRIES, TOGETHER, REFINED, REFINEMENTS, RATE  # that decide what further passes find


def refine(air: AIR, image: Array, found: Rollout, time: Array) -> Rollout:
    """What is found after one more pass over all objects.

    Passes remove one object, then two, then one and two again, now forcing the birth of one object more.

    Args:
        air: the model.
        image: the picture.
        found: what earlier passes found.
        time: how many refining passes were made before, from 0.
    """
    sweep, together = jr.fold_in(jr.key(0), time), 1 + time % TOGETHER
    force_birth = time // TOGETHER % 2 == 1

    def unfinished(carry: tuple[Array, Rollout]) -> Array:
        number, found = carry
        return number < jnp.maximum(found.count, 1)

    def replace_one(carry: tuple[Array, Rollout]) -> tuple[Array, Rollout]:
        number, found = carry
        key = jr.fold_in(sweep, number)
        left = remove_nearest(found, together)
        progress = air.begin(image, Samples(key))._replace(canvas=left.objects.patches.sum(0))
        other = continue_rollout(air, image, progress, best_of_k_step(air, image, key), left)
        other = other._replace(posterior=jnp.where(force_birth, with_one_more(other), other.posterior))
        other = refine_latents(air, image, other, left.taken)
        better = evidence(air, image, other) > evidence(air, image, found)
        return number + 1, jax.tree.map(partial(jnp.where, better), other, rotate_first(found))

    return jax.lax.while_loop(unfinished, replace_one, (jnp.asarray(0), found))[1]


def remove_nearest(found: Rollout, number: Int[Array, ""]) -> Rollout:
    """What is left of the counted objects without the first one and those nearest to it, so many in all."""
    middles = found.objects.where[:, 1:]
    distance = jnp.sum((middles - middles[0]) ** 2, -1).at[0].set(-1.0)
    nearness = jnp.argsort(jnp.argsort(jnp.where(found.counts, distance, jnp.inf)))
    kept = found.counts & (nearness >= number)
    first, taken = jnp.argsort(~kept, stable=True), kept.sum()
    left = jnp.arange(len(kept)) < taken
    objects = jax.tree.map(lambda x: (x[first].T * left).T, found.objects)
    fewer = jnp.where(jnp.arange(len(found.posterior)) < taken, found.posterior, 0)
    return Rollout(fewer.at[taken].set(1 - fewer.sum()), objects, taken)


def rotate_first(found: Rollout) -> Rollout:
    """The same with the first of the counted objects behind the others."""
    place = jnp.arange(len(found.counts))
    order = jnp.argsort(jnp.where(place == 0, found.count - 0.5, place))
    return found._replace(objects=jax.tree.map(lambda x: x[order], found.objects))


def best_of_k_step(air: AIR, image: Array, key: PRNGKeyArray) -> Advance:
    """Steps whose windows are drawn about their means: the best of some, of which one is the mean itself."""

    def advance(t: Array | int, progress: Carry) -> tuple[Step, Carry]:
        shifts = BOLDNESS * jr.normal(jr.fold_in(key, t), (TRIES, 3)).at[0].set(0.0)
        tried = jax.vmap(lambda shift: air.advance(t, progress, image, Shifted(shift)))(shifts)
        costs = tried[0].error / (2 * air.settings.pixel_deviation**2) + tried[0].cost
        return jax.tree.map(lambda x: x[jnp.argmin(costs)], tried)

    return advance


def with_one_more(found: Rollout) -> Float[Array, " counts"]:
    """The posterior with its largest entry at one more, if a step was taken for it: the two change places."""
    change = jnp.stack([found.count, found.count + (found.taken > found.count)])
    return found.posterior.at[change].set(found.posterior[change[::-1]])


def refine_latents(air: AIR, image: Array, found: Rollout, first: Int[Array, ""]) -> Rollout:
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

    where, what = moved(minimise_adam(price, (0 * before.where, 0 * before.what)))
    costs = before.cost + unlikely(where, what) - unlikely(before.where, before.what)
    after = before._replace(where=where, what=what, patches=painted(where, what), cost=costs)
    after = jax.tree.map(lambda new, old: jnp.where(moves, new.T, old.T).T, after, before)
    changed = jax.tree.map(lambda all, new: all.at[place].set(new), found.objects, after)
    changed = found._replace(objects=changed)
    better = evidence(air, image, changed) > evidence(air, image, found)
    return jax.tree.map(partial(jnp.where, better), changed, found)


def minimise_adam(price: Callable[[PyTree], Array], start: PyTree) -> PyTree:
    """Where Adam comes to from a start."""
    optimizer = optax.adam(RATE)

    def go(state: tuple[PyTree, PyTree], _: None) -> tuple[tuple[PyTree, PyTree], None]:
        place, adam_state = state
        change, adam_state = optimizer.update(jax.grad(price)(place), adam_state)
        return (optax.apply_updates(place, change), adam_state), None

    (place, _), _ = jax.lax.scan(go, (start, optimizer.init(start)), length=REFINEMENTS)
    return place

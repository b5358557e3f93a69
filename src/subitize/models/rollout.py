"""Rollout: one roll-out of a trained AIR, and how well it explains the picture.

An attention network that knows only the steps it was trained for takes them all. One that may take any
number looks for one more object while that has a probability of at least `UNLIKELY`, and at most N times.

An object whose where and what are seen at their means μ costs, with scales s of q, means m and scales S of
the prior,

    cost_t = KL_t + ½ Σ (1 - s² / S²) = ½ Σ (μ - m)² / S² - log(s² / S²),

which is Laplace's price: the divergence alone would forget what sampling costs the likelihood. The evidence
at a count n is

    log Normal(x; Σ_{t≤n} y_t, σ) + log p(n) - Σ_{t≤n} cost_t.

It is that of the objects in this order. Any other explains the picture as well, so all n! together have
log n! more, which is not counted here, nor in the bound that AIR trains by.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from subitize.core.distributions import AbstractDistribution, Normal, Stopping
from subitize.core.draws import Means
from subitize.models.air import AIR, Carry, Step

UNLIKELY = 1e-3  # probability of one more object, below which nobody looks for it
Advance = Callable[[Int[Array, ""] | int, Carry], tuple[Step, Carry]]  # (its number, what was left)


class Objects(NamedTuple):
    """What is seen, one after the other; zeros behind the last."""

    where: Float[Array, "steps 3"]
    what: Float[Array, "steps what"]
    patches: Float[Array, "steps height width channels"]
    cost: Float[Array, " steps"]  # nats

    @staticmethod
    def of(steps: Step) -> "Objects":
        """Those of a `Step`, or of many."""
        return Objects(steps.where, steps.what, steps.patch, steps.cost)


class Rollout(NamedTuple):
    """One roll-out."""

    posterior: Float[Array, " counts"]  # q(0) … q(N) of steps, whatever they paint
    objects: Objects
    taken: Int[Array, ""]  # steps; of the others nobody knows how they would look

    @property
    def count(self) -> Int[Array, ""]:
        """The most probable."""
        return jnp.argmax(self.posterior)

    @property
    def counts(self) -> Array:
        """Which objects are counted."""
        return jnp.arange(len(self.objects.cost)) < self.count


class RolloutCarry(NamedTuple):
    """A roll-out under way, with as many steps as it takes."""

    progress: Carry  # what the last step left to the next
    more: Float[Array, ""]  # probability with which the step before went on
    found: Rollout  # the posterior's entry at `taken` is the probability of at least so many objects


class Shifted(NamedTuple):
    """Continuous sites at their means, but for `where`, which is so many deviations beside it."""

    shift: Float[Array, "3"]

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """The value of a normal site."""
        mean = Means()(name, dist)
        return mean + self.shift * dist.scale if name == "where" and isinstance(dist, Normal) else mean

    def at(self, step: Array | int) -> "Shifted":
        """The same at every step."""
        return self


def mean_step(air: AIR, image: Array) -> Advance:
    """Steps whose `where` and `what` are at their means."""
    return lambda t, progress: air.advance(t, progress, image, Means())


def rollout(
    air: AIR, image: Float[Array, "height width channels"], beginning: Carry, advance: Advance
) -> Rollout:
    """One roll-out of as many steps as there can be, from the `Carry` before the first."""
    way = continue_rollout if air.attention.any_length else take_all_steps
    return way(air, image, beginning, advance)


def take_all_steps(air: AIR, image: Array, beginning: Carry, advance: Advance) -> Rollout:
    """Take all N steps, each as if its object were there."""
    steps = air.scan_steps(beginning, advance)
    most = jnp.asarray(air.settings.max_objects)
    return Rollout(Stopping(steps.continue_logit).probs(), Objects.of(steps), most)


def continue_rollout(
    air: AIR, image: Array, beginning: Carry, advance: Advance, found: Rollout | None = None
) -> Rollout:
    """Take one step after the other for as long as there may be one more object, but at most N.

    It goes on from what is found, if anything. What little probability is left in the end is shared out as if
    all further steps were like the last.
    """
    most = air.settings.max_objects

    def may_go_on(carry: RolloutCarry) -> Array:
        t = carry.found.taken
        return (t < most) & (carry.found.posterior[t] >= UNLIKELY)

    def add_object(carry: RolloutCarry) -> RolloutCarry:
        progress, _, found = carry
        t = found.taken
        step, progress = advance(t, progress)
        more, reached = jax.nn.sigmoid(step.continue_logit), found.posterior[t]
        posterior = found.posterior.at[t].set(reached * (1 - more)).at[t + 1].set(reached * more)
        objects = jax.tree.map(lambda all, one: all.at[t].set(one), found.objects, Objects.of(step))
        return RolloutCarry(progress, more, Rollout(posterior, objects, t + 1))

    found = nothing(air, image) if found is None else found
    _, more, found = jax.lax.while_loop(may_go_on, add_object, RolloutCarry(beginning, jnp.zeros(()), found))
    n, rest = jnp.arange(most + 1), found.posterior[found.taken]
    tail = rest * more ** jnp.maximum(n - found.taken, 0) * jnp.where(n < most, 1 - more, 1.0)
    return found._replace(posterior=jnp.where(n < found.taken, found.posterior, tail))


def nothing(air: AIR, image: Array) -> Rollout:
    """Before the first step."""
    most, what = air.settings.max_objects, air.settings.what_dim
    patches = jnp.zeros((most, *image.shape), image.dtype)
    objects = Objects(jnp.zeros((most, 3)), jnp.zeros((most, what)), patches, jnp.zeros(most))
    return Rollout(jnp.zeros(most + 1).at[0].set(1.0), objects, jnp.asarray(0))


def evidence(air: AIR, image: Float[Array, "height width channels"], found: Rollout) -> Float[Array, ""]:
    """Laplace's log-evidence at the most probable count of a roll-out, in nats up to a constant."""
    kept = found.counts.astype(image.dtype)
    missed = jnp.sum((image - jnp.tensordot(kept, found.objects.patches, 1)) ** 2)
    price = kept @ found.objects.cost + missed / (2 * air.settings.pixel_deviation**2)
    return air.log_prior()[found.count] - price

"""Draw: how a program asks for a random value, without knowing how it will be differentiated.

A program calls `draw(name, dist)` for a site, or `draw.at(step)(name, dist)` for a site inside a loop.
Which value it gets depends on the lane it runs on: the base draw, or one of the alternatives that some
site's estimator asked for. Everything before that site is the same on all lanes, so under `vmap` over
lanes it is computed once; everything after is computed per lane, with the same noise (common random
numbers). Where an estimator needs the cost to be a *smooth* function of its alternative values, it also
says which smooth value every later finite site takes on those lanes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.draws import site_key
from subitize.gradients.estimators.base import AbstractDirect, SiteError
from subitize.gradients.estimators.pathwise import Pathwise
from subitize.gradients.lanes import Lanes


@runtime_checkable
class Noise(Protocol):
    """Where the noise of every site comes from; a pytree."""

    def split(self, particles: int, /) -> Noise:
        """Independent noise for each particle, stacked."""
        ...

    def __call__(
        self, name: str, dist: AbstractDistribution, samples: int, step: Array | int | None = None, /
    ) -> Array:
        """Noise of one site, shape [samples, *noise]."""
        ...


class KeyNoise(eqx.Module):
    """Noise of every site as a pure function of one key and the site's name (and step)."""

    key: Array  # a key, or a stack of them

    def split(self, particles: int) -> KeyNoise:
        """Independent noise for each particle, stacked."""
        return KeyNoise(jr.split(self.key, particles))

    def __call__(
        self, name: str, dist: AbstractDistribution, samples: int, step: Array | int | None = None
    ) -> Array:
        """Noise of one site, shape [samples, *noise]."""
        key = site_key(self.key, name, step)
        if samples == 1:
            return dist.noise(key)[None]
        return jax.vmap(dist.noise)(jr.split(key, samples))


class Record(NamedTuple):
    """What happened at one site on one lane."""

    dist: AbstractDistribution
    noise: Array
    table: Array  # base draw, then alternatives


class Draw:
    """Hands out values on one lane of one run, and records the sites."""

    def __init__(
        self,
        direct: Mapping[str, AbstractDirect],
        sites: Mapping[str, Lanes],
        estimator_state: Mapping[str, PyTree],
        noise: Noise,
        lane: Array,
        perturbations: Mapping[str, Array],
    ):
        self.direct, self.sites, self.estimator_state = direct, sites, estimator_state
        self.noise, self.lane, self.perturbations = noise, lane, perturbations
        self.records: dict[str, Record] = {}

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """The value of site `name`."""
        if name in self.direct:
            noise = self.noise(name, dist, self.direct[name].samples)
            return self._smooth_after_smooth(dist, noise[0], self.direct[name].draw(dist, noise))
        lanes = self.sites[name]
        noise = self.noise(name, dist, lanes.estimator.samples)
        stopped = jax.lax.stop_gradient(dist)
        base = stopped.from_noise(noise[0])
        alternatives = lanes.estimator.alternatives(self.estimator_state[name], stopped, noise)
        table = jnp.concatenate([base[None], alternatives])
        value = table[jnp.asarray(lanes.row)[self.lane]]
        value = self._smooth_after_smooth(dist, noise[0], value)
        if name in self.perturbations:
            value = value + self.perturbations[name]
        self.records[name] = Record(dist, noise, table)
        return value

    def at(self, step: Array | int) -> LoopDraw:
        """Draws for one step of a loop: `step` is folded into their noise."""
        return LoopDraw(self, step)

    def _smooth_after_smooth(self, dist: AbstractDistribution, noise: Array, value: Array) -> Array:
        """The value, or on the alternative lanes of an earlier smooth site, a smooth one."""
        for earlier in self.records:
            lanes = self.sites[earlier]
            if not lanes.estimator.smooth:
                continue
            if isinstance(dist, AbstractFinite):
                smooth = lanes.estimator.later(self.estimator_state[earlier], dist, noise)
            else:
                smooth = dist.from_noise(noise)
            value = jnp.where(jnp.asarray(lanes.row > 0)[self.lane], smooth, value)
        return value


class LoopDraw:
    """Draws inside a loop: pathwise only, since what they record could not leave the loop."""

    def __init__(self, draw: Draw | Discovery, step: Array | int):
        self.draw, self.step = draw, step

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """The value of site `name` at this step."""
        if isinstance(self.draw, Discovery):
            self.draw.see_in_loop(name, dist, self.step)
        return dist.from_noise(self.draw.noise(name, dist, 1, self.step)[0])

    def at(self, step: Array | int) -> NoReturn:
        """Refused: of two loops, one inside the other, the outer steps would share their noise.

        Raises:
            SiteError: always.
        """
        raise SiteError(
            "A loop inside a loop needs noise of its own at every step of both, and draw.at(step) takes one. "
            "Write draw.at(number)(name, dist) with one number for both, such as outer * length + inner."
        )


class Discovery:
    """Stands in for `Draw` while the sites of a program are found, by an abstract trace."""

    def __init__(self, noise: Noise):
        self.noise = noise
        self.sites: dict[str, AbstractDistribution] = {}
        self.values: list[Array] = []  # of sites outside loops, for the trace to return
        self.looped: dict[str, AbstractDistribution] = {}
        self.steps: list[tuple[str, Array | int]] = []  # of each site in a loop

    def __call__(self, name: str, dist: AbstractDistribution) -> Array:
        """Record the site and give a value of the right shape."""
        if name in self.sites:
            raise SiteError(
                f"Each random site needs a name of its own; '{name}' is drawn twice. "
                "Rename one, or inside a loop write draw.at(step)(name, dist)."
            )
        if isinstance(dist, AbstractFinite) and dist.support_size < 1:
            raise SiteError(
                f"Site '{name}' has no value to take: its {type(dist).__name__} has an empty support."
            )
        self.sites[name] = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), dist)
        self.values.append(jax.lax.stop_gradient(dist.from_noise(self.noise(name, dist, 1)[0])))
        return self.values[-1]

    def at(self, step: Array | int) -> LoopDraw:
        """Draws for one step of a loop."""
        return LoopDraw(self, step)

    def see_in_loop(self, name: str, dist: AbstractDistribution, step: Array | int) -> None:
        """Record a site inside a loop; it must be differentiable through its draw."""
        if any(name == other and step is before for other, before in self.steps):
            raise SiteError(
                f"Site '{name}' is drawn twice at one step, and would get the same noise. Rename one."
            )
        self.steps.append((name, step))
        if (why_not := Pathwise().why_not(dist)) is not None:
            raise SiteError(
                f"A site inside a loop must be pathwise, and for site '{name}' {why_not}. Unroll the loop "
                "and give each step's site its own name, or draw one site after the loop, as AIR's count is."
            )
        self.looped[name] = dist

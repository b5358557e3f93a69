"""Generative models that claims train for comparison: DRAW, and the subitizing autoencoder.

Both learn by the loop that trains everything. They begin with the mean of all training pictures, where those
of the command begin with that of their first batch.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from subitize.gradients.learner import GenerativeLearner
from subitize.models.draw import DRAW, DRAWSettings
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings
from subitize.reproduce.lab import Lab, nothing
from subitize.scenes.stack import AbstractStack
from subitize.training.from_recipe import Inspect
from subitize.training.plan import Plan
from subitize.zoo.draw import draw_learner
from subitize.zoo.subitizing_vae import autoencoder_learner

CHUNK = 100  # steps per dispatch
SMALL_DRAW: dict[str, Any] = {"glimpses": 4, "hidden": 8, "code": 4}  # of a rehearsal
SMALL_AUTOENCODER: dict[str, Any] = {"convolutions": ((8, 8),), "features": 16}
SMALL_JUDGE = ((4, 4),)


class Schedule(NamedTuple):
    """How long, and how fast: Adam with a learning rate that falls along half a cosine.

    Attributes:
        steps: of training.
        batch_size: pictures per step.
        rate: first learning rate.
        last_rate: last learning rate.
        grad_clip_norm: largest norm of a gradient.
    """

    steps: int
    batch_size: int = 128
    rate: float = 1e-3
    last_rate: float = 1e-4
    grad_clip_norm: float = 10.0

    def rehearsed(self) -> "Schedule":
        """The same for a few steps."""
        return self._replace(steps=4, batch_size=8)

    def optimizer(self) -> optax.GradientTransformation:
        """The optimizer, as optax has it."""
        fall = optax.cosine_decay_schedule(self.rate, self.steps, self.last_rate / self.rate)
        return optax.chain(optax.clip_by_global_norm(self.grad_clip_norm), optax.adam(fall))

    def plan(self, seed: int) -> Plan:
        """The plan of the loop."""
        chunk = min(CHUNK, self.steps // 2)
        return Plan(self.steps, self.batch_size, seed, chunk, save_every=10 * chunk)


def trained_draw(
    lab: Lab,
    settings: DRAWSettings,
    schedule: Schedule,
    dataset: AbstractStack,
    seed: int,
    inspect: Inspect = nothing,
) -> tuple[DRAW, list[dict[str, Any]]]:
    """A DRAW that has learned these pictures, now or before, and its records.

    Args:
        lab: where it is kept; in a rehearsal it is small, and learns for a few steps.
        settings: its sizes, but for those of the pictures.
        schedule: how it learns.
        dataset: the pictures.
        seed: of everything.
        inspect: as for `subitize.training.fit`, every `CHUNK` steps.
    """
    _, height, width, _ = dataset.pictures.shape
    settings = replace(settings, height=height, width=width, **(SMALL_DRAW if lab.tiny else {}))
    learner_of = partial(draw_learner, settings, mean=mean_of(dataset.pictures)[..., 0])
    return trained(lab, "draw", settings, learner_of, schedule, dataset, seed, inspect)


def trained_autoencoder(
    lab: Lab,
    name: str,
    settings: SubitizingVAESettings,
    schedule: Schedule,
    dataset: AbstractStack,
    seed: int,
) -> SubitizingVAE:
    """An autoencoder that has learned these pictures, now or before.

    Args:
        lab: where it is kept; in a rehearsal it is small, and learns for a few steps.
        name: for people.
        settings: its sizes, but for those of the pictures.
        schedule: how it learns.
        dataset: the pictures.
        seed: of everything.
    """
    _, height, width, channels = dataset.pictures.shape
    small = SMALL_AUTOENCODER | ({"judge": SMALL_JUDGE} if settings.judge else {})
    sizes = {"height": height, "width": width, "channels": channels} | (small if lab.tiny else {})
    settings = replace(settings, **sizes)
    learner_of = partial(autoencoder_learner, settings, mean=mean_of(dataset.pictures))
    return trained(lab, name, settings, learner_of, schedule, dataset, seed)[0]


def trained(
    lab: Lab,
    name: str,
    settings: DRAWSettings | SubitizingVAESettings,
    learner_of: Callable[[optax.GradientTransformation, float], GenerativeLearner],
    schedule: Schedule,
    dataset: AbstractStack,
    seed: int,
    inspect: Inspect = nothing,
) -> tuple[Any, list[dict[str, Any]]]:
    """The model that a learner makes of these pictures, and its records."""
    defining = settings, schedule, dataset.name, dataset.options()
    schedule = schedule.rehearsed() if lab.tiny else schedule
    learner = learner_of(schedule.optimizer(), schedule.rate)
    state, rows = lab.fitted(f"{name}-{seed}", defining, learner, dataset, schedule.plan(seed), inspect)
    return learner.params(state), rows


def mean_of(pictures: Array) -> Float[Array, "height width channels"]:
    """The mean of pictures of bytes, in 0 … 1."""
    return jnp.asarray(pictures.mean(0) / 255)

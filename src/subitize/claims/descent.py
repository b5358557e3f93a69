"""Descent: how a generative model of pictures learns for a claim. Adam down its own cost, nothing else."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from subitize.claims.lab import Lab
from subitize.gradients import expectation
from subitize.gradients.learner import GenerativeLearner, view_of_images
from subitize.scenes import AbstractScenes
from subitize.training.loop import Plan

CHUNK = 100  # steps per dispatch


class Schedule(NamedTuple):
    """How long, and how fast: Adam with a learning rate that falls along half a cosine.

    Attributes:
        steps: of training.
        batch: pictures per step.
        rate: first learning rate.
        last_rate: last learning rate.
        clip: largest norm of a gradient.
    """

    steps: int
    batch: int = 128
    rate: float = 1e-3
    last_rate: float = 1e-4
    clip: float = 10.0


class Subject(NamedTuple):
    """A generative model of pictures.

    Attributes:
        name: for people.
        settings: all that defines it besides its weights.
        build: (settings, key) -> model.
        cost: its program: minus its bound, or whatever else it learns by.
        dream: (model, key) -> a picture.
        view: pictures [batch, height, width, channels] -> what the program sees of them.
    """

    name: str
    settings: Any
    build: Callable[..., Any]
    cost: Callable[..., Any]
    dream: Callable[[Any, jax.Array], jax.Array]
    view: Callable[[jax.Array], jax.Array] = lambda images: images


def mean_of(pictures: Array) -> Float[Array, "height width channels"]:
    """The mean of pictures of bytes, in 0 … 1."""
    return jnp.asarray(pictures.mean(0) / 255)


def descended(
    lab: Lab,
    subject: Subject,
    schedule: Schedule,
    world: AbstractScenes,
    seed: int,
    inspect: Callable[[Any, int], dict[str, Any]] = lambda state, step: {},
) -> tuple[Any, list[dict[str, Any]]]:
    """The trained model, now or before, and its records; in a rehearsal of a few steps.

    Args:
        lab: where it is kept.
        subject: what learns.
        schedule: how.
        world: its pictures.
        seed: of everything.
        inspect: (state, step) -> what to add to the record, every `CHUNK` steps.
    """
    steps, chunk, batch = (4, 2, 8) if lab.tiny else (schedule.steps, CHUNK, schedule.batch)
    fall = optax.cosine_decay_schedule(schedule.rate, steps, schedule.last_rate / schedule.rate)
    learner = GenerativeLearner(
        build=lambda key, batch: subject.build(subject.settings, key=key),
        loss=expectation(subject.cost),
        transform=view_of_images(subject.view),
        optimizer=optax.chain(optax.clip_by_global_norm(schedule.clip), optax.adam(fall)),
        learning_rate=schedule.rate,
        draw_image=subject.dream,
    )
    plan = Plan(steps, batch, seed, chunk, save_every=10 * chunk)
    defining = (subject.settings, schedule, world.name, world.options())
    state, rows = lab.fitted(f"{subject.name}-{seed}", defining, learner, world, plan, inspect)
    return state.model, rows

"""Learner: anything that can be trained.

    init    (key, images, pace=1) -> State
    step    (State, images, key)  -> (State, Info)
    sample  (State, key, n)       -> images

State is memory, Info is gossip: what the next step needs is in State; what only a person needs is in Info.
Pace is the share of its usual learning rate at which it shall learn.
A structured learner is the first place where a model meets an estimator.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, PyTree

from subitize.gradients import Expectation, memory_optimizer

STREAK = 10  # steps in a row without a finite update, after which a run must go back
MEMORY_PACE = (
    10.0  # learning rate of estimators' memory, in units of the model's: as Tucker et al. 2017 chose
)


class Learner(NamedTuple):
    """What a training loop knows of what it trains."""

    init: Callable[..., Any]
    step: Callable[..., Any]
    sample: Callable[..., Any]


class Lesson(NamedTuple):
    """How a batch of images becomes the examples of a program, from one step to the next.

    Attributes:
        begin: images -> recollection, before the first step.
        examples: (recollection, images, step, key) -> examples, along their first axis, real ones first.
        recollect: (recollection, images, parts) -> recollection; parts is what the program reported.
    """

    begin: Callable[[Array], PyTree]
    examples: Callable[[PyTree, Array, Array, Array], PyTree]
    recollect: Callable[[PyTree, Array, PyTree], PyTree]


def as_they_are(view: Callable[[Array], PyTree] = lambda images: images) -> Lesson:
    """The lesson of a program whose examples are images, looked at in some way."""
    return Lesson(lambda images: (), lambda before, images, step, key: view(images), lambda *_: ())


class State(NamedTuple):
    """Memory of a structured learner. `step` counts completed steps, skipped ones included."""

    step: Array
    model: PyTree
    memory: PyTree  # of the estimators
    optimizer: PyTree
    memory_optimizer: PyTree
    recollection: PyTree  # of the lesson
    skipped: Array  # steps whose update was not finite, and was not made
    streak: Array  # of these, how many in a row; stands still at STREAK, so that no later step can hide it
    pace: Array  # share of the usual learning rate


class Info(NamedTuple):
    """Gossip of one step, averaged over its batch."""

    loss: Array
    parts: dict[str, Array]
    finite: Array


def structured(
    build: Callable[[Array], PyTree],
    loss: Expectation,
    lesson: Lesson,
    optimizer: optax.GradientTransformation,
    learning_rate: float,
    dream: Callable[[PyTree, Array], Array],
) -> Learner:
    """A learner that follows the gradient of an expectation.

    Args:
        build: key -> model.
        loss: the expectation over the program.
        lesson: makes the program's examples of images.
        optimizer: of the model.
        learning_rate: the model's first, from which that of the estimators' memory follows.
        dream: (model, key) -> one image.
    """
    tutor = memory_optimizer(MEMORY_PACE * learning_rate)

    def init(key, images, pace=1.0):
        model_key, memory_key = jr.split(key)
        model, recollection = build(model_key), lesson.begin(images)
        nothing, pace = jnp.zeros((), jnp.int32), jnp.asarray(pace, images.dtype)
        examples = lesson.examples(recollection, images, nothing, key)
        memory = loss.init(model, jax.tree.map(lambda x: x[0], examples), memory_key)
        pupil = model, memory, optimizer.init(model), tutor.init(memory), recollection
        return State(nothing, *pupil, skipped=nothing, streak=nothing, pace=pace)

    def step(state, images, key):
        pair_key, noise_key = jr.split(key)
        examples = lesson.examples(state.recollection, images, state.step, pair_key)
        differentiate = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        (value, parts), gradients = differentiate(state.model, state.memory, examples, noise_key)
        finite = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(gradients))
        real = jax.tree.map(lambda x: x[: images.shape[0]], parts)
        updated = update(state, gradients)
        updated = updated._replace(recollection=lesson.recollect(state.recollection, images, real))
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), updated, state)
        skip = (~finite).astype(jnp.int32)
        streak = jnp.where(state.streak >= STREAK, state.streak, skip * (state.streak + 1))
        state = kept._replace(step=state.step + 1, skipped=state.skipped + skip, streak=streak)
        return state, Info(value, jax.tree.map(lambda x: x.mean(0), real), finite)

    def update(state, gradients):
        for_model, for_memory = gradients
        change, optimizer_state = optimizer.update(for_model, state.optimizer, state.model)
        lesson, tutor_state = tutor.update(for_memory, state.memory_optimizer, state.memory)
        return state._replace(
            model=optax.apply_updates(state.model, optax.tree.scale(state.pace, change)),
            memory=optax.apply_updates(state.memory, lesson),
            optimizer=optimizer_state,
            memory_optimizer=tutor_state,
        )

    def sample(state, key, n):
        return jax.vmap(lambda k: dream(state.model, k))(jr.split(key, n))

    return Learner(init, step, sample)

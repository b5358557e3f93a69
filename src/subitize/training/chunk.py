"""Chunk: some steps in one dispatch. The update of a step that is not finite is not made.

Examples and noise of a step are pure functions of (seed, attempt, step).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PyTree

from subitize.core.compile import compiled
from subitize.core.interfaces import Batch, DrawnAhead, Examples, Learner, Metrics

MAX_NONFINITE_STEPS = 10  # in a row, after which a run goes back to its last checkpoint


class LoopState(NamedTuple):
    """What a checkpoint holds: the learner's state, and what the loop knows of its steps."""

    step: Array  # completed steps, skipped ones included
    learner: PyTree
    skipped: Array  # steps with a metric that was not finite, whose update was not made
    nonfinite: Array  # of these, how many in a row; stays at MAX_NONFINITE_STEPS, so that none hides it;
    # also there if the state is not finite


class Sampling(NamedTuple):
    """How batches are made of scenes: see `Plan`."""

    batch_size: int
    replace: bool
    labels: bool

    def indices(self, scenes: Examples, seed: Array | int, step: Array | int, length: int) -> Array:
        """Which examples so many steps see, from one step on: [length, batch]."""
        numbers = step * self.batch_size + jnp.arange(length * self.batch_size)
        return scenes.indices(seed, numbers, replace=self.replace).reshape(length, self.batch_size)

    def ahead(self, scenes: Examples, seed: int, step: int, length: int) -> Examples:
        """The scenes of so many steps drawn already, where that saves compiling them into the steps."""
        if not isinstance(scenes, DrawnAhead):
            return scenes
        return scenes.ahead(seed, np.arange(step * self.batch_size, (step + length) * self.batch_size))

    def examples(self, scenes: Examples, seed: Array | int, indices: Array) -> Batch:
        """The batch of one step, its labels only for a learner that may see them."""
        batch = scenes.examples(seed, indices)
        return batch if self.labels else batch._replace(labels=None)


# The seed is an argument and no constant: what is compiled for a learner serves every seed, in this process
# and by the cache of compiled programs in others.
def first_state(
    learner: Learner,
    data: Sampling,
    scenes: Examples,
    seed: Array | int,
    attempt: Array | int,
    learning_rate_scale: Array | float = 1.0,
) -> LoopState:
    """The state before the first step."""
    batch = data.examples(scenes, seed, data.indices(scenes, seed, 0, 1)[0])
    return initialized(learner, batch, seed, attempt, learning_rate_scale)


@compiled(runs="once", static_argnames="learner")
def initialized(
    learner: Learner,
    batch: Batch,
    seed: Array | int,
    attempt: Array | int,
    learning_rate_scale: Array | float,
) -> LoopState:
    """The state before the first step, by the batch of that step."""
    key, zero = jr.fold_in(attempt_key(seed, attempt), 0), jnp.zeros((), jnp.int32)
    return LoopState(zero, learner.init(key, batch, learning_rate_scale=learning_rate_scale), zero, zero)


@compiled(runs="often", static_argnames=("learner", "data", "length"))
def run_chunk(
    learner: Learner,
    data: Sampling,
    length: int,
    scenes: Examples,
    seed: Array | int,
    attempt: Array | int,
    state: LoopState,
) -> tuple[LoopState, Metrics]:
    """The state after `length` steps, and the mean of each metric over the steps that were finite."""
    noise = jr.fold_in(attempt_key(seed, attempt), 1)

    def step(state: LoopState, indices: Array) -> tuple[LoopState, tuple[Metrics, Array]]:
        batch = data.examples(scenes, seed, indices)
        return guarded_step(learner, state, batch, jr.fold_in(noise, state.step))

    state, (metrics, finite) = jax.lax.scan(step, state, data.indices(scenes, seed, state.step, length))
    # To look at the whole state costs as much as to update it: once a chunk, and so before each checkpoint.
    nonfinite = jnp.where(all_finite(state.learner), state.nonfinite, MAX_NONFINITE_STEPS)
    return state._replace(nonfinite=nonfinite), jax.tree.map(partial(mean_where, finite), metrics)


def guarded_step(
    learner: Learner, state: LoopState, batch: Batch, key: Array
) -> tuple[LoopState, tuple[Metrics, Array]]:
    """One step, which leaves the learner as it was if a metric is not finite."""
    new, metrics = learner.step(state.learner, batch, key)
    finite = all_finite(metrics)
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), new, state.learner)
    skip = (~finite).astype(jnp.int32)
    stuck = state.nonfinite >= MAX_NONFINITE_STEPS
    nonfinite = jnp.where(stuck, state.nonfinite, skip * (state.nonfinite + 1))
    return LoopState(state.step + 1, kept, state.skipped + skip, nonfinite), (metrics, finite)


def all_finite(tree: PyTree) -> Array:
    """Whether every real number in a pytree is finite."""
    reals = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    return jnp.all(jnp.array([jnp.isfinite(leaf).all() for leaf in reals], bool))


def mean_where(kept: Array, values: Array) -> Array:
    """Mean over the first axis of those that are kept; 0 if none is."""
    values = jnp.asarray(values)
    dtype = jnp.result_type(values, jnp.float32)
    share = kept.astype(dtype) / jnp.maximum(kept.sum(), 1).astype(dtype)
    return jnp.tensordot(share, jnp.nan_to_num(values.astype(dtype)), 1)


def attempt_key(seed: Array | int, attempt: Array | int) -> Array:
    """The key of all that is random in one attempt, but for the scenes."""
    return jr.fold_in(jr.key(seed), attempt)

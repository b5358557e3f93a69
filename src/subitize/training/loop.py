"""The loop: chunks of steps in one dispatch, saved so that it can be killed at any moment.

Examples and noise of a step are pure functions of (seed, attempt, step), so a checkpoint needs no loader
state, and a run that was killed and resumed makes the very rows and weights of one that was not.

A learner is two functions (`subitize.core.interfaces.Learner`). All that every training needs is here: the
number of the step, skipping updates that are not finite, going back to a checkpoint after many of them, and
starting again with a lower learning rate when a run has certainly failed.
"""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PyTree

from subitize.core.bounds import check_bounds
from subitize.core.errors import CheckpointError, DivergedError, SubitizeError, UsageError
from subitize.core.files import CHECKPOINTS
from subitize.core.interfaces import Batch, Examples, Learner, Metrics
from subitize.core.json import JSON
from subitize.core.stopping import stoppable
from subitize.core.typed import typed
from subitize.training import checkpoint
from subitize.training.records import Records

MAX_NONFINITE_STEPS = 10  # in a row, after which a run goes back to its last checkpoint
MAX_ROLLBACKS = 3  # of a run, before it is given up
STOPPING = (
    "stopping after this chunk. Ask again to stop now: what came after the last save is then done anew."
)
RESTART_LR_FACTOR = 0.5  # whenever a run starts again: too large steps are why most fail
DRAWN = ("seed", "batch", "replace", "labels")  # of a plan: what decides what each step sees
LOOP_COLUMNS = ("step", "attempt", "restarts", "skipped")  # of a record, written by the loop itself


class LoopState(NamedTuple):
    """What a checkpoint holds: the learner's state, and what the loop knows of its steps."""

    step: Array  # completed steps, skipped ones included
    learner: PyTree
    skipped: Array  # steps with a metric that was not finite, whose update was not made
    nonfinite: Array  # of these, how many in a row; stays at MAX_NONFINITE_STEPS, so that none hides it;
    # also there if the state is not finite


class Interrupted(SubitizeError):
    """Training was asked to stop, and saved itself first."""

    def __init__(self, number: int, folder: Path):
        name = signal.Signals(number).name
        super().__init__(f"Stopped by {name}, and saved. Go on with --out {folder}, all else as it was.")
        self.exit_code = 128 + number  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Plan:
    """How long, how often, and from which seed to train.

    Args:
        steps: in all, those before a resume included.
        batch: images per step.
        seed: of scenes, initial weights and noise.
        chunk: steps per dispatch, and per row of the record.
        save_every: steps between checkpoints.
        restarts: how often to start again when a run certainly failed.
        replace: whether examples of a finite set are drawn with replacement, or in epochs.
        labels: whether the learner may see what is true of the examples.

    Raises:
        UsageError: a number is out of its bounds.
    """

    steps: int
    batch: int
    seed: int
    chunk: int
    save_every: int
    restarts: int = 0
    replace: bool = True
    labels: bool = False

    def __post_init__(self):
        check_bounds(self)


@dataclass(frozen=True)
class Progress:
    """What may change along the way, besides the learner's state; noted in every checkpoint.

    Attributes:
        attempt: folded into all randomness; one more whenever a run starts again or goes back.
        rollbacks: how often it went back to a checkpoint after a streak of infinite updates.
        restarts: how often it started again.
        best: lowest criterion so far, None before the first.
        best_name: of the checkpoint that had it.
    """

    attempt: int = 0
    rollbacks: int = 0
    restarts: int = 0
    best: float | None = None
    best_name: str | None = None


@dataclass(frozen=True)
class Notes:
    """What a checkpoint is told besides its arrays.

    Attributes:
        records: bytes of the record when it was written.
        progress: what had changed along the way.
        plan: of the training; None in those of an earlier version.
        scheduled: name of the newest checkpoint that was due, "" if none was: this one, unless the run was
            stopped; None in those of an earlier version.
    """

    records: int
    progress: Progress
    plan: Plan | None = None
    scheduled: str | None = None

    @staticmethod
    def from_json(values: object) -> "Notes":
        """Read what `dataclasses.asdict` makes of it.

        Raises:
            CheckpointError: these are not the notes of this version.
        """
        try:
            return typed(Notes, values, "notes")
        except TypeError as error:
            raise CheckpointError(f"Its notes are not those of this version: {error}.") from None


def fit(
    learner: Learner,
    scenes: Examples,
    plan: Plan,
    folder: Path,
    *,
    inspect: Callable[[PyTree, int], JSON] = lambda state, step: {},
    watch: Callable[[JSON], None] = lambda row: None,
) -> PyTree:
    """The last state of a learner, trained.

    Args:
        learner: what to train; hashable, and equal to another only if it learns the same.
        scenes: where its examples come from.
        plan: how long and how often.
        folder: of the run: `records.jsonl`, `timings.jsonl` and `checkpoints/` are written there. It goes on
            from the newest whole checkpoint, if there is one.
        inspect: (state of the learner, step) -> what to add to the row; "failed": why to start again, or
            None; "warning": what seems wrong, or None; "criterion": how bad it looks, or None: the checkpoint
            in which it is lowest is kept.
        watch: called with every row, with clock times and events added.

    Raises:
        UsageError: it is no learner, or the folder holds a training with another seed, other batches or more
            steps.
        Interrupted: SIGTERM or SIGINT arrived; a checkpoint was written.
        DivergedError: updates stayed infinite after going back several times.
    """
    check_learner(learner)
    training = Training(learner, scenes, plan, folder, watch)
    with stoppable(lambda: watch({"event": STOPPING})) as stops:
        training.begin()
        if training.step < plan.steps:
            watch({"event": "compiling..."})  # before a silence of up to a minute
        while training.step < plan.steps:
            if not stops:
                training.advance(inspect)
            if training.due():
                training.save()
            if stops:
                training.save_where_stopped()
                raise Interrupted(stops[0], folder)
    return training.state.learner


def check_learner(learner: object) -> None:
    """Refuse what cannot be trained.

    Raises:
        UsageError: it lacks a function, or cannot be hashed.
    """
    kind = type(learner).__name__
    for name in ("init", "step"):
        if not callable(getattr(learner, name, None)):
            raise UsageError(f"A learner has two functions, `init` and `step`; {kind} has no `{name}`.")
    try:
        hash(learner)
    except TypeError as error:
        raise UsageError(
            f"Steps are compiled for each learner, so it must be hashable, and {kind} is not: {error}. Make "
            "it a frozen dataclass of numbers, words and functions."
        ) from None


def best_state(folder: Path, like: PyTree) -> PyTree:
    """The state of a run in which the criterion was lowest; `like` itself if none was ever judged.

    Raises:
        CheckpointError: that checkpoint is damaged.
    """
    saves = folder / CHECKPOINTS
    newest = checkpoint.newest(saves, understood=Notes.from_json)
    name = newest.notes.progress.best_name if newest else None
    if name is None:
        return like
    whole = LoopState(jnp.zeros((), jnp.int32), like, *[jnp.zeros((), jnp.int32)] * 2)
    return checkpoint.restore(saves, checkpoint.verify(saves, name).name, whole).learner


class Training:
    """One run under way."""

    def __init__(self, learner: Learner, scenes: Examples, plan: Plan, folder: Path, watch: Callable):
        self.learner, self.scenes, self.plan = learner, scenes, plan
        self.data = Sampling(plan.batch, plan.replace, plan.labels)
        self.saves = folder / CHECKPOINTS
        self.saves.mkdir(parents=True, exist_ok=True)
        self.records = Records(folder, watch)
        self.progress = Progress()
        self.step = self.saved_at = 0
        self.scheduled = ""
        self.told: str | None = None

    def begin(self, until: str | None = None) -> None:
        """Start from the newest whole checkpoint, none newer than `until`, or afresh."""
        self._start()
        checkpoint.remove_unfinished(self.saves)
        saved = checkpoint.newest(self.saves, self.records.event, Notes.from_json, until)
        if saved is not None:
            self.state = checkpoint.restore(self.saves, saved.name, self.state)
            self.progress = saved.notes.progress
            check_continues(self.plan, saved.notes.plan, int(self.state.step), self.saves)
        self.records.cut(saved.notes.records if saved is not None else 0)
        self.step = int(self.state.step)
        self.scheduled = saved.notes.scheduled if saved is not None else ""
        if self.scheduled is None:  # of an earlier version
            self.scheduled = self.name
        # What comes next is due as if the run had never been stopped.
        self.saved_at = checkpoint.step_of(self.scheduled) if self.scheduled else 0

    def advance(self, inspect: Callable[[PyTree, int], JSON]) -> None:
        """Run one chunk, record it, and act on what it shows."""
        plan, began = self.plan, time.perf_counter()
        length, attempt = min(plan.chunk, plan.steps - self.step), self.progress.attempt
        self.state, means = run_chunk(
            self.learner, self.data, length, self.scenes, plan.seed, attempt, self.state
        )
        if int(self.state.nonfinite) >= MAX_NONFINITE_STEPS:
            self._go_back(means)
            return
        self.step += length
        seconds = time.perf_counter() - began
        found = inspect(self.state.learner, self.step)
        known = self.step, self.progress.attempt, self.progress.restarts, int(self.state.skipped)
        row = joined(dict(zip(LOOP_COLUMNS, known, strict=True)), as_lists(means), found)
        self.records.write(row, steps=plan.steps, steps_per_second=length / seconds, seconds=seconds)
        self._tell(found.get("warning"))
        self._judge(found.get("criterion"))
        if found.get("failed") and self.progress.restarts < plan.restarts:
            self._start_again(found["failed"])
        elif found.get("failed"):
            self._tell(f"{found['failed']} No restart is left; this run has failed.")

    def _tell(self, text: str | None) -> None:
        """Say what seems wrong, once."""
        if text and text != self.told:
            self.records.event(text)
            self.told = text

    def _judge(self, criterion: float | None) -> None:
        """Save, and keep, what looks best."""
        if criterion is None or not math.isfinite(criterion):
            return
        if self.progress.best is None or criterion < self.progress.best:
            self.progress = replace(self.progress, best=criterion, best_name=self.name)
            self.save()

    @property
    def name(self) -> str:
        """Of a checkpoint written now."""
        return f"{self.progress.attempt:03d}-{self.step:08d}"

    def due(self) -> bool:
        """Whether it is time to save."""
        if self.step >= self.plan.steps:
            return self.saved_at < self.step
        return self.step - self.saved_at >= self.plan.save_every

    def save(self) -> None:
        """Write a checkpoint that is due."""
        self.scheduled, self.saved_at = self.name, self.step
        self._write()

    def save_where_stopped(self) -> None:
        """Write a checkpoint to go on from, but none to go back to: an unstopped run would not have it."""
        if self.saved_at < self.step:
            self._write()

    def _write(self) -> None:
        notes = Notes(self.records.size(), self.progress, self.plan, self.scheduled)
        keep = (self.progress.best_name, self.scheduled)
        checkpoint.save(self.saves, self.name, self.state, asdict(notes), keep)

    def _start_again(self, why: str) -> None:
        """Leave a failed run behind, with new initial weights and noise, and learn more slowly."""
        self.records.event(
            f"{why} Starting again with other noise, at {RESTART_LR_FACTOR:g} times the learning rate."
        )
        self.progress = Progress(
            self.progress.attempt + 1, self.progress.rollbacks, self.progress.restarts + 1
        )
        self._start()
        self.step = 0
        self.save()

    def _start(self) -> None:
        """The state before the first step of an attempt."""
        scale = RESTART_LR_FACTOR**self.progress.restarts
        self.state = first_state(
            self.learner, self.data, self.scenes, self.plan.seed, self.progress.attempt, scale
        )

    def _go_back(self, metrics: Metrics) -> None:
        """Return to the last checkpoint, and go on with other noise."""
        if self.progress.rollbacks >= MAX_ROLLBACKS:
            raise DivergedError(
                f"Training met {MAX_NONFINITE_STEPS} steps in a row that were not finite, or a state that "
                f"was not, even after going back {MAX_ROLLBACKS} times. A step is finite if all its metrics "
                f"are ({', '.join(metrics) or 'it has none'}). Lower the learning rate, or look for pictures "
                "that are not finite."
            )
        attempt, rollbacks = self.progress.attempt + 1, self.progress.rollbacks + 1
        self.records.event(
            f"{MAX_NONFINITE_STEPS} steps in a row were not finite, or the state was not; going back to the "
            "last checkpoint."
        )
        self.begin(until=self.scheduled)
        self.progress = replace(self.progress, attempt=attempt, rollbacks=rollbacks)


class Sampling(NamedTuple):
    """How batches are made of scenes: see `Plan`."""

    batch: int
    replace: bool
    labels: bool

    def indices(self, scenes: Examples, seed: Array | int, step: Array | int, length: int) -> Array:
        """Which examples so many steps see, from one step on: [length, batch]."""
        numbers = step * self.batch + jnp.arange(length * self.batch)
        return scenes.indices(seed, numbers, replace=self.replace).reshape(length, self.batch)

    def examples(self, scenes: Examples, seed: Array | int, indices: Array) -> Batch:
        """The batch of one step, its labels only for a learner that may see them."""
        batch = scenes.examples(seed, indices)
        return batch if self.labels else batch._replace(labels=None)


# The seed is an argument and no constant: what is compiled for a learner serves every seed, in this process
# and by the cache of compiled programs in others.
@partial(jax.jit, static_argnames=("learner", "data"))
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
    key, zero = jr.fold_in(attempt_key(seed, attempt), 0), jnp.zeros((), jnp.int32)
    return LoopState(zero, learner.init(key, batch, learning_rate_scale=learning_rate_scale), zero, zero)


@partial(jax.jit, static_argnames=("learner", "data", "length"))
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


def as_lists(metrics: Metrics) -> JSON:
    """Metrics as JSON has them."""
    return {name: value.tolist() for name, value in metrics.items()}


def joined(own: JSON, metrics: JSON, found: JSON) -> JSON:
    """A row of the record: the loop's own columns, the learner's metrics, and what an inspection found.

    Raises:
        UsageError: a name is given twice.
    """
    if taken := set(own) & {*metrics, *found}:
        raise UsageError(f"The loop itself records {', '.join(sorted(taken))}. Give the metric another name.")
    if taken := set(metrics) & set(found):
        raise UsageError(f"{', '.join(sorted(taken))} is a metric of the learner; inspect names another.")
    return own | metrics | found


def check_continues(plan: Plan, before: Plan | None, step: int, saves: Path) -> None:
    """Refuse to go on with a training that drew other examples or other noise, or that is further already.

    Raises:
        UsageError: says what differs.
    """
    other = [] if before is None else [word for word in DRAWN if getattr(plan, word) != getattr(before, word)]
    if other or step > plan.steps:
        what = f"with another {' and '.join(other)}" if other else f"that has made {step:,} steps already"
        raise UsageError(f"{saves} holds a training {what}. Go on as it began, or choose another folder.")

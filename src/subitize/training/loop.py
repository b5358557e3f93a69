"""The loop: chunks of steps in one dispatch, saved so that it can be killed at any moment.

Scenes and noise of a step are pure functions of (seed, attempt, step), so a checkpoint needs no loader
state, and a run that was killed and resumed makes the very rows and weights of one that was not. The loop
knows a learner, and nothing of what it learns.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PyTree

from subitize.core.bounds import check_bounds
from subitize.core.errors import CheckpointError, DivergedError, SubitizeError
from subitize.core.stopping import stoppable
from subitize.core.typed import typed
from subitize.scenes import AbstractScenes
from subitize.training import checkpoint
from subitize.training.learner import STREAK, Learner
from subitize.training.records import Records

ROLLBACKS = 3  # times, before giving up
STOPPING = (
    "stopping after this chunk. Ask again to stop now: what came after the last save is then done anew."
)
SLOWER = 0.5  # factor on the learning rate whenever a run starts again: too large steps are why most fail


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

    Raises:
        UsageError: a number is out of its bounds.
    """

    steps: int
    batch: int
    seed: int
    chunk: int
    save_every: int
    restarts: int = 0

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
    """

    records: int
    progress: Progress

    @staticmethod
    def from_json(values: Any) -> "Notes":
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
    scenes: AbstractScenes,
    plan: Plan,
    folder: Path,
    *,
    resume: bool = True,
    inspect: Callable[[PyTree, int], dict[str, Any]] = lambda state, step: {},
    watch: Callable[[dict[str, Any]], None] = lambda row: None,
) -> PyTree:
    """Train a learner, and return its last state.

    Args:
        learner: what to train.
        scenes: where its images come from.
        plan: how long and how often.
        folder: of the run: `records.jsonl`, `timings.jsonl` and `checkpoints/` are written there.
        resume: go on from the newest whole checkpoint, if there is one.
        inspect: (state, step) -> what to add to the row; "failed": why to start again, or None;
            "warning": what seems wrong, or None; "criterion": how bad it looks, or None: the checkpoint in
            which it is lowest is kept.
        watch: called with every row, with clock times and events added.

    Raises:
        Interrupted: SIGTERM or SIGINT arrived; a checkpoint was written.
        DivergedError: updates stayed infinite after going back several times.
    """
    training = Training(learner, scenes, plan, folder, watch)
    with stoppable(lambda: watch({"event": STOPPING})) as stops:
        training.begin(resume=resume)
        if training.step < plan.steps:
            watch({"event": "compiling..."})  # before a silence of up to a minute
        while training.step < plan.steps:
            if not stops:
                training.advance(inspect)
            if training.due() or (stops and training.saved_at < training.step):
                training.save()
            if stops:
                raise Interrupted(stops[0], folder)
    return training.state


def best_state(folder: Path, like: PyTree) -> PyTree:
    """The state of a run in which the criterion was lowest; `like` itself if none was ever judged.

    Raises:
        CheckpointError: that checkpoint is damaged.
    """
    saves = folder / "checkpoints"
    newest = checkpoint.newest(saves, understood=Notes.from_json)
    name = newest.notes.progress.best_name if newest else None
    if name is None:
        return like
    return checkpoint.restore(saves, checkpoint.verify(saves, name).name, like)


class Training:
    """One run under way."""

    def __init__(self, learner: Learner, scenes: AbstractScenes, plan: Plan, folder: Path, watch: Callable):
        self.learner, self.scenes, self.plan = learner, scenes, plan
        self.saves = folder / "checkpoints"
        self.saves.mkdir(parents=True, exist_ok=True)
        self.records = Records(folder, watch)
        self.progress = Progress()
        self.step = self.saved_at = 0
        self.told: str | None = None

    def begin(self, *, resume: bool) -> None:
        """Start from the newest whole checkpoint, or afresh."""
        self._start()
        checkpoint.remove_unfinished(self.saves)
        saved = checkpoint.newest(self.saves, self.records.event, Notes.from_json) if resume else None
        if saved is not None:
            self.state = checkpoint.restore(self.saves, saved.name, self.state)
            self.progress = saved.notes.progress
        self.records.cut(saved.notes.records if saved is not None else 0)
        self.step = self.saved_at = int(self.state.step)

    def advance(self, inspect: Callable[[PyTree, int], dict[str, Any]]) -> None:
        """Run one chunk, record it, and act on what it shows."""
        plan, began = self.plan, time.perf_counter()
        length, attempt = min(plan.chunk, plan.steps - self.step), self.progress.attempt
        self.state, means = run_chunk(
            self.learner, plan.batch, length, self.scenes, plan.seed, attempt, self.state
        )
        if int(self.state.streak) >= STREAK:
            self._go_back()
            return
        self.step += length
        seconds = time.perf_counter() - began
        found = inspect(self.state, self.step)
        row = {"step": self.step, "attempt": self.progress.attempt, "restarts": self.progress.restarts}
        row |= {"skipped": int(self.state.skipped)} | means_of(means) | found
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
        if criterion is not None and (self.progress.best is None or criterion < self.progress.best):
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
        """Write a checkpoint."""
        notes = asdict(Notes(self.records.size(), self.progress))
        checkpoint.save(self.saves, self.name, self.state, notes, keep=self.progress.best_name)
        self.saved_at = self.step

    def _start_again(self, why: str) -> None:
        """Leave a failed run behind, with new initial weights and noise, and learn more slowly."""
        self.records.event(f"{why} Starting again with other noise, at {SLOWER:g} times the learning rate.")
        self.progress = Progress(
            self.progress.attempt + 1, self.progress.rollbacks, self.progress.restarts + 1
        )
        self._start()
        self.step = 0
        self.save()

    def _start(self) -> None:
        """The state before the first step of an attempt."""
        pace = SLOWER**self.progress.restarts
        self.state = first_state(
            self.learner, self.plan.batch, self.scenes, self.plan.seed, self.progress.attempt, pace
        )

    def _go_back(self) -> None:
        """Return to the last checkpoint, and go on with other noise."""
        if self.progress.rollbacks >= ROLLBACKS:
            raise DivergedError(
                f"Training met {STREAK} steps in a row without a finite gradient, even after going back "
                f"{ROLLBACKS} times. Lower the learning rate, or look for pictures that are not finite."
            )
        attempt, rollbacks = self.progress.attempt + 1, self.progress.rollbacks + 1
        self.records.event(f"{STREAK} steps in a row were not finite; going back to the last checkpoint.")
        self.begin(resume=True)
        self.progress = replace(self.progress, attempt=attempt, rollbacks=rollbacks)


# The seed is an argument and no constant: what is compiled for a learner serves every seed, in this process
# and by the cache of compiled programs in others.
@partial(jax.jit, static_argnames=("learner", "batch"))
def first_state(
    learner: Learner,
    batch: int,
    scenes: AbstractScenes,
    seed: Array | int,
    attempt: Array | int,
    pace: Array | float = 1.0,
) -> PyTree:
    """The learner's state before its first step."""
    images = scenes.batch(seed, jnp.arange(batch)).image
    return learner.init(jr.fold_in(attempt_key(seed, attempt), 0), images, pace)


@partial(jax.jit, static_argnames=("learner", "batch", "length"))
def run_chunk(
    learner: Learner,
    batch: int,
    length: int,
    scenes: AbstractScenes,
    seed: Array | int,
    attempt: Array | int,
    state: PyTree,
) -> tuple[PyTree, PyTree]:
    """`length` steps; the gossip is averaged over the finite ones."""
    noise = jr.fold_in(attempt_key(seed, attempt), 1)

    def step(state, _):
        indices = state.step * batch + jnp.arange(batch)
        images = scenes.batch(seed, indices).image
        return learner.step(state, images, jr.fold_in(noise, state.step))

    state, infos = jax.lax.scan(step, state, length=length)
    finite = infos.finite.astype(infos.loss.dtype)
    share = finite / jnp.maximum(finite.sum(), 1)
    return state, jax.tree.map(lambda x: jnp.tensordot(share, jnp.nan_to_num(x), 1), infos)


def attempt_key(seed: Array | int, attempt: Array | int) -> Array:
    """The key of all that is random in one attempt, but for the scenes."""
    return jr.fold_in(jr.key(seed), attempt)


def means_of(infos: Any) -> dict[str, float]:
    """What to record of a chunk."""
    return {"loss": infos.loss.item()} | {name: value.tolist() for name, value in infos.parts.items()}

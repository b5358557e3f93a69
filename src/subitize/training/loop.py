"""The loop: chunks of steps in one dispatch, saved so that it can be killed at any moment.

Examples and noise of a step are pure functions of (seed, attempt, step), so a checkpoint needs no loader
state, and a run that was killed and resumed makes the very rows and weights of one that was not.

A learner is two functions (`subitize.core.interfaces.Learner`). What every training needs is here and in
`subitize.training.chunk`: the number of the step, skipping updates that are not finite, going back to a
checkpoint after many of them, and starting again with a lower learning rate when a run has certainly failed.
With `n_init` above one, several initial weights are tried, and the one whose loss is lowest goes on.
"""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import jax.numpy as jnp
from jaxtyping import PyTree

from subitize.core.errors import CheckpointError, DivergedError, SubitizeError, UsageError
from subitize.core.files import CHECKPOINTS
from subitize.core.interfaces import Examples, Learner, Metrics
from subitize.core.json import JSON
from subitize.core.stopping import stoppable
from subitize.training import checkpoint
from subitize.training.chunk import MAX_NONFINITE_STEPS, LoopState, Sampling, first_state, run_chunk
from subitize.training.plan import Notes, Plan, Progress, check_continues
from subitize.training.records import Records

MAX_ROLLBACKS = 3  # of a run, before it is given up
STOPPING = (
    "stopping after this chunk. Ask again to stop now: what came after the last save is then done anew."
)
TRIAL = 0.4  # share of the steps after which one of several initial weights is chosen
RESTART_LR_FACTOR = 0.5  # whenever a run starts again: too large steps are why most fail
LOOP_COLUMNS = ("step", "attempt", "restarts", "skipped")  # of a record, written by the loop itself


class Interrupted(SubitizeError):
    """Training was asked to stop, and saved itself first."""

    def __init__(self, number: int, folder: Path):
        name = signal.Signals(number).name
        super().__init__(f"Stopped by {name}, and saved. Go on with --out {folder}, all else as it was.")
        self.exit_code = 128 + number  # pyright: ignore[reportAttributeAccessIssue]


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
        while training.step < plan.steps or training.trial_ended:
            if not stops and training.trial_ended:
                training.next_start()
            elif not stops:
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
        self.data = Sampling(plan.batch_size, plan.replace, plan.labels)
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
        length, attempt = min(plan.steps_per_call, plan.steps - self.step), self.progress.attempt
        scenes = self.data.ahead(self.scenes, plan.seed, self.step, length)
        self.state, means = run_chunk(self.learner, self.data, length, scenes, plan.seed, attempt, self.state)
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
        if self.on_trial:
            self._judge_trial(row.get("loss"))
        elif found.get("failed") and self.progress.restarts < plan.restarts:
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
    def on_trial(self) -> bool:
        """Whether it is not yet decided which initial weights go on."""
        return self.plan.n_init > 1 and len(self.progress.trials) < self.plan.n_init

    @property
    def trial_ended(self) -> bool:
        """Whether the state is one with which a trial ended."""
        return self.name in self.progress.trials

    def _judge_trial(self, loss: list | float | None) -> None:
        """Save the state with its loss, if its trial is over.

        Raises:
            UsageError: the learner has no loss.
        """
        if self.step < TRIAL * self.plan.steps:
            return
        if not isinstance(loss, float):
            raise UsageError("`n_init` above 1 goes by the metric `loss`, which this learner lacks. Use 1.")
        found = loss if math.isfinite(loss) else math.inf
        trials, losses = (*self.progress.trials, self.name), (*self.progress.trial_losses, found)
        self.progress = replace(self.progress, trials=trials, trial_losses=losses)
        self.save()

    def next_start(self) -> None:
        """Try the next initial weights, or go on from those of lowest loss; with other noise."""
        losses = self.progress.trial_losses
        attempt = self.progress.attempt + 1
        self.progress = replace(self.progress, attempt=attempt, best=None, best_name=None)
        if self.on_trial:
            self._start()
            self.step = 0
        else:
            self._go_on_from(losses.index(min(losses)))
        self.save()

    def _go_on_from(self, start: int) -> None:
        """Take the state with which a trial ended; the last one stays if that is damaged."""
        losses = ", ".join(f"{loss:.2f}" for loss in self.progress.trial_losses)
        try:
            saved = checkpoint.verify(self.saves, self.progress.trials[start])
            self.state = checkpoint.restore(self.saves, saved.name, self.state)
            self.step = int(self.state.step)
            self.records.event(
                f"Of {self.plan.n_init} starts, with losses {losses}, number {start + 1} goes on."
            )
        except CheckpointError as error:
            self.records.event(f"{error} The last start goes on.")

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
        trials = self.progress.trials if self.on_trial or self.trial_ended else ()
        keep = (self.progress.best_name, self.scheduled, *trials)
        checkpoint.save(self.saves, self.name, self.state, asdict(notes), keep)

    def _start_again(self, why: str) -> None:
        """Leave a failed run behind, with new initial weights and noise, and learn more slowly."""
        self.records.event(
            f"{why} Starting again with other noise, at {RESTART_LR_FACTOR:g} times the learning rate."
        )
        attempt, restarts = self.progress.attempt + 1, self.progress.restarts + 1
        self.progress = replace(self.progress, attempt=attempt, restarts=restarts, best=None, best_name=None)
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

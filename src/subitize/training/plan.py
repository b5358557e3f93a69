"""Plan: how long to train and from which seed, and what a checkpoint notes of how far it came."""

from dataclasses import dataclass
from pathlib import Path

from subitize.core.bounds import check_bounds
from subitize.core.errors import CheckpointError, UsageError
from subitize.core.typed import typed

DRAWN = ("seed", "batch_size", "replace", "labels")  # of a plan: what decides what each step sees


@dataclass(frozen=True)
class Plan:
    """How long, how often, and from which seed to train.

    Args:
        steps: in all, those before a resume included.
        batch_size: images per step.
        seed: of scenes, initial weights and noise.
        steps_per_call: steps in one call of the compiled program, and per row of the record.
        save_every: steps between checkpoints.
        restarts: how often to start again when a run certainly failed.
        n_init: how many initial weights to try for a part of the steps; the best of them goes on.
        replace: whether examples of a finite set are drawn with replacement, or in epochs.
        labels: whether the learner may see what is true of the examples.

    Raises:
        UsageError: a number is out of its bounds.
    """

    steps: int
    batch_size: int
    seed: int
    steps_per_call: int
    save_every: int
    restarts: int = 0
    n_init: int = 1
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
        trials: the checkpoints with which trials of initial weights ended.
        trial_losses: their losses.
    """

    attempt: int = 0
    rollbacks: int = 0
    restarts: int = 0
    best: float | None = None
    best_name: str | None = None
    trials: tuple[str, ...] = ()
    trial_losses: tuple[float, ...] = ()


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


def check_continues(plan: Plan, before: Plan | None, step: int, saves: Path) -> None:
    """Refuse to go on with a training that drew other examples or other noise, or that is further already.

    Raises:
        UsageError: says what differs.
    """
    other = [] if before is None else [word for word in DRAWN if getattr(plan, word) != getattr(before, word)]
    if other or step > plan.steps:
        what = f"with another {' and '.join(other)}" if other else f"that has made {step:,} steps already"
        raise UsageError(f"{saves} holds a training {what}. Go on as it began, or choose another folder.")

"""What does a worker of a cluster do with a part of a count?

It opens the run, once for all parts, goes on after the rows that the part has, and tells how far it is. It
stops when nobody counts into the folder any more, whatever has ended who did: that process held its lock.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from subitize.core.errors import CheckpointError, printable
from subitize.core.files import alone, is_worked_in
from subitize.evaluation.job import Job
from subitize.evaluation.parts import count_part
from subitize.training.calibration import Calibration
from subitize.training.run import Run, open_run

EVERY = 1.0  # seconds between two words of a worker


class RunSource(NamedTuple):
    """How a worker opens the run of a count.

    Attributes:
        path: its folder, from the root of the file system.
        called: the same as it was given, whose name is in the rows.
        digest: of its weights.
        max_objects: the most objects to look for, if not as in training.
        passes: over each picture.
        edge: whether what is cut by the border counts; empty for a model without a rule for it.
        calibration: of its intervals, when the count began.
    """

    path: Path
    called: Path
    digest: str
    max_objects: int | None
    passes: int
    edge: str
    calibration: Calibration | None


class News(NamedTuple):
    """How many files of a part are done, and what is wrong with the last ones."""

    part: int
    done: int
    sentences: Sequence[str]


class Unwanted(Exception):
    """Nobody counts into the folder any more."""


def count_in_worker(own: Job, source: RunSource, number: int, say: Callable[[News], None]) -> News:
    """Count a part; returns the last news of it, in which all is done unless nobody wants it any more.

    Args:
        own: the part.
        source: of the run.
        number: of the part, in the news.
        say: takes news, as often as there is some.
    """
    told = Told(own.out, number, say)
    with contextlib.suppress(Unwanted):
        told.check()
        run = opened(source)
        with alone(own.tables, "counting into", wait=-1.0):  # a worker that was given up for dead may live
            count_part(own, run, told, threads=1)  # there is a worker for each core
        return News(number, len(own.files), told.sentences)
    return News(number, 0, [])


class Told:
    """Tells of a part, once in a while.

    Args:
        out: the folder of the count; who counts into it holds its lock.
        number: of the part.
        say: takes news.
    """

    def __init__(self, out: Path, number: int, say: Callable[[News], None]):
        self.out, self.number, self.say = out, number, say
        self.sentences: list[str] = []
        self.last = -math.inf

    def __call__(self, done: int, sentences: Sequence[str]) -> None:
        """Say how many files are done, unless something was said just now.

        Raises:
            Unwanted: nobody hears it.
        """
        self.sentences.extend(sentences)
        if time.monotonic() - self.last >= EVERY:
            self.check()
            self.say(News(self.number, done, self.sentences))
            self.sentences, self.last = [], time.monotonic()

    def check(self) -> None:
        """Stop if nobody counts into the folder any more."""
        if not is_worked_in(self.out):
            raise Unwanted


@functools.lru_cache(maxsize=1)
def opened(source: RunSource) -> Run:
    """The run of a count, opened once in a process.

    Raises:
        CheckpointError: its weights are others than those of who counts.
    """
    run = open_run(source.path, source.max_objects, source.passes)
    if run.digest != source.digest:
        raise CheckpointError(
            f"The weights in {printable(source.path)} are not those that the count began with."
        )
    run = run.with_edge(source.edge) if source.edge else run
    return dataclasses.replace(run, path=source.called, calibration=source.calibration)

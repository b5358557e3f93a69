"""What counts: this process all files, this process a part of them, or the workers of a dask cluster?

All show how far they are, and say how to go on when they are stopped.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from subitize.cli.progress import Watch, say
from subitize.cli.signals import signal_of
from subitize.core.errors import NO_ROOM, DiskFullError, SubitizeError, UsageError, printable
from subitize.core.files import alone, unfinished
from subitize.core.picture_files import COUNTS_TABLE, PARTS
from subitize.evaluation.count_folder import open_job
from subitize.evaluation.dask_worker import RunSource
from subitize.evaluation.job import Job, Part
from subitize.evaluation.parts import claimed, count_part, joined
from subitize.evaluation.pictures import calibration_for
from subitize.evaluation.tables import Totals
from subitize.training.run import Run


class Stopped(SubitizeError):
    """A signal ended a count; the rows of finished pictures are there."""

    def __init__(self, stop: KeyboardInterrupt, done: int, files: int, what_to_do: str):
        number = signal_of(stop)
        super().__init__(f"Stopped by {number.name} after {done} of {files} files. {what_to_do}")
        self.exit_code = 128 + number  # pyright: ignore[reportAttributeAccessIssue]


def check_engine(word: str | None) -> None:
    """Refuse an engine that is not there, before anything is learned or counted.

    Raises:
        UsageError: there is none of that name, or it is not installed.
    """
    if word is None:
        return
    if not re.fullmatch("dask(=.+)?", word):
        raise UsageError(f"--engine is dask, or dask=ADDRESS for the scheduler of a cluster; got '{word}'.")
    from subitize.evaluation import dask_cluster  # noqa: F401


def count_here(job: Job, run: Run, *, resume: bool) -> Totals:
    """Count all files in this process; returns what they come to."""
    where = unfinished(job.tables / COUNTS_TABLE)
    with shown(job, run, where, "--resume") as tell, open_job(job, run, resume=resume) as counts:
        counts.count_rest(tell)
    return counts.totals


def count_one_part(job: Job, run: Run, part: Part, *, resume: bool) -> tuple[Totals, Path]:
    """Count one part; returns what it comes to, or all parts if it is the last, and where the tables are."""
    files = len(job.files)
    if part.of > files:
        raise UsageError(
            f"A part has a file at least, and there are {files}. Give a part of {files} or fewer."
        )
    own = job.part(part)
    with shown(own, run, unfinished(own.tables / COUNTS_TABLE), f"--part {part} --resume") as tell:
        with claimed(job, part, resume=resume):
            totals = count_part(own, run, tell)
        with alone(job.out, "joining the parts of", wait=-1.0):
            whole = joined(job, part.of)
    say(f"part {part} is finished; {'others are not' if whole is None else 'so are all others'}")
    return (totals, own.tables) if whole is None else (whole, job.out)


def count_by_dask(job: Job, run: Run, source: RunSource, engine: str, *, resume: bool) -> Totals:
    """Count all files by the workers of a cluster; returns what they come to."""
    from subitize.evaluation import dask_engine

    _, _, address = engine.partition("=")
    with shown(job, run, job.out / PARTS, f"--engine {engine} --resume") as tell:
        return dask_engine.count_by_dask(job, source, address or None, tell, resume=resume)


@contextlib.contextmanager
def shown(job: Job, run: Run, rows: Path, words: str) -> Iterator["Shown"]:
    """Show how far a count is, and if it is ended where its rows are, and by what words it goes on."""
    out = printable(job.out)
    what_to_do = f"What was counted is in {printable(rows)}; go on with --out {out} {words}."
    with Watch("count", "pictures") as watch:
        tell = Shown(job, run, watch)
        try:
            yield tell
        except KeyboardInterrupt as stop:
            if tell.done is None:
                raise
            raise Stopped(stop, tell.done, len(job.files), what_to_do) from None
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise DiskFullError(f"The disk is full at {out}; make room. {what_to_do}") from error


class Shown:
    """Shows how many files of a job are done, and says what is wrong with the last ones."""

    def __init__(self, job: Job, run: Run, watch: Watch):
        self.job, self.run, self.watch = job, run, watch
        self.done: int | None = None

    def __call__(self, done: int, sentences: Sequence[str]) -> None:
        """Show the next of it; the first time, what counts and where to."""
        files = len(self.job.files)
        if self.done is None:
            path = self.run.path
            model, out = printable(path.absolute() if path.exists() else path), printable(self.job.out)
            print(f"model: {model}", f"out: {out}", sep="\n", flush=True)
            self.tell_of_intervals()
            if done:
                say(f"goes on after {done} of {files} files")
        self.done = done
        for sentence in sentences:
            say(sentence)
        self.watch({"step": done, "steps": files})

    def tell_of_intervals(self) -> None:
        """Say whether they are corrected, if anybody verified counts of the run."""
        if found := calibration_for(self.run, self.job.preprocessor):
            wide = f"{found.factor:.2f} times as wide as the model's own"
            print(f"intervals: {wide}, by {found.pictures} verified pictures", flush=True)
        elif found := self.run.calibration:
            say(f"counts with {found.options} were verified, and this is none: its intervals are uncorrected")

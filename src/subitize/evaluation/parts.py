"""How is a count shared out among processes, so that it ends with the bytes of a count by one?

    OUT/count.json             what is counted with what, in all parts
    OUT/overlays/              of all parts
    OUT/parts/2-of-8/          the second part: its own count.json, lock and tables

Each part is a count of its own (`subitize.evaluation.count_folder`), which one process at a time works on, on
this machine or on another one that shares the folder. The names in OUT/parts say for good how many parts
there are. When all are finished their tables become one, and OUT/parts goes.

Who counts a part holds the lock of that part. The lock of OUT is held while a part begins, and while tables
are joined. So no part begins when all have just gone.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from subitize.core.errors import UsageError, printable
from subitize.core.files import alone, unfinished
from subitize.core.picture_files import COUNTS_TABLE, PARTS, REQUEST
from subitize.evaluation.count_folder import TABLES, Tell, finish, open_tables, totals_of
from subitize.evaluation.count_request import (
    begin,
    check_folder,
    check_new,
    check_same,
    write_request,
)
from subitize.evaluation.job import Job, Part
from subitize.evaluation.tables import Totals
from subitize.training.run import Run

PATIENCE = 60.0  # seconds to wait for others who begin a part, or join the tables


@contextlib.contextmanager
def claimed(job: Job, part: Part, *, resume: bool) -> Iterator[Job]:
    """Keep one part of a count for this process.

    Args:
        job: the whole count.
        part: of it.
        resume: go on with a part that was stopped, or is finished; one that never began begins.

    Raises:
        UsageError: the folder holds something else, or another process counts this part.
    """
    own = job.part(part)
    check_parts(job, part.of, resume=resume)
    with contextlib.ExitStack() as held:
        with alone(job.out, "counting into", PATIENCE):
            begin_parts(job, part.of, resume=resume)
            if not resume and (own.tables / REQUEST).exists():
                raise UsageError(
                    f"Part {part} of the count in {printable(job.out)} has begun; nothing is overwritten. "
                    "Go on with it by --resume, or choose another --out."
                )
            held.enter_context(alone(own.tables, "counting into"))
        yield own


def count_part(own: Job, run: Run, tell: Tell, threads: int = 0) -> Totals:
    """Count what is left of a part that is kept for this process; returns what all of it comes to.

    Args:
        own: the part.
        run: the model.
        tell: is told of each picture.
        threads: in which several are counted at once; one for each core if 0.
    """
    if is_finished(own):
        tell(len(own.files), [])
    else:
        begin(own.tables, own.request, resume=True)
        with open_tables(own, run) as counts:
            counts.count_rest(tell, threads)
    return totals_of(own.tables / COUNTS_TABLE)


def is_finished(job: Job) -> bool:
    """Whether all of a job is counted, or all of the count that it is a part of."""
    return any((folder / COUNTS_TABLE).exists() for folder in (job.tables, job.out))


def check_parts(job: Job, of: int, *, resume: bool) -> None:
    """Refuse a folder in which this count may neither begin in so many parts nor go on in them."""
    begun, shown = number_of_parts(job.out), printable(job.out)
    if begun is None:
        check_folder(job.out, job.request, resume=resume)
        if (job.out / REQUEST).exists():
            raise UsageError(
                f"{shown} holds a count that is not in parts. Go on with it without --part and --engine."
            )
        return
    if is_finished(job) and not resume:
        check_new(job.out, resume=False)
    if (job.out / REQUEST).exists():  # else a process was killed as it began
        check_same(job.out, job.request)
    if begun != of:
        raise UsageError(
            f"The count in {shown} has {begun} parts for good; got {of}. Give a part of {begun}."
        )


def begin_parts(job: Job, of: int, *, resume: bool) -> None:
    """Write down what is counted, and in how many parts, in a folder that this process works in alone."""
    check_parts(job, of, resume=resume)
    (job.out / PARTS / Part(1, of).folder).mkdir(parents=True, exist_ok=True)
    write_request(job.out, job.request)


def number_of_parts(out: Path) -> int | None:
    """In how many parts a count has begun; None if it has not, or not in parts."""
    names = os.listdir(out / PARTS) if (out / PARTS).is_dir() else []
    found = (re.fullmatch(r"\d+-of-(\d+)", name) for name in names)
    return next((int(name[1]) for name in found if name), None)


def joined(job: Job, of: int) -> Totals | None:
    """What the whole count comes to, if all its parts are finished: then their tables are joined, and go.

    None if there are others to finish. This process works in the folder alone.

    Raises:
        UsageError: the parts do not have a row for each file.
    """
    if not is_finished(job):
        folders = [job.out / PARTS / Part(number, of).folder for number in range(1, of + 1)]
        if not all((folder / COUNTS_TABLE).exists() for folder in folders):
            return None
        for name in TABLES:
            join_tables(unfinished(job.out / name), [folder / name for folder in folders])
        check_joined(job)
        finish(job)
    if (job.out / PARTS).exists():
        shutil.rmtree(job.out / PARTS)
    return totals_of(job.out / COUNTS_TABLE)


def join_tables(whole: Path, parts: Sequence[Path]) -> None:
    """Write a table of the rows of others, which have one head."""
    with whole.open("wb") as file:
        for number, part in enumerate(parts):
            with part.open("rb") as rows:
                head = rows.readline()
                file.write(head if number == 0 else b"")
                shutil.copyfileobj(rows, file)
        file.flush()
        os.fsync(file.fileno())


def check_joined(job: Job) -> None:
    """Refuse tables that somebody has changed, which a part never does that is finished."""
    rows = totals_of(unfinished(job.out / COUNTS_TABLE)).done
    if rows != len(job.files):
        where = printable(job.out / PARTS)
        raise UsageError(
            f"Each of {len(job.files)} files has a row in the tables in {where}; {rows} are there. They were "
            "changed: count again, with another --out."
        )

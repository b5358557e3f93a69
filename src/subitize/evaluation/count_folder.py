"""How are the tables and images of a count written so that nothing that was done is ever lost?

    count.json                 what is counted with what: a count goes on only with the same
    overlays/, labels/         images of each picture (`subitize.evaluation.images`)
    counts.csv.partial, …      the tables while the count goes on; they lose `.partial` at its end
    report.html, …             made of the tables at its end, just before

A picture's row in `counts.csv` is written last, after its images and its other rows, and goes to the system
at once. So whatever ends the process, every row there is of a finished picture; what is unfinished is dropped
when the count goes on, and the tables end as if nothing had happened.
"""

import contextlib
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from subitize.core.files import PARTIAL, alone, sync_folder, unfinished, write_pieces
from subitize.core.image_io import Page, PictureError, read_picture
from subitize.core.picture_files import COUNTS_TABLE, OBJECTS_TABLE
from subitize.evaluation.count_request import begin, check_folder
from subitize.evaluation.images import save_image
from subitize.evaluation.job import Job
from subitize.evaluation.pictures import Counted, count_files
from subitize.evaluation.tables import (
    COUNTS,
    OBJECTS,
    TIMINGS,
    Totals,
    as_cell,
    as_line,
    as_lines,
    count_row,
    object_rows,
    timing_row,
    whole_rows,
)
from subitize.training.run import Run

TABLES = {"timings.csv": TIMINGS, OBJECTS_TABLE: OBJECTS, COUNTS_TABLE: COUNTS}  # the last one ends a count
LAST_CELLS = {  # of a whole row: a cut one may look whole by what comes after it
    "timings.csv": r"(\d+\.\d)?",
    OBJECTS_TABLE: r"[01]\.\d{4}",
    COUNTS_TABLE: "[0-9a-f]{64}",
}
Tell = Callable[[int, Sequence[str]], None]  # how many files are done, what is wrong with the last ones
AGAIN = ("missing", "unreadable")  # reasons of rows that are made again when their files can be read
SYNC_EVERY = 1.0  # seconds after which what was written is forced onto the disk


class CountFolder:
    """The folder of one count, open for its rows.

    Args:
        job: what is counted; its tables have been begun.
        run: the model.

    Attributes:
        totals: what its rows come to.
    """

    def __init__(self, job: Job, run: Run):
        self.job, self.run = job, run
        paths = {name: unfinished(job.tables / name) for name in TABLES}
        self.totals = totals_of(paths[COUNTS_TABLE])
        self.tables = {name: Table(path) for name, path in paths.items()}
        self.synced = time.monotonic()

    @property
    def done(self) -> int:
        """How many pictures have their row."""
        return self.totals.done

    def count_rest(self, tell: Tell, threads: int = 0) -> None:
        """Count the pictures that have no row yet, and give the tables their names.

        Args:
            tell: is told of each.
            threads: in which several are counted at once; one for each core if 0.
        """
        tell(self.done, [])
        files = self.job.files[self.done :]
        for counted in count_files(self.run, files, self.job.preprocessor, threads):
            try:
                self.write(counted)
            finally:  # what ends this process may come when the row is written
                tell(self.done, [counted.sentence] if counted.failed else [])
        self.finish()

    def write(self, counted: Counted) -> None:
        """Write what was found in the next picture."""
        save_images(self.job, self.done, counted)
        made = rows_for(counted, self.run)
        for table, rows in made.items():
            self.tables[table].append(rows)
        self.totals.add(*made[COUNTS_TABLE])
        if time.monotonic() - self.synced > SYNC_EVERY:
            self.sync()

    def finish(self) -> None:
        """End the count, whose rows are all there."""
        self.sync()
        finish(self.job)

    def sync(self) -> None:
        """Force what was written onto the disk."""
        for table in self.tables.values():
            table.sync()
        self.synced = time.monotonic()

    def close(self) -> None:
        """Close the tables."""
        for table in self.tables.values():
            table.close()


def save_images(job: Job, number: int, counted: Counted) -> None:
    """Write the images of a picture of a job, if it has a count."""
    for draw, path in job.images_of(number) if not counted.failed else ():
        save_image(draw(counted), path)


def rows_for(counted: Counted, run: Run) -> dict[str, list[list[object]]]:
    """The rows of a picture in each table; that of the last table ends them."""
    return {
        "timings.csv": [timing_row(counted)],
        OBJECTS_TABLE: object_rows(counted) if not counted.failed else [],
        COUNTS_TABLE: [count_row(counted, run)],
    }


def finish(job: Job) -> None:
    """Make what is made of the tables of a job, which are whole, and give them their names."""
    for name, pieces in job.made.items():
        write_pieces(job.out / name, (piece.encode() for piece in pieces(job.tables)))
    for name in TABLES:
        unfinished(job.tables / name).replace(job.tables / name)
    sync_folder(job.tables)


class Table:
    """A file that rows are appended to; they are with the system when `append` returns."""

    def __init__(self, path: Path):
        self.file = path.open("ab", buffering=0)

    def append(self, rows: Iterable[Sequence[object]]) -> None:
        """Write rows; where there is no room for all of them, none is left."""
        data, before = as_lines(rows).encode(), os.fstat(self.file.fileno()).st_size
        try:
            while data:
                data = data[self.file.write(data) :]
        except OSError:
            with contextlib.suppress(OSError):
                self.file.truncate(before)
            raise

    def sync(self) -> None:
        """Force the rows onto the disk."""
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@contextlib.contextmanager
def open_job(job: Job, run: Run, *, resume: bool) -> Iterator[CountFolder]:
    """Begin a whole count in a new or empty folder, or go on with the one in it.

    Args:
        job: what is counted; all of a count.
        run: the model.
        resume: go on with a count that did not end, or with files that are back; a count that never began
            begins.

    Raises:
        UsageError: the folder holds something else, which is never overwritten, or another process counts
            into it.
    """
    again = resume and bool(files_that_are_back(job))
    check_folder(job.out, job.request, resume=resume, again=again)
    with alone(job.out, "counting into"):
        begin(job.out, job.request, resume=resume, again=again)  # somebody may have come in between
        with open_tables(job, run) as counts:
            yield counts


@contextlib.contextmanager
def open_tables(job: Job, run: Run) -> Iterator[CountFolder]:
    """Open the tables of a count that has begun in its folder, which no other process works in."""
    recover(job)
    count_what_is_back(job, run)
    counts = CountFolder(job, run)
    try:
        yield counts
    finally:
        counts.close()


def recover(job: Job) -> None:
    """Cut the tables down to the rows of pictures that are finished, or begin them."""
    paths = {name: unfinished(job.tables / name) for name in TABLES}
    for name, path in paths.items():  # the end of a count may have been cut short
        if (job.tables / name).exists():
            (job.tables / name).replace(path)
    finished = set(finished_cells(job))
    for folder in job.draw:
        (job.out / folder).mkdir(exist_ok=True)
    for name, path in paths.items():
        kept = (row for row in read_rows(path) if row[0] in finished)
        write_pieces(path, (as_line(row).encode() for row in itertools.chain([TABLES[name]], kept)))


def finished_cells(job: Job) -> Iterator[str]:
    """The first cells in the rows of all pictures that are finished: up to the first that is not."""
    objects = Counter(row[0] for row in read_rows(unfinished(job.tables / OBJECTS_TABLE)))
    rows = read_rows(unfinished(job.tables / COUNTS_TABLE))
    for number, (row, (_, name)) in enumerate(zip(rows, job.files, strict=False)):
        images = [path for _, path in job.images_of(number)]
        if row[0] != as_cell(name) or not is_whole(row, objects[row[0]], images):
            return
        yield row[0]


def has_lost_files(out: Path) -> bool:
    """Whether a count ended without files that could not be reached."""
    return any(row[COUNTS.index("reason")] in AGAIN for row in read_rows(out / COUNTS_TABLE))


def files_that_are_back(job: Job) -> dict[int, tuple[Path | Page, str]]:
    """Files, by their numbers, that could not be reached when their rows were written and can be read now."""
    whole = job.tables / COUNTS_TABLE
    rows = read_rows(whole if whole.exists() else unfinished(whole))
    lost = {row[0] for row in rows if row[COUNTS.index("reason")] in AGAIN}
    files = ((i, file) for i, file in enumerate(job.files) if lost and as_cell(file[1]) in lost)
    return {i: file for i, file in files if can_be_read(file[0])}


def can_be_read(source: Path | Page) -> bool:
    """Whether a file is a picture that can be read."""
    try:
        read_picture(source)
    except PictureError:
        return False
    return True


def count_what_is_back(job: Job, run: Run) -> None:
    """Count files that can be read again, and put their rows where those of their failures stand."""
    back = files_that_are_back(job)
    own: dict[str, dict[str, list[list[object]]]] = {name: {} for name in TABLES}
    for number, counted in zip(back, count_files(run, back.values(), job.preprocessor), strict=True):
        save_images(job, number, counted)
        for table, rows in rows_for(counted, run).items():
            own[table][as_cell(counted.file)] = rows
    for table in TABLES if back else ():
        path, cells = unfinished(job.tables / table), (as_cell(name) for _, name in job.files)
        rows = itertools.chain([TABLES[table]], merged(read_rows(path), own[table], cells))
        write_pieces(path, (as_line(row).encode() for row in rows))


def merged(
    rows: Iterable[Sequence[object]], own: Mapping[str, Iterable[Sequence[object]]], cells: Iterable[str]
) -> Iterator[Sequence[object]]:
    """The rows of a table in the order of its cells, those of some cells replaced."""
    groups = itertools.groupby(rows, key=lambda row: row[0])
    ahead = next(groups, None)
    for cell in cells:
        kept = []
        if ahead is not None and ahead[0] == cell:
            kept = list(ahead[1])
            ahead = next(groups, None)
        yield from own.get(cell, kept)


def read_rows(path: Path) -> Iterator[list[str]]:
    """The whole rows of a table, finished or not, without its head; none if there is no such table."""
    name = path.name.removesuffix(PARTIAL)
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for row in itertools.islice(whole_rows(lines), 1, None):
            if len(row) == len(TABLES[name]) and re.fullmatch(LAST_CELLS[name], row[-1]):
                yield row


def totals_of(path: Path) -> Totals:
    """What the rows of a table of counts come to, finished or not."""
    totals = Totals()
    for row in read_rows(path):
        totals.add(row)
    return totals


def is_whole(row: Sequence[str], objects: int, images: Iterable[Path]) -> bool:
    """Whether all that belongs to a row of counts.csv is there: a failing power may lose some of it."""
    if row[COUNTS.index("status")] == "failed":
        return True
    there = all(path.is_file() and path.stat().st_size > 0 for path in images)
    return there and row[COUNTS.index("count")] == str(objects)

"""How are the tables and images of a count written so that nothing that was done is ever lost?

    count.json                 what is counted with what: a count goes on only with the same
    overlays/, labels/         images of each picture (`subitize.evaluation.images`)
    counts.csv.partial, …      the tables while the count goes on; they lose `.partial` at its end
    objects.json, report.html  made of the tables at its end, just before

A picture's row in `counts.csv` is written last, after its images and its other rows, and goes to the system
at once. So whatever ends the process, every row there is of a finished picture; what is unfinished is dropped
when the count goes on, and the tables end as if nothing had happened.
"""

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from subitize.core.files import alone, sync_folder, unfinished, write_atomically
from subitize.core.image_io import Page
from subitize.core.picture_files import COUNTS_TABLE, OBJECTS_TABLE, REQUEST
from subitize.core.preprocess import Preprocessor
from subitize.evaluation.count_request import RUN_PATH, check_folder, request_of
from subitize.evaluation.images import image_paths, save_image
from subitize.evaluation.pictures import Counted
from subitize.evaluation.tables import (
    COUNTS,
    OBJECTS,
    TIMINGS,
    as_cell,
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
NOTHING_MORE: Mapping[str, Callable[[Path], Iterator[str]]] = MappingProxyType({})
Drawing = Mapping[str, Callable[[Counted], Image.Image]]
SYNC_EVERY = 1.0  # seconds after which what was written is forced onto the disk


class CountFolder:
    """The folder of one count, open for its rows.

    Args:
        folder: of the count, in which the tables have been begun.
        run: the model.
        draw: makes images of a picture, by the folders that they go to.
        names: of all pictures, in order.
        done: rows of counts.csv that are there already.

    Attributes:
        done: how many pictures have their row.
        objects: in them.
        doubtful: pictures to review among them, the failed ones excepted.
        failures: how many of them are without a count, for each reason.
    """

    def __init__(
        self,
        folder: Path,
        run: Run,
        draw: Drawing,
        names: Sequence[str],
        done: Sequence[Sequence[str]],
    ):
        self.folder, self.run, self.draw = folder, run, draw
        self.images = {name: image_paths(folder / name, names) for name in draw}
        self.tables = {name: Table(unfinished(folder / name)) for name in TABLES}
        self.done = self.objects = self.doubtful = 0
        self.failures: Counter[str] = Counter()
        self.synced = time.monotonic()
        for row in done:
            self._add(row)

    def write(self, counted: Counted) -> None:
        """Write what was found in the next picture."""
        for name, draw in self.draw.items() if not counted.failed else ():
            save_image(draw(counted), self.images[name][self.done])
        row = count_row(counted, self.run)
        self.tables["timings.csv"].append([timing_row(counted)])
        self.tables[OBJECTS_TABLE].append(object_rows(counted) if not counted.failed else [])
        self.tables[COUNTS_TABLE].append([row])
        self._add(row)
        if time.monotonic() - self.synced > SYNC_EVERY:
            self.sync()

    def finish(self, made: Mapping[str, Callable[[Path], Iterator[str]]] = NOTHING_MORE) -> None:
        """Make what is made of the tables, and give them their names.

        Args:
            made: names of files, and what gives their text, in pieces, for the folder of a count.
        """
        self.sync()
        for name, pieces in made.items():
            with unfinished(self.folder / name).open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces(self.folder))
            unfinished(self.folder / name).replace(self.folder / name)
        for name in TABLES:
            unfinished(self.folder / name).replace(self.folder / name)
        sync_folder(self.folder)

    def sync(self) -> None:
        """Force what was written onto the disk."""
        for table in self.tables.values():
            table.sync()
        self.synced = time.monotonic()

    def close(self) -> None:
        """Close the tables."""
        for table in self.tables.values():
            table.close()

    def _add(self, row: Sequence[Any]) -> None:
        known = dict(zip(COUNTS, row, strict=True))
        self.done += 1
        if known["status"] == "failed":
            self.failures[known["reason"]] += 1
        else:
            self.objects += int(known["count"])
            self.doubtful += known["needs_review"] == "true"


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
def open_count(
    folder: Path,
    run: Run,
    files: Sequence[tuple[Path | Page, str]],
    preprocessor: Preprocessor | None,
    draw: Drawing,
    *,
    resume: bool = False,
) -> Iterator[CountFolder]:
    """Begin a count in a new or empty folder, or go on with the one in it.

    Args:
        folder: to write to; it is made if it is not there.
        run: the model.
        files: all pictures with their names, in order.
        preprocessor: brings them to the model's canvas.
        draw: makes images of a picture, by the folders that they go to.
        resume: go on with a count that did not end; one that never began begins.

    Raises:
        UsageError: the folder holds something else, which is never overwritten, or another process counts
            into it.
    """
    request = request_of(run, files, preprocessor) | {"images": " ".join(draw)}
    check_folder(folder, request, resume=resume)
    with alone(folder, "counting into"):
        check_folder(folder, request, resume=resume)  # nobody has come in between
        whole = request | {RUN_PATH: str(run.path.absolute())}
        write_atomically(folder / REQUEST, json.dumps(whole, indent=1).encode())
        names = [name for _, name in files]
        counts = CountFolder(folder, run, draw, names, recovered(folder, names, draw))
        try:
            yield counts
        finally:
            counts.close()


def recovered(folder: Path, names: Sequence[str], images: Iterable[str]) -> list[list[str]]:
    """The rows of pictures that are finished; the tables are cut down to them, or begun.

    Args:
        folder: of the count.
        names: of all pictures, in order.
        images: names of the folders of images that belong to it.
    """
    for name in TABLES:  # the end of a count may have been cut short
        if (folder / name).exists():
            (folder / name).replace(unfinished(folder / name))
    tables = {name: read_rows(folder, name) for name in TABLES}
    objects = Counter(row[0] for row in tables[OBJECTS_TABLE])
    paths = [image_paths(folder / name, names) for name in images]
    done = []
    for i, (name, row) in enumerate(zip(names, tables[COUNTS_TABLE], strict=False)):
        own = [each[i] for each in paths]
        if row[0] != as_cell(name) or not is_whole(row, objects[row[0]], own):
            break
        done.append(row)
    finished = {row[0] for row in done}
    for name in images:
        (folder / name).mkdir(exist_ok=True)
    for name, head in TABLES.items():
        rows = [head, *(row for row in tables[name] if row[0] in finished)]
        write_atomically(unfinished(folder / name), as_lines(rows).encode())
    return done


def read_rows(folder: Path, name: str) -> list[list[str]]:
    """The whole rows of an unfinished table, without its head; none if there is no such table."""
    path, columns, last = unfinished(folder / name), len(TABLES[name]), LAST_CELLS[name]
    if not path.exists():
        return []
    rows = whole_rows(path.read_bytes().decode("utf-8", "replace"))
    return [row for row in rows[1:] if len(row) == columns and re.fullmatch(last, row[-1])]


def is_whole(row: Sequence[str], objects: int, images: Iterable[Path]) -> bool:
    """Whether all that belongs to a row of counts.csv is there: a failing power may lose some of it."""
    if row[COUNTS.index("status")] == "failed":
        return True
    there = all(path.is_file() and path.stat().st_size > 0 for path in images)
    return there and row[COUNTS.index("count")] == str(objects)

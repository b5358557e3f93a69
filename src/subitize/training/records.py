"""Records: rows on disk, and a voice to whoever watches.

`records.jsonl` holds only what the seed decides, so that equal runs have equal files; clock times and
events go to `timings.jsonl`: the time of day, and what the process has used of its cores so far, in seconds.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from subitize.core.errors import CheckpointError
from subitize.core.typed import typed

RECORDS, TIMINGS = "records.jsonl", "timings.jsonl"


class Records:
    """The two record files of a run.

    Args:
        folder: of the run.
        watch: called with every row, clock times and events added.
    """

    def __init__(self, folder: Path, watch: Callable[[dict[str, Any]], None]):
        self.rows, self.timings, self.watch = folder / RECORDS, folder / TIMINGS, watch
        self.rows.touch()
        drop_half_a_line(self.timings)

    def write(self, row: dict[str, Any], **clock: Any) -> None:
        """Append a row."""
        with self.rows.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._time(row["step"], **clock)
        self.watch({**row, **clock, "event": None})

    def event(self, text: str) -> None:
        """Say that something happened that is not a row."""
        self._time(None, event=text)
        self.watch({"event": text})

    def size(self) -> int:
        """Bytes of rows so far."""
        return self.rows.stat().st_size

    def cut(self, size: int) -> None:
        """Drop the rows after a checkpoint.

        Raises:
            CheckpointError: there are fewer rows than the checkpoint knew of.
        """
        if self.size() < size:
            raise CheckpointError(
                f"{self.rows} is shorter than it was when the last checkpoint was written. Put the file "
                "back, or train into another folder."
            )
        with self.rows.open("r+b") as file:
            file.truncate(size)

    def _time(self, step: int | None, **clock: Any) -> None:
        row = {"time": time.time(), "core_seconds": time.process_time(), "step": step, **clock}
        with self.timings.open("a") as file:
            file.write(json.dumps(row) + "\n")


def drop_half_a_line(path: Path) -> None:
    """Cut off what follows a file's last line, as a full disk or a failing power leaves it."""
    if path.exists():
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run.

    Raises:
        CheckpointError: the file is gone or damaged.
    """
    return rows_of(folder / RECORDS)


def training_seconds(folder: Path) -> float:
    """Seconds of a training's steps: compilation included, and what interruptions made it do twice.

    Raises:
        CheckpointError: the file of times is gone or damaged.
    """
    path = folder / TIMINGS
    try:
        return sum(typed(float, row.get("seconds", 0.0), "seconds") for row in rows_of(path))
    except TypeError as error:
        raise CheckpointError(f"The record {path} is damaged: {error}.") from None


def rows_of(path: Path) -> list[dict[str, Any]]:
    """One object of JSON per line of a file."""
    if not path.is_file():
        raise CheckpointError(f"The record {path} is gone.")
    return [row_of(line, f"{path}, line {n}") for n, line in enumerate(path.read_bytes().splitlines(), 1)]


def row_of(line: bytes, where: str) -> dict[str, Any]:
    """What a line of a record says."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise CheckpointError(f"The record {where}, is damaged: it is no object of JSON.")
    return row

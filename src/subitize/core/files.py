"""Files and folders that are whole or not there, and that one process at a time works on."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from subitize.core.errors import UsageError

LOCK = ".lock"  # file in the folder of a run or a count, held by the process that works there
PARTIAL = ".partial"  # suffix of a file while it is written; a process killed then leaves it behind
OWN_MODEL = "model"  # the run in the folder of a count that learned for itself
CHECKPOINTS = "checkpoints"  # the folder of them in a run


@contextmanager
def alone(folder: Path, doing: str = "training in", wait: float = 0.0) -> Iterator[None]:
    """Keep every other process from working in a folder, which is made if it is not there.

    Args:
        folder: to work in.
        doing: what, for people.
        wait: seconds for another process to leave it; less than 0 for as long as it takes.

    Raises:
        UsageError: another process works in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=wait):
            yield
    except Timeout:
        raise UsageError(
            f"Another process is {doing} {folder}. Wait for it, or choose another folder."
        ) from None


def unfinished(path: Path) -> Path:
    """The name of a file that is written over some time, until it is whole."""
    return path.with_name(f"{path.name}{PARTIAL}")


def is_worked_in(folder: Path) -> bool:
    """Whether a process works in a folder at this moment."""
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there, even if the power fails."""
    write_pieces(path, [data])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file piece by piece, so that it may be larger than the memory; it is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's names onto the disk."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What can go wrong, said so that the reader knows what to do.

Every error that a user can cause is a `SubitizeError`. Its message is one to three plain sentences:
what is needed and why, what arrived, what to do. Its `exit_code` is what the command line returns:

    2  the request itself is wrong         `UsageError`
    3  there is nothing to read            `NoInputError`
    5  a checkpoint cannot be trusted      `CheckpointError`
    6  training went to infinity           `DivergedError`
    7  no room is left to write            `DiskFullError`

Code 4 (some files failed, the others are done) belongs to `subitize.core.image_io.PictureError`.
"""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, the quota or what a file may hold is full


class SubitizeError(Exception):
    """Base of every error a user can cause; the message is written for that user."""

    exit_code: ClassVar[int] = 1


class UsageError(SubitizeError, ValueError):
    """An option is misspelt, out of range, or contradicts another."""

    exit_code: ClassVar[int] = 2


class NoInputError(SubitizeError):
    """No readable input: a path is missing, a folder is empty, a data set is absent or damaged."""

    exit_code: ClassVar[int] = 3


class CheckpointError(SubitizeError):
    """A checkpoint is damaged, incomplete, or belongs to another recipe."""

    exit_code: ClassVar[int] = 5


class DivergedError(SubitizeError):
    """Training left the finite numbers and did not come back."""

    exit_code: ClassVar[int] = 6


class DiskFullError(SubitizeError):
    """The disk, or the quota, has no room for what must be written."""

    exit_code: ClassVar[int] = 7


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The closest option as a sentence to append to an error, or nothing.

    Args:
        word: what the user typed.
        options: what would have been understood.

    Returns:
        `" Did you mean 'x'?"` (with its leading space), or `""` where nothing comes close.
    """
    known = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f" Did you mean '{known[close[0]]}'?" if close else ""


def printable(text: str | Path) -> str:
    """A name or a sentence for a terminal: what could steer it, or begin a line of its own, is escaped.

    Args:
        text: as the disk or a decoder has it; bytes that are no UTF-8 become the replacement character.
    """
    known = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in known)

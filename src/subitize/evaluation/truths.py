"""How many objects are there really, in some pictures of a count, as a person says?

A table of truths has a head and a row for each picture:

    file      its name, as in counts.csv or as it is on disk
    count     what a person counted in it: a whole number, or nothing while nobody has
    chosen    random or doubtful: why this picture; without such a column all are taken as a random sample

Other columns are left alone. It may come from a spreadsheet: with commas, semicolons or tabs.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from subitize.core.errors import NoInputError, UsageError, did_you_mean, printable
from subitize.core.files import write_atomically
from subitize.evaluation.finished_count import FinishedCount
from subitize.evaluation.tables import as_cell, as_lines, as_name

RANDOM, DOUBTFUL = "random", "doubtful"
HEAD = ("file", "chosen", "count")  # of the tables that we make
NEEDED = ("file", "count")
WHOLE = r"\d{1,9}"  # what a person counts
Table = list[list[str]]  # with its head; all rows are as long


class Truth(NamedTuple):
    """What is known of a picture that was chosen.

    Attributes:
        count: what a person counted; None while nobody has.
        chosen: random or doubtful.
    """

    count: int | None
    chosen: str


class Truths(NamedTuple):
    """What a person says of pictures, by their names in counts.csv.

    Attributes:
        known: the truth of each.
        unknown: pictures in the table that nobody has counted.
        assumed: whether no column says which were chosen at random.
    """

    known: Mapping[str, Truth]
    unknown: Sequence[str]
    assumed: bool


def read_table(path: Path) -> Table:
    """The rows of a table, its head first in small letters, without those that are blank.

    Raises:
        NoInputError: there is no such file.
        UsageError: it is no table of truths.
    """
    if not path.is_file():
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise NoInputError(f"There is no file {printable(path)}.{did_you_mean(path.name, siblings)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{printable(path)} is no table in UTF-8 ({error}). Save it as CSV UTF-8.") from None
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if missing := [name for name in NEEDED if name not in head]:
        raise UsageError(
            f"{printable(path)} needs the columns file and count, and a head that names them; it lacks "
            f"{' and '.join(missing)}.{did_you_mean(missing[0], head)}"
        )
    filled = [[*row, *[""] * (len(head) - len(row))] for row in rows[1:] if any(map(str.strip, row))]
    if not filled:
        raise UsageError(f"{printable(path)} has no rows. Give one for each picture that you counted.")
    return [head, *filled]


def delimiter_of(text: str) -> str:
    """What stands between the cells of a table, by its head."""
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def write_table(path: Path, table: Table) -> None:
    """Write a table; it is whole or as it was."""
    write_atomically(path, as_lines(table).encode())


def truths_of(table: Table, counted: FinishedCount, path: Path) -> Truths:
    """What a table says of the pictures of a count.

    Args:
        table: as `read_table` gives it.
        counted: the count.
        path: of the table, for people.

    Raises:
        UsageError: a row cannot be understood, or contradicts another.
    """
    head, *rows = table
    known: dict[str, Truth] = {}
    for number, row in enumerate(rows, 1):
        cells, where = dict(zip(head, row, strict=False)), f"{printable(path)}, row {number}"
        file = file_of(cells["file"], counted, where)
        said = Truth(number_of(cells["count"], where), chosen_of(cells.get("chosen", RANDOM), where))
        if known.setdefault(file, said) != said:
            raise UsageError(
                f"{where}: {printable(as_name(file))} stands there twice, and not with the same count. Keep "
                "the row that is right."
            )
    unknown = [file for file, said in known.items() if said.count is None]
    filled = {file: said for file, said in known.items() if said.count is not None}
    return Truths(filled, unknown, "chosen" not in head)


def file_of(cell: str, counted: FinishedCount, where: str) -> str:
    """The picture that a cell names, as it is called in counts.csv."""
    for name in (cell, as_cell(cell)):
        if name in counted.by_file:
            return name
    hint = did_you_mean(cell, map(as_name, counted.by_file))
    raise UsageError(f"{where}: no picture of this count is called '{printable(cell)}'.{printable(hint)}")


def number_of(cell: str, where: str) -> int | None:
    """The count in a cell; None if it is empty."""
    text = cell.strip()
    if text and not is_whole(text):
        raise UsageError(
            f"{where}: a count is a whole number from 0 on; got '{printable(text)}'. Leave it empty if you "
            "have not counted."
        )
    return int(text) if text else None


def is_whole(text: str) -> bool:
    """Whether a text is a whole number from 0 on, of a size that a person may count."""
    return re.fullmatch(WHOLE, text, re.ASCII) is not None


def chosen_of(cell: str, where: str) -> str:
    """Why a picture was chosen."""
    word = cell.strip().lower()
    if word not in (RANDOM, DOUBTFUL):
        raise UsageError(
            f"{where}: `chosen` is {RANDOM} or {DOUBTFUL}; got '{printable(cell)}'."
            f"{did_you_mean(word, (RANDOM, DOUBTFUL))}"
        )
    return word

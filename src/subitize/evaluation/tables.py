"""What does a count look like as rows of tables?

    counts.csv     one row per file:   file,status,count,count_expected,count_lo90,count_hi90,
                                       uncorrected_lo90,uncorrected_hi90,confidence,watershed,log,edge,
                                       needs_review,reason,width,height,model,model_sha256
    objects.csv    one row per object: file,id,x,y,w,h,score     in the picture's own pixels
    timings.csv    one row per file:   file,ms                   of the clock, and so never twice the same

The interval is corrected where a person verified counts of the model (`subitize.evaluation.verification`);
the uncorrected one is the model's own, from which the next correction is computed. `confidence` is what the
model's posterior gives the count, `score` what it gives that the object is there: neither is calibrated.
`edge` says whether what is cut by the border counts, `reason` is a code of `subitize.evaluation.reasons`,
`width` and `height` are the picture's, in pixels.

The tables are UTF-8, with one row a line but for names that hold a line's end, which stand in quotes. A
spreadsheet runs a cell that begins with = + - @ as a formula; a name that does gets an apostrophe before it,
and so does one that has an apostrophe there already, so that `as_name` gets every name back.
"""

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from subitize.core.files import unfinished
from subitize.core.picture_files import COUNTS_TABLE
from subitize.evaluation.pictures import Counted, edge_of
from subitize.training.run import Run

RIVALS = ("watershed", "log")  # what these count, where a model asks them
COUNTS = (
    *("file", "status", "count", "count_expected", "count_lo90", "count_hi90"),
    *("uncorrected_lo90", "uncorrected_hi90", "confidence", *RIVALS),
    *("edge", "needs_review", "reason", "width", "height", "model", "model_sha256"),
)
OBJECTS = ("file", "id", "x", "y", "w", "h", "score")
TIMINGS = ("file", "ms")
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")  # beginnings of a cell that a spreadsheet may run


def count_row(counted: Counted, run: Run) -> list[object]:
    """The line of counts.csv for one picture."""
    file, edge, model = as_cell(counted.file), edge_of(run), [as_cell(run.path.name), run.digest]
    if counted.failed:
        return [file, "failed", *[""] * (7 + len(RIVALS)), edge, "true", counted.reason, "", "", *model]
    intervals, confidence = (*counted.interval, *counted.uncorrected), f"{counted.posterior.max():.4f}"
    numbers = [counted.count, f"{counted.expected:.3f}", *intervals, confidence]
    rivals = [counted.rivals.get(name, "") for name in RIVALS]
    height, width, _ = counted.picture.shape
    review = "true" if counted.needs_review else "false"
    return [file, "ok", *numbers, *rivals, edge, review, counted.reason, width, height, *model]


def object_rows(counted: Counted) -> list[list[object]]:
    """The lines of objects.csv for one picture."""
    objects = zip(counted.boxes, counted.scores, strict=True)
    return [
        [as_cell(counted.file), i, *(f"{v:.1f}" for v in (x0, y0, x1 - x0, y1 - y0)), f"{score:.4f}"]
        for i, ((x0, y0, x1, y1), score) in enumerate(objects, 1)
    ]


def timing_row(counted: Counted) -> list[object]:
    """The line of timings.csv for one picture."""
    return [as_cell(counted.file), "" if counted.failed else f"{counted.ms:.1f}"]


def as_cell(name: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith((*FORMULAS, "'")) else name


def as_name(cell: str) -> str:
    """The name that `as_cell` made a cell of."""
    return cell.removeprefix("'")


def as_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as lines of a table, each ended by a line feed; what could break a row stands in quotes."""
    return "".join(map(as_line, rows))


def as_line(row: Sequence[object]) -> str:
    """A row as a line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # it quotes what its line end is made of
    return text.getvalue().removesuffix("\r\n") + "\n"


def rows_of(folder: Path, table: str) -> Iterator[dict[str, str]]:
    """The rows of a table of a count, finished or about to be, by the names of its columns."""
    path = folder / table if (folder / table).exists() else unfinished(folder / table)
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def for_excel(folder: Path) -> Iterator[str]:
    """The table of a count with the byte order mark by which Excel tells UTF-8 when it is double-clicked."""
    yield "\ufeff" + as_line(COUNTS)
    for row in rows_of(folder, COUNTS_TABLE):
        yield as_line(list(row.values()))


def whole_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """The rows of a table, given its lines; after the last whole one, as a process killed leaves it, none."""
    row, quoted = [], False
    for line in lines:
        row.append(line)
        quoted ^= line.count('"') % 2 == 1  # a line may end inside quotes
        if line.endswith("\n") and not quoted:
            yield from csv.reader(io.StringIO("".join(row), newline=""))
            row.clear()


@dataclasses.dataclass
class Totals:
    """What rows of counts.csv come to.

    Attributes:
        done: how many pictures have their row.
        objects: in them.
        doubtful: pictures to review among them, the failed ones excepted.
        failures: how many of them are without a count, for each reason.
    """

    done: int = 0
    objects: int = 0
    doubtful: int = 0
    failures: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, row: Sequence[object]) -> None:
        """Another row."""
        known = {name: str(cell) for name, cell in zip(COUNTS, row, strict=True)}
        self.done += 1
        if known["status"] == "failed":
            self.failures[known["reason"]] += 1
        else:
            self.objects += int(known["count"])
            self.doubtful += known["needs_review"] == "true"

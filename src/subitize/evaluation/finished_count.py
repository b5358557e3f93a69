"""What does a finished count say of each picture, and which run made it?"""

import csv
import dataclasses
import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from subitize.core.errors import NoInputError, UsageError, did_you_mean, printable
from subitize.core.files import OWN_MODEL, PARTIAL, sha256
from subitize.core.picture_files import COUNTS_TABLE, REQUEST
from subitize.evaluation.count_request import RUN_PATH, read_request
from subitize.evaluation.pictures import spelled
from subitize.training.weights import WEIGHTS

OPTIONS = ("edge", "max_objects", "passes", "fit", "invert")  # of `pictures.options_of`


@dataclasses.dataclass(frozen=True)
class CountRow:
    """What counts.csv says of one picture.

    Attributes:
        file: its name as it stands there.
        count: None if the picture could not be counted; all that follows is then nothing.
        interval: of 90 %, as it stands there.
        uncorrected: the same, as the model itself gave it.
        confidence: what the model's posterior gives the count.
        needs_review: whether there is a reason for doubt.
    """

    file: str
    count: int | None = None
    interval: tuple[int, int] = (0, 0)
    uncorrected: tuple[int, int] = (0, 0)
    confidence: float = 0.0
    needs_review: bool = True


@dataclasses.dataclass(frozen=True)
class FinishedCount:
    """A folder that `subitize count` has filled.

    Attributes:
        folder: its path.
        rows: of counts.csv, one for each picture.
        model_sha256: of the weights that counted.
    """

    folder: Path
    rows: Sequence[CountRow]
    model_sha256: str

    @functools.cached_property
    def by_file(self) -> Mapping[str, CountRow]:
        """The rows by the names of their pictures."""
        return {row.file: row for row in self.rows}

    @property
    def has_run(self) -> bool:
        """Whether what counted is a run, and so could keep a correction."""
        return read_request(self.folder / REQUEST).get(RUN_PATH, "") is not None

    @property
    def options(self) -> str:
        """How the model looked at the pictures, such as edge=count."""
        request = read_request(self.folder / REQUEST)
        return spelled({name: request[name] for name in OPTIONS if name in request})

    def run(self, given: Path | None = None) -> Path | None:
        """The folder of the run that counted; None if it is neither here nor where it was.

        Args:
            given: where it is, if somebody says so.

        Raises:
            UsageError: there is no such run.
        """
        recorded = read_request(self.folder / REQUEST).get(RUN_PATH)
        places = [self.folder / OWN_MODEL, *([Path(recorded)] if isinstance(recorded, str) else [])]
        found = [place for place in ([given] if given else places) if self._is_by(place)]
        if given and not found:
            raise UsageError(
                f"{printable(given)} is not the run that made the count in {printable(self.folder)}: its "
                f"{WEIGHTS} must have the model_sha256 of {COUNTS_TABLE}. Give that run by --model."
            )
        return found[0] if found else None

    def _is_by(self, run: Path) -> bool:
        weights = run / WEIGHTS
        return weights.is_file() and sha256(weights) == self.model_sha256


def read_count(folder: Path) -> FinishedCount:
    """What is in the folder of a count.

    Raises:
        NoInputError: there is no such folder, or it is none of a count.
        UsageError: the count is not finished, or its table was altered so that it cannot be read.
    """
    shown, table = printable(folder), folder / COUNTS_TABLE
    if not table.is_file():
        if (folder / REQUEST).is_file() or table.with_name(f"{table.name}{PARTIAL}").is_file():
            raise UsageError(f"The count in {shown} is not finished. Go on with it by `count … --resume`.")
        siblings = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = "" if folder.exists() else did_you_mean(folder.name, siblings)
        raise NoInputError(
            f"The folder of a count is needed, with the {COUNTS_TABLE} that `subitize count` made; there is "
            f"none at {shown}.{hint}"
        )
    try:
        lines = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8"), newline="")))
        (digest,) = {line["model_sha256"] for line in lines}
        return FinishedCount(folder, [row_of(line) for line in lines], digest)
    except (KeyError, TypeError, ValueError, csv.Error):
        raise UsageError(
            f"{printable(table)} is not as `subitize count` wrote it: a column or a number is missing. Bring "
            "back the original, or count again into another --out."
        ) from None


def row_of(line: Mapping[str, str]) -> CountRow:
    """A line of counts.csv; one from before there were corrections has uncorrected intervals alone."""
    if line["status"] == "failed":
        return CountRow(line["file"])
    interval = int(line["count_lo90"]), int(line["count_hi90"])
    low, high = (line.get(f"uncorrected_{side}90", line[f"count_{side}90"]) for side in ("lo", "hi"))
    review = line["needs_review"] == "true"
    own = int(low), int(high)
    return CountRow(line["file"], int(line["count"]), interval, own, float(line["confidence"]), review)

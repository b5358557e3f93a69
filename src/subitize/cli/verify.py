"""`subitize verify`: how far can a count be trusted, as a person finds who counts some pictures by eye?

It writes verified.csv and verification.json beside the counts, and calibration.json into the folder of the
run that made them, whose intervals are corrected from then on. counts.csv stays as it is.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from subitize.cli.parse import parse
from subitize.cli.progress import say
from subitize.cli.signals import signal_of
from subitize.core.errors import SubitizeError, UsageError, printable

if TYPE_CHECKING:
    from subitize.evaluation.finished_count import FinishedCount
    from subitize.evaluation.truths import Truths

TO_VERIFY, VERIFIED_TABLE, VERIFICATION = "to_verify.csv", "verified.csv", "verification.json"


@dataclasses.dataclass(frozen=True)
class Verify:
    """Count some pictures of a finished count by eye; get intervals that hold, and a corrected total.

    Without `--truth` it chooses the pictures. On a terminal it asks for each; elsewhere it writes their names
    to COUNTS/to_verify.csv, to be filled in.

    Args:
        counts: folder of the count.
        truth: table with the columns file and count, of what you counted; a column chosen says which pictures
            are random and which doubtful.
        model: folder of the run that made the count, if it is no longer where it was.
        debug: show the traceback of an error.
    """

    counts: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="COUNTS")]
    truth: Path | None = None
    model: Path | None = None
    debug: bool = False


class StoppedAsking(SubitizeError):
    """A signal ended the questions; what was typed is kept."""

    def __init__(self, stop: KeyboardInterrupt, path: Path):
        number = signal_of(stop)
        super().__init__(
            f"Stopped by {number.name}. What you typed is in {printable(path)}; the same command goes on."
        )
        self.exit_code = 128 + number  # pyright: ignore[reportAttributeAccessIssue]


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Verify, "verify", words)
    from subitize.core.files import alone
    from subitize.evaluation.finished_count import read_count
    from subitize.evaluation.truths import read_table, truths_of

    counted = read_count(options.counts)
    run = counted.run(options.model)
    refuse_own(options.truth, counted)
    with alone(counted.folder, "verifying"):
        path = options.truth or listed(counted)
        if options.truth is None and not sys.stdin.isatty():
            print(f"Fill in the column count of {printable(path)}, and give it by --truth.")
            return 0
        if options.truth is None:
            ask_for_missing(counted, path)
        truths = truths_of(read_table(path), counted, path)
        if not truths.known:
            raise UsageError(f"{printable(path)} has no counts yet. Fill in its column count.")
        verify(counted, truths, run)
    return 0


def refuse_own(truth: Path | None, counted: "FinishedCount") -> None:
    """Refuse our own tables as the truth: they would prove themselves right."""
    from subitize.core.picture_files import COUNTS_TABLE

    own = [counted.folder / name for name in (COUNTS_TABLE, VERIFIED_TABLE)]
    if truth and any(path.exists() and truth.exists() and truth.samefile(path) for path in own):
        raise UsageError(
            f"{printable(truth)} is what the program counted. Give a table of what you counted, by --truth."
        )


def listed(counted: "FinishedCount") -> Path:
    """The table of pictures to verify; one that is there is kept, with what was filled in."""
    from subitize.evaluation.to_verify import to_verify
    from subitize.evaluation.truths import write_table

    path = counted.folder / TO_VERIFY
    if not path.exists():
        write_table(path, to_verify(counted))
    return path


def ask_for_missing(counted: "FinishedCount", path: Path) -> None:
    """Ask for each count that a table of truths lacks, and keep each answer at once."""
    from subitize.evaluation.tables import as_name
    from subitize.evaluation.truths import file_of, read_table, truths_of, write_table

    table = read_table(path)
    truths_of(table, counted, path)  # what was filled in must be sound, or the answers would be in vain
    name, place = table[0].index("file"), table[0].index("count")
    missing = [row for row in table[1:] if not row[place].strip()]
    try:
        for number, row in enumerate(missing, 1):
            file = file_of(row[name], counted, printable(path))
            print(f"{number} of {len(missing)}: {printable(as_name(file))}")  # not what was counted: it sways
            answer = asked("  How many do you count? ")
            if answer == "q":
                return
            row[place] = answer
            write_table(path, table)
    except KeyboardInterrupt as stop:
        print()
        raise StoppedAsking(stop, path) from None


def asked(question: str) -> str:
    """A whole number, nothing to skip, or q to stop, which the end of all input says too."""
    from subitize.evaluation.truths import is_whole

    try:
        while (text := input(question).strip()) not in ("", "q") and not is_whole(text):
            print("  A whole number from 0 on is needed. An empty line skips this picture, q stops.")
    except EOFError:
        print()
        return "q"
    return text


def verify(counted: "FinishedCount", truths: "Truths", run: Path | None) -> None:
    """Say and write what the truths tell; the run keeps the correction of its intervals.

    Raises:
        UsageError: nobody knows where the run is. All else is done.
    """
    from subitize.core.files import write_atomically
    from subitize.evaluation.truths import write_table
    from subitize.evaluation.verification import VERIFIED, verification, verified_rows
    from subitize.evaluation.verification_report import as_json, remarks, told
    from subitize.training.calibration import Calibration, save_calibration

    found = verification(counted, truths)
    rows = [list(map(str, row)) for row in verified_rows(counted, truths, found.factor)]
    write_table(counted.folder / VERIFIED_TABLE, [list(VERIFIED), *rows])
    content = json.dumps(as_json(found, counted, truths), indent=1, allow_nan=False)
    write_atomically(counted.folder / VERIFICATION, f"{content}\n".encode())
    print(*told(found, counted, truths), sep="\n")
    for remark in remarks(found, truths):
        say(remark)
    print(f"out: {printable(counted.folder / VERIFIED_TABLE)}, {printable(counted.folder / VERIFICATION)}")
    if found.factor is None:
        return
    if run is None and not counted.has_run:
        say("what counted is no run, which could keep the correction: later counts are not corrected.")
        return
    if run is None:
        raise UsageError(
            "The run that counted should keep the correction of its intervals, but is not where it was. "
            "Say where it is by --model RUN; all else is done."
        )
    sample = found.random.pictures
    save_calibration(run, Calibration(counted.model_sha256, found.factor, sample, counted.options))
    print(f"from now on corrected: all counts with {printable(run)} and {counted.options}")

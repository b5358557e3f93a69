"""May a count be written into this folder, and is the one in it the same that is asked for now?

`count.json` holds all that decides the rows: the model, how its intervals are corrected, how it looks, how
pictures are brought to it, and a hash of the names, sizes and last changes of all files. A count goes on only
where nothing of it differs. Where the model was stands there too, for whoever looks for it later.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from subitize.core.errors import UsageError, printable
from subitize.core.files import LOCK, OWN_MODEL, write_atomically
from subitize.core.image_io import Page
from subitize.core.picture_files import COUNTS_TABLE, PARTS, REQUEST, state_of
from subitize.core.preprocess import Preprocessor
from subitize.core.specs import FORMER_OPTIONS
from subitize.evaluation.pictures import calibration_for, options_of
from subitize.training.run import Run

RUN_PATH = "run"  # where the model was; a count goes on wherever it is now


def request_of(
    run: Run, files: Sequence[tuple[Path | Page, str]], preprocessor: Preprocessor | None
) -> dict[str, str | float | None]:
    """All that decides the rows of a count."""
    calibration = calibration_for(run, preprocessor)
    return {
        "model": run.path.name,
        RUN_PATH: str(run.path.absolute()) if run.path.exists() else None,  # none of what learns nothing
        "model_sha256": run.digest,
        "calibration": None if calibration is None else calibration.factor,
        **options_of(run, preprocessor),
        "files": len(files),
        "files_sha256": state_of(files),
    }


def check_new(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that holds anything, unless a count was begun in it that may go on."""
    if not folder.exists() or (folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())):
        return
    if not resume or not (folder / REQUEST).is_file():
        names = (folder.with_name(f"{folder.name}-{number}") for number in range(2, 1_000_000))
        free = printable(next(name for name in names if not name.exists()))
        unfinished = (folder / REQUEST).is_file() or (folder / OWN_MODEL).is_dir()
        begun = unfinished and not (folder / COUNTS_TABLE).exists()
        hint = ", or go on with the count in it by --resume" if begun else ""
        raise UsageError(
            f"{printable(folder)} is there and not empty; nothing is overwritten. Use --out {free}{hint}."
        )


def check_unlearned(folder: Path, *, resume: bool, again: bool = False) -> None:
    """Refuse a folder in which nothing is to be learned: its count is finished, or has another model.

    Args:
        folder: of the count.
        resume: go on with a count that did not end.
        again: go on with one that did.
    """
    if resume and (folder / COUNTS_TABLE).exists() and not again:
        raise finished(folder)
    if resume and (folder / OWN_MODEL).is_dir():
        return
    if resume and (folder / REQUEST).is_file():
        raise UsageError(
            f"The count in {printable(folder)} began with a model of its own. Give it by --model."
        )
    check_new(folder, resume=resume)


def check_folder(
    folder: Path, request: Mapping[str, str | float | None], *, resume: bool, again: bool = False
) -> None:
    """Refuse a folder that holds anything but a count to go on with, or a model that was just learned.

    Args:
        folder: of the count.
        request: what decides its rows.
        resume: go on with a count that did not end.
        again: go on with one that did.
    """
    if folder.is_dir() and all(path.name in (LOCK, OWN_MODEL) for path in folder.iterdir()):
        return
    check_new(folder, resume=resume)
    if not folder.exists():
        return
    if (folder / COUNTS_TABLE).exists() and not again:
        raise finished(folder)
    if (folder / PARTS).is_dir():
        raise UsageError(
            f"{printable(folder)} holds a count in parts. Go on with it by --part or --engine, as it began."
        )
    check_same(folder, request)


def finished(folder: Path) -> UsageError:
    """The error that says that there is nothing to go on with."""
    return UsageError(f"The count in {printable(folder)} is finished. To count again, choose another --out.")


def check_same(folder: Path, request: Mapping[str, str | float | None]) -> None:
    """Refuse what differs from what the count in a folder began with."""
    shown, began_with = printable(folder), read_request(folder / REQUEST)
    changed = [key for key in request if key != RUN_PATH and began_with.get(key) != request[key]]
    if changed:
        raise UsageError(
            f"{shown} holds a count that began with other {', '.join(changed)}. A count goes on with the "
            "same model, options and files: give those, or another --out."
        )


def begin(
    folder: Path, request: Mapping[str, str | float | None], *, resume: bool, again: bool = False
) -> None:
    """Write down what a count begins with, or goes on with, in a folder that this process works in alone."""
    check_folder(folder, request, resume=resume, again=again)
    write_request(folder, request)


def write_request(folder: Path, request: Mapping[str, str | float | None]) -> None:
    """Write down what decides the rows of the count in a folder."""
    write_atomically(folder / REQUEST, json.dumps(request, indent=1).encode())


def read_request(path: Path) -> dict[str, Any]:
    """What a count began with; empty if the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {FORMER_OPTIONS.get(str(name), str(name)): value for name, value in found.items()}

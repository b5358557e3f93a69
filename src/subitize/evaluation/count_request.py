"""May a count be written into this folder, and is the one in it the same that is asked for now?

`count.json` holds all that decides the rows: the model, how it looks, how pictures are brought to it, and a
hash of the names, sizes and last changes of all files. A count goes on only where nothing of it differs.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from subitize.core.errors import UsageError, printable
from subitize.core.files import LOCK
from subitize.core.picture_files import COUNTS_TABLE
from subitize.core.preprocess import Preprocessor
from subitize.training.run import Run

REQUEST = "count.json"


def request_of(
    run: Run, files: Sequence[tuple[Path, str]], preprocessor: Preprocessor
) -> dict[str, str | int]:
    """All that decides the rows of a count."""
    return {
        "model": run.path.name,
        "model_sha256": run.digest,
        "max_objects": run.model.settings.max_objects,
        "looks": run.model.settings.looks,
        "fit": preprocessor.fit,
        "invert": preprocessor.invert,
        "files": len(files),
        "files_sha256": fingerprint(files),
    }


def fingerprint(files: Iterable[tuple[Path, str]]) -> str:
    """SHA-256 over the name, size and last change of each file."""
    digest = hashlib.sha256()
    for file, name in files:
        try:
            status = os.stat(file)
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            state = "missing"
        digest.update(f"{name}\0{state}\0".encode())
    return digest.hexdigest()


def check_folder(folder: Path, request: Mapping[str, str | int], *, resume: bool) -> None:
    """Refuse a folder that holds anything but what may be gone on with."""
    if not folder.exists() or (folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())):
        return
    shown = printable(folder)
    if not resume or not (folder / REQUEST).is_file():
        names = (folder.with_name(f"{folder.name}-{number}") for number in range(2, 1_000_000))
        free = printable(next(name for name in names if not name.exists()))
        begun = (folder / REQUEST).is_file() and not (folder / COUNTS_TABLE).exists()
        hint = ", or go on with the count in it by --resume" if begun else ""
        raise UsageError(f"{shown} is there and not empty; nothing is overwritten. Use --out {free}{hint}.")
    if (folder / COUNTS_TABLE).exists():
        raise UsageError(f"The count in {shown} is finished. To count again, choose another --out.")
    began_with = read_request(folder / REQUEST)
    changed = [key for key in request if began_with.get(key) != request[key]]
    if changed:
        raise UsageError(
            f"{shown} holds a count that began with other {', '.join(changed)}. A count goes on with the "
            "same model, options and files: give those, or another --out."
        )


def read_request(path: Path) -> dict[str, Any]:
    """What a count began with; empty if the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

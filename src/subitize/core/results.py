"""What a claim, a benchmark or an experiment measured: one kind of file for all of them."""

import dataclasses
import json
import re
from pathlib import Path

from subitize.core.errors import UsageError
from subitize.core.files import write_atomically
from subitize.core.json import JSON
from subitize.core.typed import typed


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured, by which command, where and when.

    Attributes:
        name: of the file, without its ending.
        provenance: of the command that wrote it (`subitize.core.provenance`).
        summary: what follows from all runs.
        runs: for each run what it was (a seed, an estimator), then what was measured.
        sittings: provenances of the runs, if they were not all made by that command.
        note: what no number says; written by hand.
    """

    name: str
    provenance: JSON
    summary: JSON
    runs: tuple[JSON, ...] = ()
    sittings: tuple[JSON, ...] = ()
    note: str = ""

    def write(self, folder: Path) -> Path:
        """The file NAME.json, written at one stroke."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        write_atomically(path, as_json(dataclasses.asdict(self)))
        return path

    @staticmethod
    def read(path: Path) -> "Result":
        """The result in a file.

        Raises:
            FileNotFoundError: there is none.
            UsageError: the file is damaged, or holds something else.
        """
        try:
            return typed(Result, json.loads(path.read_text("utf-8")), "result")
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{path} holds no result: {error}. Delete it to have it measured again."
            ) from None

    def values(self, name: str) -> list:
        """One number of every run."""
        return [run[name] for run in self.runs]

    def where(self) -> str:
        """The commands, and hardware, days and commits of all that was measured, for people."""
        sittings = self.sittings or (self.provenance,)
        places = dict.fromkeys(f"{made['device']} {made['cpu']}, {made['date']}" for made in sittings)
        commits = dict.fromkeys(map(code_of, sittings))
        own = self.provenance["command"]
        commands = dict.fromkeys(f"`{made.get('command', own)}`" for made in sittings)
        return f"{', '.join(commands)}, {'; '.join([*places, ', '.join(commits)])}"


def code_of(made: JSON) -> str:
    """Which code ran, by a provenance: the commit of a checkout, the version of what was installed."""
    return made["commit"][:7] if made["commit"] else f"version {made['versions']['subitize']}"


def as_json(found: JSON) -> bytes:
    """JSON for people: indented, but lists of numbers and words in a line."""
    text = json.dumps(found, indent=1) + "\n"
    return re.sub(r"\[\s+[^][{}]*\]", lambda flat: re.sub(r"\s*\n\s*", " ", flat[0]), text).encode()

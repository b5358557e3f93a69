"""Would a test notice? Small faults that a person could make, put into the code one at a time.

A mutant is one fault: a line of the code is replaced, and the tests that look at it are run. If one fails the
mutant is killed, else it survives: nothing watches that line. `mutants/ROOM.toml` lists the mutants of a part
of the code, and the files of tests that look at it, likely killers first. Of these a mutant names those that
should kill it; the others run only if it survives them.

    python benchmarks/mutants.py --rooms core,models --jobs 2
    python benchmarks/mutants.py --only "Normal.kl: shift over own scale" --again

What was measured stays in the result and is not measured again while the mutant is the same; `--again` says
otherwise, and `--survivors` measures again those that no test noticed. `--only` takes a part of a name too.
`--sample 250` takes so many of all mutants, drawn at random and always the same.
Of a mutant that survived before, the row keeps the commits whose tests did not notice it.
`--narrow` leaves out the others' tests: it is quick, and who survives it may yet be killed.
"""

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import pytest
from filelock import FileLock

from common import arguments, provenance
from subitize.core.results import Result

ROOT = Path(__file__).parent.parent
TABLES = Path(__file__).parent / "mutants"
PATIENCE = 300  # seconds for the tests of a mutant, or three times what they take without it if that is more
LEFT_OUT = (".*", "__pycache__", "runs", "demo", "site", "dist", "*.egg-info")  # of a copy
EASY = "did_you_mean: what is nowhere close is proposed"  # the mutant of the tiny mode


class Mutant(NamedTuple):
    """One fault.

    Attributes:
        name: the fault in plain words, unlike any other.
        file: below `src/subitize`.
        old: text that stands in the file once.
        new: what stands there instead.
        room: the table that lists it.
        tests: words for pytest, paths below `tests`: those that should kill it.
        rest: words for pytest: all of its room.
    """

    name: str
    file: str
    old: str
    new: str
    room: str
    tests: str
    rest: str

    @property
    def digest(self) -> str:
        """Of what is changed: another digest is another mutant."""
        return hashlib.sha256("\0".join([self.file, self.old, self.new]).encode()).hexdigest()[:16]

    def mutated(self, text: str) -> str:
        """The text of the file with the fault."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.file} holds {self.old!r} {times} times, not once.")
        return text.replace(self.old, self.new)


def rooms() -> list[str]:
    """Every room that has a table."""
    return [path.stem for path in sorted(TABLES.glob("*.toml"))]


def table(room: str) -> list[Mutant]:
    """The mutants of a room."""
    found = tomllib.loads((TABLES / f"{room}.toml").read_text())
    every = " ".join(found["tests"])
    return [Mutant(**{"tests": every} | mutant, room=room, rest=every) for mutant in found["mutant"]]


class Verdict(NamedTuple):
    """How some tests ended: whether all passed, else which failed first, and after how many seconds."""

    passed: bool
    failed: str
    seconds: float


class Copy:
    """A copy of the repository whose code can be broken.

    Args:
        place: an empty folder for it.
    """

    def __init__(self, place: Path):
        self.place = place / "copy"
        self.changes = 0
        shutil.copytree(ROOT, self.place, ignore=shutil.ignore_patterns(*LEFT_OUT))

    @contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """With this fault for a while."""
        path = self.place / "src" / "subitize" / mutant.file
        whole = path.read_text()
        try:
            self.write(path, mutant.mutated(whole))
            yield
        finally:
            self.write(path, whole)

    def write(self, path: Path, text: str) -> None:
        """Write a file, with a time it never had: by it Python knows whether its bytecode is of this text."""
        path.write_text(text)
        self.changes += 1
        os.utime(path, (self.changes, self.changes))

    def test(self, words: str, seconds: float) -> Verdict:
        """Run these tests until the first fails, or for so many seconds."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *words_below_tests(words),
        ]
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as printed:
            process = subprocess.Popen(
                command,
                cwd=self.place,
                env=self.environment(),
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # tests start processes of their own, which end with it
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return Verdict(passed=False, failed=f"timeout of {seconds:.0f} s", seconds=seconds)
            finally:
                end(process)
            printed.seek(0)
            if code == -signal.SIGKILL:
                raise RuntimeError(f"the system killed the tests {words!r}, perhaps for want of memory")
            return Verdict(code == 0, first_failure(printed.read(), code), time.perf_counter() - began)

    def environment(self) -> dict[str, str]:
        """Of the tests: the copy's code, compiled as `make test` does."""
        (quick,) = re.findall(r"^QUICK := (.*)$", (self.place / "Makefile").read_text(), re.MULTILINE)
        own = {"PYTHONPATH": str(self.place / "src"), "PYTHONDONTWRITEBYTECODE": ""}  # bytecode saves seconds
        return {"XLA_FLAGS": quick} | os.environ | own


def words_below_tests(words: str) -> list[str]:
    """Words for pytest, its paths made those of the repository."""
    return [f"tests/{word}" if ".py" in word else word for word in shlex.split(words)]


def joined(choices: Collection[str]) -> str:
    """Words for pytest that choose all that some of these choose, if all or none of them filter by `-k`."""
    paths, filters = {}, {}  # in their order, each once
    for words in sorted(choices):
        split = shlex.split(words)
        paths |= dict.fromkeys(word for word in split if ".py" in word)
        filters |= dict.fromkeys(f"({text})" for word, text in pairwise(split) if word == "-k")
    return shlex.join([*paths, *(["-k", " or ".join(filters)] if filters else [])])


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def first_failure(printed: str, code: int) -> str:
    """Which test failed first, from what pytest printed; nothing if none did."""
    if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return "there is no such test" if code else ""
    named = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - |$)", printed, re.MULTILINE)
    return named[1] if named else f"exit code {code}"


class Soundness:
    """Whether tests pass as long as nothing is broken: of each choice of tests found out once."""

    def __init__(self):
        self.locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self.known: dict[str, Verdict] = {}

    def together(self, copy: Copy, choices: Collection[str]) -> None:
        """Find out about many choices by one run; if that fails, each is run alone later."""
        filtered = {words for words in choices if "-k" in words}
        for some in (filtered, set(choices) - filtered):
            if some and copy.test(joined(some), 10 * PATIENCE).passed:
                self.known |= dict.fromkeys(some, Verdict(passed=True, failed="", seconds=0.0))

    def seconds(self, copy: Copy, words: str) -> float:
        """How long these tests take; 0 if they were only run together with others.

        Raises:
            RuntimeError: they fail, or there are none, so that nothing can be learnt from them.
        """
        with self.locks[words]:  # who wants the same waits, others do not
            if words not in self.known:
                self.known[words] = copy.test(words, 10 * PATIENCE)
        whole = self.known[words]
        if not whole.passed:
            raise RuntimeError(f"the code as it is does not pass {words!r}: {whole.failed}")
        return whole.seconds


def measured(copy: Copy, mutant: Mutant, sound: Soundness, *, narrow: bool) -> dict[str, Any]:
    """Whether a mutant is killed, by which test, after how many seconds of tests."""
    spent = 0.0
    for words in dict.fromkeys([mutant.tests] if narrow else [mutant.tests, mutant.rest]):
        patience = max(PATIENCE, 3 * sound.seconds(copy, words))
        with copy.broken(mutant):
            verdict = copy.test(words, patience)
        spent += verdict.seconds
        if not verdict.passed:
            break
    who = {"name": mutant.name, "room": mutant.room, "file": mutant.file, "digest": mutant.digest}
    killed = {"killed": not verdict.passed, "by": verdict.failed}
    return who | killed | {"narrow": narrow, "seconds": round(spent, 1)}


class Results:
    """What is known of every mutant, kept in a file.

    Args:
        out: its folder.
        mutants: all that there are; what the file tells of others is dropped.
    """

    def __init__(self, out: Path, mutants: list[Mutant]):
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.mutants = out, mutants
        self.lock = FileLock(out / "mutants.lock")
        self.made = provenance()
        self.rows = self.read()

    def read(self) -> dict[str, dict[str, Any]]:
        """What the file knows of these mutants."""
        path = self.out / "mutants.json"
        before = Result.read(path).runs if path.exists() else ()
        digests = {mutant.name: mutant.digest for mutant in self.mutants}
        return {row["name"]: row for row in before if row["digest"] == digests.get(row["name"])}

    def knows(self, mutant: Mutant, *, narrow: bool) -> bool:
        """Whether nothing more can be learnt of a mutant."""
        row = self.rows.get(mutant.name)
        return row is not None and (row["killed"] or narrow or not row["narrow"])

    def add(self, row: dict[str, Any]) -> None:
        """Keep what was found, and say so."""
        with self.lock:
            made = {"commit": self.made["commit"][:7], "date": self.made["date"]}
            known = self.read()  # others may fill the same file
            before = known.get(row["name"], {"killed": True})
            survived = before.get("survived", []) + ([] if before["killed"] else [before["commit"]])
            self.rows = known | {row["name"]: row | made | ({"survived": survived} if survived else {})}
            self.save()
        end = f"killed by {row['by']}" if row["killed"] else "SURVIVED"
        print(f"{row['seconds']:6.1f} s  {row['room']}: {row['name']}: {end}", flush=True)

    def save(self) -> None:
        """Write the file, in the order of the tables."""
        rows = tuple(self.rows[mutant.name] for mutant in self.mutants if mutant.name in self.rows)
        Result("mutants", self.made, self.summary(), rows).write(self.out)

    def summary(self) -> dict[str, Any]:
        """Of each room and of all: how many mutants, how many of them killed, and who survived."""
        of = {room: [m for m in self.mutants if m.room == room] for room in rooms()} | {"all": self.mutants}
        return {room: self.counted(mutants) for room, mutants in of.items()}

    def counted(self, mutants: list[Mutant]) -> dict[str, Any]:
        """Of these mutants."""
        rows = [self.rows[mutant.name] for mutant in mutants if mutant.name in self.rows]
        killed = sum(row["killed"] for row in rows)
        return {
            "mutants": len(mutants),
            "measured": len(rows),
            "killed": killed,
            "by_timeout": sum(row["by"].startswith("timeout") for row in rows),
            "share": round(killed / len(rows), 3) if rows else None,
            "survivors": [row["name"] for row in rows if not row["killed"]],
            "survived_before": [row["name"] for row in rows if row.get("survived")],
        }


def main() -> None:
    """Measure what was asked for and is not known."""
    flags = dict.fromkeys(("again", "survivors", "narrow"), False)
    args = arguments(__doc__, rooms=",".join(rooms()), only="", sample=0, jobs=1, **flags)
    everyone = [mutant for room in rooms() for mutant in table(room)]
    results = Results(args.out, everyone)
    asked, only = args.rooms.split(","), EASY if args.tiny else args.only
    drawn = random.Random(0).sample(everyone, args.sample) if args.sample else everyone
    named = [mutant for mutant in drawn if mutant.room in asked and only in mutant.name]
    if not named or set(asked) - set(rooms()):
        raise SystemExit(f"No mutant of {args.rooms} is called {only!r}. Rooms: {', '.join(rooms())}.")
    survivors = {name for name, row in results.rows.items() if not row["killed"]}
    if args.survivors:
        chosen = [mutant for mutant in named if mutant.name in survivors]
    else:
        chosen = [mutant for mutant in named if args.again or not results.knows(mutant, narrow=args.narrow)]
    refused = run(chosen, results, jobs=args.jobs, narrow=args.narrow or args.tiny)
    with results.lock:
        results.rows = results.read()
        results.save()
    print(json.dumps(results.summary(), indent=1))
    if refused:
        raise SystemExit("\n".join(f"{room} is refused: {why}." for room, why in refused.items()))


def run(mutants: list[Mutant], results: Results, *, jobs: int, narrow: bool) -> dict[str, str]:
    """Measure mutants, so many at once; which rooms are refused, and why."""
    sound, refused = Soundness(), {}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for job in range(min(jobs, len(mutants))):
            copies.put(copy := Copy(Path(name) / str(job)))
        if narrow and len(mutants) > 1:
            sound.together(copy, {mutant.tests for mutant in mutants if mutant.tests != mutant.rest})

        def one(mutant: Mutant) -> None:
            if mutant.room in refused:
                return
            copy = copies.get()
            try:
                results.add(measured(copy, mutant, sound, narrow=narrow))
            except RuntimeError as error:
                refused[mutant.room] = str(error)
            finally:
                copies.put(copy)

        try:
            list(pool.map(one, mutants))
        finally:  # after an interrupt those under way end, and no other begins
            pool.shutdown(cancel_futures=True)
    return refused


if __name__ == "__main__":
    main()

"""`count --part`: what it writes is what a count by one process writes, whatever ends it."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest
from folders import contents, write_many

from subitize.cli import main
from subitize.core import picture_files

MANY = 120


def timings(out: Path) -> list[list[str]]:
    """Rows of the clock, which never reads the same twice: whoever has them has not counted again."""
    (path,) = out.glob("timings.csv*")
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def rows(out: Path) -> int:
    """Rows of pictures in all parts of a count that is not finished."""
    tables = [path.read_bytes() for path in out.glob("parts/*/counts.csv*")]
    return sum(max(0, table.count(b"\n") - 1) for table in tables)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """So many pictures that what is to happen meanwhile does."""
    folder = write_many(tmp_path_factory.mktemp("many"), MANY)
    (folder / "empty.png").write_bytes(b"")
    return folder


def test_parts_in_another_order_are_the_count_that_was_not_split(run, pictures, said, tmp_path):
    (pictures / "empty.png").write_bytes(b"")
    out, words = tmp_path / "out", ("count", pictures, "--model", run, "--out")
    code, total, _ = said(*words, tmp_path / "whole")
    ends = [said(*words, out, "--part", f"{number}/4") for number in (3, 1, 4, 2)]
    assert [end[0] for end in ends] == [3, 0, 0, code], (
        "each says what its own are, and the last what all are"
    )
    assert f"None of the 1 files could be read; {out}/parts/3-of-4/counts.csv says why." in ends[0][2]
    assert ends[1][1].splitlines()[-1].endswith(" in 1 pictures, 1 to review, 0 failed")
    assert ends[-1][1].splitlines()[-1] == total.splitlines()[-1]
    assert contents(out) == contents(tmp_path / "whole")
    assert len(timings(out)) == 4
    code, _, error = said(*words, out, "--part", "1/4", "--resume")
    assert (code, "is finished" in error) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--part", "2/3", "--out", "out"], "would learn a model of its own"),
        (["--part", "2/3", "--model", "{run}"], "say which by --out"),
        (["--part", "2/3", "--model", "{run}", "--out", "out", "--engine", "dask"], "Leave one of them out"),
        (
            ["--part", "4/3", "--model", "{run}", "--out", "out"],
            "such as 2/8 for the second of eight; got '4/3'",
        ),
        (["--part", "1/4", "--model", "{run}", "--out", "out"], "there are 3. Give a part of 3 or fewer"),
        (["--engine", "spark", "--model", "{run}", "--out", "out"], "got 'spark'"),
        (["--engine", "dask=", "--model", "{run}", "--out", "out"], "got 'dask='"),
    ],
)
def test_what_cannot_be_shared_out(words, message, run, pictures, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = said("count", pictures, *(word.format(run=run) for word in words))
    assert (code, message in error) == (2, True), error
    assert not (tmp_path / "out").exists()


def test_without_dask_one_sentence_says_how_to_get_it(run, pictures, said, tmp_path, monkeypatch):
    for name in ("dask_cluster", "dask_engine"):
        monkeypatch.delitem(sys.modules, f"subitize.evaluation.{name}", raising=False)
        monkeypatch.delattr(f"subitize.evaluation.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, error = said("count", pictures, "--out", tmp_path / "out", "--engine", "dask")
    assert (code, error.count("subitize:")) == (2, 1), "before it learns"
    assert '`pip install "subitize[dask]"`' in error
    assert not (tmp_path / "out").exists()


def test_a_file_that_vanishes_meanwhile_is_a_row_that_failed(run, pictures, said, tmp_path, monkeypatch):
    """It is there when the files are listed, and gone when its turn comes."""
    listed = picture_files.paged

    def paged(files, pages):
        found = listed(files, pages)
        (pictures / "b.jpg").unlink()
        return found

    monkeypatch.setattr(picture_files, "paged", paged)
    code, _, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert (code, f"{pictures / 'b.jpg'}: there is no such file." in error) == (4, True)
    with (tmp_path / "out" / "counts.csv").open(newline="") as file:
        found = {row["file"]: (row["status"], row["reason"]) for row in csv.DictReader(file)}
    assert found.pop("b.jpg") == ("failed", "missing")
    assert {status for status, _ in found.values()} == {"ok"}


@pytest.fixture(scope="module")
def whole(many, run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    words = ["count", many, "--model", run, "--out", out]
    with jax.enable_x64(False):
        assert main([str(word) for word in words]) == 4
    return out


# A job in the background is started deaf to SIGINT; one in the foreground is not.
HEARING = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def stopped(how: signal.Signals, after: int, out: Path, *words: object) -> tuple[int, str]:
    """What a real count ends with, and says, that gets a signal when so many rows are there.

    As one by Ctrl-C does, it reaches all processes that this one has begun.
    """
    command = [sys.executable, "-m", "subitize", "count", *map(str, words), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while rows(out) < after:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, how)
    error = process.communicate(timeout=600)[1]
    return process.returncode, error


@pytest.mark.processes
def test_a_part_that_was_stopped_goes_on(many, run, whole, said, tmp_path):
    out, words = tmp_path / "out", (many, "--model", run, "--part", "1/2", "--resume")
    for after, how, code in ((10, signal.SIGTERM, 143), (30, signal.SIGKILL, -9)):
        found, error = stopped(how, after, out, *words)
        assert found == code, error
        before = timings(out / "parts" / "1-of-2")
        assert after <= len(before) < MANY / 2
        if how == signal.SIGTERM:
            assert f"Stopped by SIGTERM after {rows(out)} of 60 files." in error
            assert f"go on with --out {out} --part 1/2 --resume." in error
    assert said("count", *words, "--out", out)[0] == 0
    assert timings(out / "parts" / "1-of-2")[: len(before) - 1] == before[:-1]
    assert said("count", many, "--model", run, "--part", "2/2", "--out", out)[0] == 4
    assert contents(out) == contents(whole)

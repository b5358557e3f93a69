"""Real counts, killed, terminated and out of room: what was counted is there, and the rest follows."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import contents, write_many

pytestmark = pytest.mark.processes
# A job in the background is started deaf to SIGINT; one in the foreground is not.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
MANY = 200


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """So many pictures that a signal arrives while they are counted."""
    return write_many(tmp_path_factory.mktemp("many"), MANY)


def words(many: Path, run: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "subitize", "count", *map(str, (many, "--model", run, "--out", out)), *more]


def after(code: str, command: list[str]) -> list[str]:
    """A command in a process that does something first; in this one there are threads, so it may not fork."""
    return [sys.executable, "-c", f"{code}; import os, sys; os.execv(sys.argv[1], sys.argv[1:])", *command]


@pytest.fixture(scope="module")
def whole(many, run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    done = subprocess.run(words(many, run, out), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def rows(out: Path) -> int:
    """Rows of pictures that are finished, in a count that is not."""
    path = out / "counts.csv.partial"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def stop_after(number: int, process: subprocess.Popen, out: Path, how: signal.Signals) -> str:
    """Send a signal once so many rows are there; returns what was said to people."""
    while rows(out) < number:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(how)
    return process.communicate(timeout=600)[1]


def assert_goes_on_to_the_same_end(many, run, out, whole):
    done = subprocess.run(words(many, run, out, "--resume"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole)
    assert len((out / "timings.csv").read_text().splitlines()) == MANY + 1


def test_however_a_count_is_stopped_it_goes_on_to_the_same_end(many, run, whole, tmp_path):
    out = tmp_path / "out"
    for turn, (how, code) in enumerate(
        ((signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)), 1
    ):
        process = subprocess.Popen(
            after(HEARING, words(many, run, out, "--resume")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = stop_after(45 * turn, process, out, how)
        assert process.returncode == code, said
        assert rows(out) >= 45 * turn
        assert not (out / "counts.csv").exists()
        if how != signal.SIGKILL:
            assert f"Stopped by {how.name} after {rows(out)} of {MANY} files." in said
            assert f"go on with --out {out} --resume." in said
        assert "Traceback" not in said
    assert_goes_on_to_the_same_end(many, run, out, whole)


def test_where_there_is_no_room_the_finished_rows_stay(many, run, whole, tmp_path):
    """The system lets no file grow beyond a size, which the table of counts reaches in the middle."""
    out = tmp_path / "out"
    size = (whole / "counts.csv").stat().st_size // 2
    assert max(path.stat().st_size for path in (whole / "overlays").iterdir()) < size
    done = subprocess.run(
        after(
            f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))",
            words(many, run, out),
        ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7, done.stderr
    assert f"The disk is full at {out}; make room." in done.stderr
    assert "Traceback" not in done.stderr
    left = (out / "counts.csv.partial").read_bytes()
    assert left.endswith(b"\n")
    assert (whole / "counts.csv").read_bytes().startswith(left)
    assert 0.4 * MANY < rows(out) < 0.6 * MANY
    assert_goes_on_to_the_same_end(many, run, out, whole)

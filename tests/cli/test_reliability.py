"""Real processes, killed and terminated: nothing is lost, and resuming is exact."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes
FILES = ("weights.safetensors", "records.jsonl")


def start(words: tuple[str, ...], out: Path) -> subprocess.Popen:
    """Begin (or go on with) a run in a process of its own."""
    command = [sys.executable, "-m", "subitize", "train", *words, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recorded(out: Path) -> int:
    """The last step that a run has recorded, 0 if none."""
    rows = (out / "records.jsonl").read_text().splitlines() if (out / "records.jsonl").exists() else []
    whole = [row for row in rows if row.endswith("}")]
    return json.loads(whole[-1])["step"] if whole else 0


def start_and_stop(words: tuple[str, ...], out: Path, how: signal.Signals, further: int) -> subprocess.Popen:
    """Go on with the run, and stop it as soon as it has got so many steps further than it was."""
    before, process = recorded(out), start(words, out)
    for _ in range(15_000):
        if recorded(out) >= before + further:
            process.send_signal(how)
            return process
        if process.poll() is not None:
            pytest.fail(f"ended early: {process.communicate()}")
        time.sleep(0.02)
    process.kill()
    pytest.fail("never got there")


def contents(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in FILES]


def finished(process: subprocess.Popen, code: int = 0) -> str:
    """What it said to people, once it has ended with this code."""
    _, errors = process.communicate(timeout=600)
    assert process.returncode == code, errors
    return errors


def test_killed_and_terminated_and_resumed_is_as_if_never_stopped(run, tiny, tmp_path):
    out = tmp_path / "often"
    killed = start_and_stop(tiny, out, signal.SIGKILL, further=12)  # something is saved by then
    finished(killed, -signal.SIGKILL)
    said = finished(start_and_stop(tiny, out, signal.SIGTERM, further=4), 128 + signal.SIGTERM)
    assert "Go on with --out" in said
    assert "Traceback" not in said

    finished(start(tiny, out))
    assert contents(out) == contents(run)


def test_asked_to_stop_while_compiling_it_says_so_at_once_and_asked_again_it_stops(tiny, tmp_path):
    process = start((*tiny, "--what-dim", "21"), tmp_path / "run")  # not compiled by others before
    for line in process.stderr:
        if "compiling" in line:
            break
    process.send_signal(signal.SIGINT)
    assert "stopping after this chunk" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT), errors
    assert "Traceback" not in errors

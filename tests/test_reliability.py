"""Real processes, killed and terminated: nothing is lost, and resuming is exact."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORDS = ["--scenes", "digits", "--steps", "30", "--chunk", "5", "--save-every", "10", "--batch", "8"]
FILES = ("weights.safetensors", "records.jsonl")


def start(out: Path) -> subprocess.Popen:
    """Begin (or go on with) the short run in a process of its own."""
    environment = dict(os.environ)
    environment.pop("JAX_ENABLE_X64", None)
    words = [sys.executable, "-m", "subitize", "train", *WORDS, "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_row(process: subprocess.Popen, out: Path, step: int) -> None:
    """Until the run has recorded a step."""
    for _ in range(3000):
        if (out / "records.jsonl").exists():
            rows = (out / "records.jsonl").read_text().splitlines()
            if rows and rows[-1].endswith("}") and json.loads(rows[-1])["step"] >= step:
                return
        if process.poll() is not None:
            pytest.fail(f"ended early: {process.communicate()}")
        time.sleep(0.1)
    process.kill()
    pytest.fail("never got there")


def contents(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in FILES]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    process = start(out)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return contents(out)


@pytest.mark.parametrize("step", [5, 20])
def test_killed_and_resumed_is_as_if_never_killed(tmp_path, whole, step):
    process = start(tmp_path / "run")
    wait_for_row(process, tmp_path / "run", step)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = start(tmp_path / "run")
    _, errors = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, errors
    assert contents(tmp_path / "run") == whole


def test_terminated_saves_itself_and_says_how_to_go_on(tmp_path, whole):
    process = start(tmp_path / "run")
    wait_for_row(process, tmp_path / "run", 5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143, errors
    assert "Go on with --out" in errors
    assert "Traceback" not in errors
    resumed = start(tmp_path / "run")
    resumed.communicate(timeout=600)
    assert contents(tmp_path / "run") == whole

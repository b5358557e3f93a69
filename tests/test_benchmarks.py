"""Every benchmark runs in its tiny mode and writes a result with its provenance."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(p.stem for p in BENCHMARKS.glob("*.py") if p.stem != "common")


PARTS = {"belief_nets": ("anchor", "variance", "race")}
COMMANDS = [
    (name, *part) for name in SCRIPTS for part in [("--part", p) for p in PARTS.get(name, ())] or [()]
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tiny(command, tmp_path):
    name, *part = command
    words = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--tiny", *part, "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert {"command", "cpu", "date", "versions", "device", "commit"} <= set(result["provenance"])
    assert str(tmp_path) not in json.dumps(result)

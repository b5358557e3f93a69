"""Every benchmark and experiment runs in its tiny mode and writes a result with its provenance."""

import runpy
from pathlib import Path

import jax
import pytest

from subitize.core.results import Result

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parent.parent
FILES = [path for folder in ("benchmarks", "experiments") for path in sorted((ROOT / folder).glob("*.py"))]
SCRIPTS = [str(path.relative_to(ROOT)) for path in FILES if "__main__" in path.read_text()]


PARTS = {"benchmarks/belief_nets.py": ("anchor", "variance", "race")}
COMMANDS = [
    (name, *part) for name in SCRIPTS for part in [("--part", p) for p in PARTS.get(name, ())] or [()]
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tiny(command, tmp_path, monkeypatch):
    """Run in this process, where many of them share what is compiled."""
    name, *part = command
    monkeypatch.setattr("sys.argv", [name, "--tiny", *part, "--out", str(tmp_path)])
    monkeypatch.syspath_prepend(ROOT / Path(name).parent)  # as Python does
    with jax.enable_x64(False):
        runpy.run_path(str(ROOT / name), run_name="__main__")
    (path,) = tmp_path.glob("*.json")
    result = Result.read(path)
    assert result.name == path.stem
    assert result.summary
    assert {"command", "cpu", "date", "versions", "device", "commit"} <= set(result.provenance)
    assert str(tmp_path) not in path.read_text()
    assert result.summary.get("identical") == result.summary.get("kills")  # where runs are killed
    if result.name == "mutants":
        assert result.summary["all"]["killed"] == result.summary["all"]["measured"] == 1
    if result.name == "bit_flips":
        for found in result.summary.values():
            assert found["refused"] > 0
            assert (found["believed"], found["other_errors"]) == (0, 0)

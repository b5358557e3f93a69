"""What every benchmark shares: where results go, and how a fresh process is run and timed."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
TINY = {"steps": 40, "chunk": 20, "save_every": 40}  # the tested mode: seconds instead of hours


def arguments(description: str | None, **defaults: Any) -> argparse.Namespace:
    """Command line of a benchmark: its numbers, `--tiny`, and where to write."""
    parser = argparse.ArgumentParser(description=description)
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--tiny", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result and the runs")
    return parser.parse_args()


def write(out: Path, name: str, result: dict[str, Any]) -> None:
    """Write a result with its provenance, and print it."""
    out.mkdir(parents=True, exist_ok=True)
    result = {"provenance": provenance()} | result
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "runs"}, indent=1))


def provenance() -> dict[str, Any]:
    """Command, hardware, versions and day."""
    from subitize.training.runs import provenance as made_where

    model = next((line.split(":")[1].strip() for line in cpu_info() if line.startswith("model name")), "unknown")
    return made_where() | {
        "command": " ".join(["python", *sys.argv]),
        "cpu": model,
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }


def cpu_info() -> list[str]:
    """Lines of /proc/cpuinfo, none where there is no such file."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def subitize(*words: str, cache: Path | None = None) -> tuple[float, str]:
    """Run the command in a fresh process: (seconds, what it printed).

    Args:
        words: after `subitize`.
        cache: folder of compiled programs; an empty one makes the process compile everything.
    """
    environment = dict(os.environ)
    if cache is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "subitize", *words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"subitize {' '.join(words)} exited with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began, done.stdout


def options(**values: Any) -> list[str]:
    """Options of the command line: steps=40 becomes --steps 40."""
    return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]

"""Kill it whenever you like: does a run that was killed and resumed end exactly like one that was not?

One run goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time
the whole run takes, compilation, saving and all, and resumed; weights and records must have the same bytes.

    python benchmarks/survives_kills.py --kills 20
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import TINY, arguments, environment, options, publish, subitize

LONG = {  # trains for longer than it takes to start
    "scenes": "digits",
    "steps": 1000,
    "chunk": 20,
    "save_every": 100,
    "batch": 16,
    "restarts": 0,
}
FILES = ("weights.safetensors", "records.jsonl")


def main() -> None:
    """Kill once per run, at random moments of its whole life, until so many were killed."""
    args = arguments(__doc__, kills=20, seed=0)
    kills, recipe = (1, TINY | {"save_every": 20}) if args.tiny else (args.kills, LONG)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, seconds = folder / "whole", 0.0
        times = 1 if args.tiny else 2  # the second time with a warm cache, as the killed ones will be
        for _ in range(times):
            shutil.rmtree(whole, ignore_errors=True)
            seconds, _ = subitize("train", *options(**recipe, out=whole), cache=folder / "cache")
        wanted = contents(whole)
        moments, runs = random.Random(args.seed), []
        while sum(run["killed"] for run in runs) < kills:  # a run may have ended before its moment came
            runs.append(killed(folder, recipe, len(runs), moments.uniform(0, seconds), wanted))
    died = [run for run in runs if run["killed"]]
    same = sum(run["identical"] for run in died)
    training = sum(0 < run["rows_when_killed"] < recipe["steps"] // recipe["chunk"] for run in died)
    found = {
        "kills": len(died),
        "while_training": training,
        "identical": same,
        "seconds": seconds,
    }
    publish(args.out, "survives_kills", found, runs)


def killed(folder: Path, recipe: dict, number: int, moment: float, wanted: list[bytes]) -> dict:
    """Start a run, kill it after `moment` seconds, resume it, and compare."""
    out = folder / f"killed-{number}"
    words = options(**recipe, out=out)
    process = subprocess.Popen(
        [sys.executable, "-m", "subitize", "train", *words],
        env=environment(folder / "cache"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    reached = process.wait()
    rows = len((out / "records.jsonl").read_text().splitlines()) if (out / "records.jsonl").exists() else 0
    subitize("train", *words, "--resume", "auto", cache=folder / "cache")
    found = contents(out)
    return {
        "seconds": round(moment, 2),
        "killed": reached == -signal.SIGKILL,
        "rows_when_killed": rows,
        "identical": found == wanted,
    }


def contents(run: Path) -> list[bytes]:
    """The bytes that must agree."""
    return [(run / name).read_bytes() for name in FILES]


if __name__ == "__main__":
    main()

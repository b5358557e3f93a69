"""Kill it whenever you like: does a run that was killed and resumed end exactly like one that was not?

One run goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time
the whole run takes, compilation, saving and all, and resumed; weights and records must have the same bytes.

    python benchmarks/survives_kills.py --kills 20
"""

import random
import shutil
import tempfile
from functools import partial
from pathlib import Path

from common import TINY, arguments, killed_after, measure_missing, options, subitize

LONG = {  # trains for longer than it takes to start
    "scenes": "digits",
    "steps": 400,
    "chunk": 8,
    "save_every": 40,
    "batch": 16,
    "restarts": 0,
}
FILES = ("weights.safetensors", "records.jsonl")


def main() -> None:
    """Kill each run once, at a random moment of its whole life; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, kills=20, seed=0)
    kills, recipe = (1, TINY | {"save_every": 8}) if args.tiny else (args.kills, LONG)
    wanted = [{"seed": args.seed, "number": number} for number in range(kills)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = timed_run(folder / "whole", recipe, times=1 if args.tiny else 2)
        measure_missing(args.out, "survives_kills", wanted, partial(killed, folder, recipe, whole), counted)


def timed_run(out: Path, recipe: dict, times: int) -> tuple[list[bytes], float]:
    """The files of a run that nobody killed, and its seconds the last time, when most was compiled before."""
    seconds = 0.0
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True)
        seconds, _ = subitize("train", *options(**recipe, out=out), cache=out.parent / "cache")
    return contents(out), seconds


def killed(folder: Path, recipe: dict, whole: tuple[list[bytes], float], *, seed: int, number: int) -> dict:
    """Start a run, kill it, resume it, and compare; a run that ends before its moment is started anew."""
    out, moments, (wanted, seconds) = folder / f"killed-{number}", random.Random(f"{seed}, {number}"), whole
    words = options(**recipe, out=out)
    died = False
    while not died:
        shutil.rmtree(out, ignore_errors=True)
        moment = moments.uniform(0, seconds)
        died = killed_after(moment, "train", *words, cache=folder / "cache")
    records = out / "records.jsonl"
    rows = len(records.read_text().splitlines()) if records.exists() else 0
    subitize("train", *words, "--resume", "auto", cache=folder / "cache")
    return {"moment": round(moment, 2), "rows_when_killed": rows, "identical": contents(out) == wanted}


def counted(runs: list[dict]) -> dict:
    """How many ended the same, and how many were killed while they trained."""
    rows = LONG["steps"] // LONG["chunk"]
    return {
        "kills": len(runs),
        "while_training": sum(0 < run["rows_when_killed"] < rows for run in runs),
        "identical": sum(run["identical"] for run in runs),
    }


def contents(run: Path) -> list[bytes]:
    """The bytes that must agree."""
    return [(run / name).read_bytes() for name in FILES]


if __name__ == "__main__":
    main()

"""Kill it whenever you like: does a run that was killed and resumed end exactly like one that was not?

One run goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time
the whole run takes, compilation, saving and all, and resumed; weights and records must have the same bytes.

    python benchmarks/survives_kills.py --kills 20
"""

import random
import tempfile
from functools import partial
from pathlib import Path

from common import TINY, arguments, killed, measure_missing, options, seconds_of_last, subitize

LONG = {  # trains for longer than it takes to start
    "scenes": "digits",
    "steps": 400,
    "steps_per_call": 8,
    "save_every": 40,
    "batch_size": 16,
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
        whole, cache = folder / "whole", folder / "cache"
        words = ("train", *options(**recipe, out=whole))
        seconds = seconds_of_last(1 if args.tiny else 2, whole, *words, cache=cache)
        kill = partial(killed_and_resumed, folder, recipe, seconds)
        measure_missing(args.out, "survives_kills", wanted, kill, counted)


def killed_and_resumed(folder: Path, recipe: dict, longest: float, *, seed: int, number: int) -> dict:
    """What became of a run that was killed within so many seconds, and went on."""
    out, cache, moments = folder / f"killed-{number}", folder / "cache", random.Random(f"{seed}, {number}")
    words = ("train", *options(**recipe, out=out))
    moment = killed(moments, longest, out, *words, cache=cache)
    records = out / "records.jsonl"
    rows = len(records.read_text().splitlines()) if records.exists() else 0
    subitize(*words, "--resume", "auto", cache=cache)
    identical = contents(out) == contents(folder / "whole")
    return {"moment": round(moment, 2), "rows_when_killed": rows, "identical": identical}


def counted(runs: list[dict]) -> dict:
    """How many ended the same, and how many were killed while they trained."""
    rows = LONG["steps"] // LONG["steps_per_call"]
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

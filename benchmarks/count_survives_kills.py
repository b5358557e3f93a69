"""Kill a count whenever you like: do its tables end exactly like those of one that was not killed?

One count goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time the
whole count takes, starting and compiling included, and gone on with; tables and overlays must have the same
bytes.

    python benchmarks/count_survives_kills.py --kills 20
"""

import random
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from common import TINY, arguments, killed, measure_missing, options, seconds_of_last, subitize, write_scenes

TABLES = ("counts.csv", "objects.csv")


def main() -> None:
    """Kill each count once, at a random moment of its life; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, kills=20, pictures=1000, seed=0)
    full = args.kills, args.pictures, {"scenes": "digits"}
    kills, pictures, recipe = (1, 12, TINY) if args.tiny else full
    wanted = [{"pictures": pictures, "seed": args.seed, "number": number} for number in range(kills)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / "pictures", "digits", "test", pictures, args.seed)
        subitize("train", *options(**recipe, out=folder / "run"), cache=folder / "cache")
        whole, cache = folder / "whole", folder / "cache"
        seconds = seconds_of_last(1 if args.tiny else 2, whole, *words(whole), cache=cache)
        kill = partial(killed_and_resumed, folder, seconds)
        measure_missing(args.out, "count_survives_kills", wanted, kill, counted)


def words(out: Path) -> list[str]:
    """The words after `subitize` of one count."""
    return ["count", str(out.parent / "pictures"), *options(model=out.parent / "run", out=out)]


def killed_and_resumed(
    folder: Path, longest: float, *, pictures: int, seed: int, number: int
) -> dict[str, Any]:
    """What became of a count that was killed within so many seconds, and went on."""
    out, cache, moments = folder / f"killed-{number}", folder / "cache", random.Random(f"{seed}, {number}")
    moment = killed(moments, longest, out, *words(out), cache=cache)
    table = out / "counts.csv.partial"
    rows = max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
    if not (out / "counts.csv").exists():
        subitize(*words(out), "--resume", cache=cache)
    identical = contents(out) == contents(folder / "whole")
    return {"moment": round(moment, 2), "rows_when_killed": rows, "identical": identical}


def counted(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many ended the same, and how many were killed while they counted."""
    return {
        "kills": len(runs),
        "while_counting": sum(0 < run["rows_when_killed"] < run["pictures"] for run in runs),
        "identical": sum(run["identical"] for run in runs),
    }


def contents(out: Path) -> list[bytes]:
    """The bytes that must agree."""
    overlays = sorted((out / "overlays").rglob("*.png"))
    return [path.read_bytes() for path in (*(out / name for name in TABLES), *overlays)]


if __name__ == "__main__":
    main()

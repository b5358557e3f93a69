"""Kill a count whenever you like: do its tables end exactly like those of one that was not killed?

One count goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time the
whole count takes, starting and compiling included, and gone on with; tables and overlays must have the same
bytes.

    python benchmarks/count_survives_kills.py --kills 20
    python benchmarks/count_survives_kills.py --kills 20 --learn    counts that learn from their folder first
"""

import random
import runpy
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from common import TINY, arguments, killed, measure_missing, options, seconds_of_last, subitize, write_scenes

TABLES = ("counts.csv", "objects.csv")
WEIGHTS = "model/weights.safetensors"
EXAMPLE = Path(__file__).parents[1] / "examples" / "write_fields.py"
FIELDS, SIDE = 8, 384  # drawn pictures to learn from and to count, and their side in pixels


def main() -> None:
    """Kill each count once, at a random moment of its life; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, kills=20, pictures=1000, seed=0, learn=False)
    kills, pictures, times = (1, 12, 1) if args.tiny else (args.kills, args.pictures, 2)
    name = "count_survives_kills"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.learn:
            name, pictures, times = f"{name}_while_learning", FIELDS, 1
            draw = runpy.run_path(str(EXAMPLE))["write"]
            draw(folder / "pictures", "touching", pictures, seed=args.seed, side=SIDE)
        else:
            write_scenes(folder / "pictures", "digits", "test", pictures, args.seed)
            recipe = TINY if args.tiny else {"scenes": "digits"}
            subitize("train", *options(**recipe, out=folder / "run"), cache=folder / "cache")
        whole, cache = folder / "whole", folder / "cache"
        seconds = seconds_of_last(times, whole, *words(whole), cache=cache)
        kill = partial(killed_and_resumed, folder, seconds)
        known = {"pictures": pictures, "seed": args.seed}
        wanted = [known | {"number": number} for number in range(kills)]
        measure_missing(args.out, name, wanted, kill, counted)


def words(out: Path) -> list[str]:
    """The words after `subitize` of one count."""
    run = {"model": out.parent / "run"} if (out.parent / "run").exists() else {}
    return ["count", str(out.parent / "pictures"), *options(**run, out=out)]


def killed_and_resumed(
    folder: Path, longest: float, *, pictures: int, seed: int, number: int
) -> dict[str, Any]:
    """What became of a count that was killed within so many seconds, and went on."""
    out, cache, moments = folder / f"killed-{number}", folder / "cache", random.Random(f"{seed}, {number}")
    moment = killed(moments, longest, out, *words(out), cache=cache)
    table, learning = out / "counts.csv.partial", (out / "model").exists() and not (out / WEIGHTS).exists()
    rows = max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
    if not (out / "counts.csv").exists():
        subitize(*words(out), "--resume", cache=cache)
    identical = contents(out) == contents(folder / "whole")
    return {
        "moment": round(moment, 2),
        "while_learning": learning,
        "rows_when_killed": rows,
        "identical": identical,
    }


def counted(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many ended the same, and how many were killed while they learned or counted."""
    return {
        "kills": len(runs),
        "while_learning": sum(run["while_learning"] for run in runs),
        "while_counting": sum(0 < run["rows_when_killed"] < run["pictures"] for run in runs),
        "identical": sum(run["identical"] for run in runs),
    }


def contents(out: Path) -> list[bytes]:
    """The bytes that must agree."""
    overlays, weights = sorted((out / "overlays").rglob("*.png")), sorted(out.glob(WEIGHTS))
    return [path.read_bytes() for path in (*(out / name for name in TABLES), *overlays, *weights)]


if __name__ == "__main__":
    main()

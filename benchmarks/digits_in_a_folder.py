"""Are digits in somebody's folder counted, of which nobody says how many there are?

For each seed a folder of 2,000 scenes of none to two MNIST digits is written. The documented command learns
from it, by the model that it chooses itself or by the one that is asked for, and counts 10,000 scenes of test
digits.

    python benchmarks/digits_in_a_folder.py --seeds 3
    python benchmarks/digits_in_a_folder.py --seeds 3 --model catalogue
"""

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from common import DOUBTFUL, TINY, arguments, measure_missing, options, subitize, write_scenes
from subitize.training import Recipe

LEARNED, COUNTED, MOST = 2000, 10_000, 2
FIRST_SEED = 9000  # of folders that no version has seen
HELD_OUT_SEED = 777_000


def main() -> None:
    """Train and count for each seed, and write the result after each."""
    args = arguments(__doc__, model="", seeds=3, first=FIRST_SEED)
    seeds = range(args.first, args.first + (1 if args.tiny else args.seeds))
    wanted = [{"asked_for": args.model or "nothing", "seed": seed} for seed in seeds]
    measure_missing(
        args.out, "digits_in_a_folder", wanted, lambda **who: counted(**who, tiny=args.tiny), summary
    )


def counted(asked_for: str, seed: int, *, tiny: bool) -> dict[str, Any]:
    """What one run counts, and how long it learned."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = "digits" if tiny else "mnist"
        write_scenes(folder / "train", dataset, "train", 60 if tiny else LEARNED, seed)
        truth = write_scenes(folder / "new", dataset, "test", 30 if tiny else COUNTED, HELD_OUT_SEED + seed)
        recipe = {"scenes": folder / "train", "seed": seed} | (
            {} if asked_for == "nothing" else {"model": asked_for}
        )
        recipe = (TINY if tiny else {}) | recipe
        seconds, _ = subitize("train", *options(**recipe, out=folder / "run"))
        words = options(model=folder / "run", out=folder / "counts", save="none")
        subitize("count", str(folder / "new"), *words, allowed=(0, DOUBTFUL))
        with (folder / "counts" / "counts.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        model = Recipe.from_json((folder / "run" / "recipe.json").read_bytes()).name
    wrong = [row for row in rows if int(row["count"]) != truth[row["file"]]]
    table = np.zeros((MOST + 1, MOST + 3), int)  # the last column: more than three
    np.add.at(table, ([truth[r["file"]] for r in rows], [min(int(r["count"]), MOST + 2) for r in rows]), 1)
    return {
        "model": model,
        "right": len(rows) - len(wrong),
        "of": len(rows),
        "wrong_without_review": sum(row["needs_review"] == "false" for row in wrong),
        "to_review": sum(row["needs_review"] == "true" for row in rows),
        "confusion": table.tolist(),
        "seconds_to_learn": round(seconds),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Share counted right by each seed, for what was asked for."""
    asked = dict.fromkeys(run["asked_for"] for run in runs)
    own = {word: [run for run in runs if run["asked_for"] == word] for word in asked}
    return {
        word: {
            "models": sorted({run["model"] for run in found}),
            "right": [run["right"] / run["of"] for run in found],
            "wrong_without_review": [run["wrong_without_review"] / run["of"] for run in found],
            "to_review": [run["to_review"] / run["of"] for run in found],
        }
        for word, found in own.items()
    }


if __name__ == "__main__":
    main()

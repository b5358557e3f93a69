"""Does it learn to count, on every seed, and how soon? Accuracy, calibration and time at the defaults.

For each seed one fresh process trains on scenes of training digits, compilation included, and another one
counts 10,000 scenes of test digits that nobody has seen. No seed is left out.

    python benchmarks/count_accuracy.py --seeds 20
    python benchmarks/count_accuracy.py --learner dair_without_sums --seeds 10
"""

import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

from common import TINY, arguments, measure_missing, median_reached, options, subitize, trained

FIRST_SEED = 1000  # seeds below were used while the recipe was made
HELD_OUT_SEED = 777_000  # of the 10,000 scenes
LEARNERS = {  # and what each changes in the default recipe; without sums is how a folder is learned from
    "air": {},
    "dair": {"model": "dair"},
    "air_without_sums": {"sum_scenes": 0},
    "dair_without_sums": {"model": "dair", "sum_scenes": 0},
}


def main() -> None:
    """Measure each seed; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, learner="air", seeds=20, n=10_000)
    recipe, seeds, n = (TINY, 1, 100) if args.tiny else ({}, args.seeds, args.n)
    recipe = recipe | LEARNERS[args.learner]
    result = "count_accuracy" if args.learner == "air" else f"count_accuracy_of_{args.learner}"
    wanted = [{"seed": seed, "n": n} for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
    measure_missing(args.out, result, wanted, partial(counted, recipe), summary)


def counted(recipe: dict, *, seed: int, n: int) -> dict:
    """How one seed trained, and how well it counts scenes that nobody has seen."""
    with tempfile.TemporaryDirectory() as name:
        run, measured = trained(seed, Path(name), **recipe)
        _, printed = subitize("val", str(run), "--json", *options(scenes_n=n, seed=HELD_OUT_SEED + seed))
    held_out = {k: v for k, v in json.loads(printed).items() if k not in ("run", "seed")}
    return measured | held_out | {"held_out_seed": HELD_OUT_SEED + seed}


def summary(runs: list[dict]) -> dict:
    """Mean and worst over seeds."""
    accuracy = [run["count_accuracy"] for run in runs]
    return {
        "seeds": len(runs),
        "held_out_scenes_per_seed": runs[0]["n"],
        "accuracy_mean": statistics.mean(accuracy),
        "accuracy_worst": min(accuracy),
        "accuracy_best": max(accuracy),
        "restarts": sum(run["restarts"] for run in runs),
        "coverage_90_mean": statistics.mean(run["coverage_90"] for run in runs),
        "calibration_error_mean": statistics.mean(run["calibration_error"] for run in runs),
        "calibration_error_worst": max(run["calibration_error"] for run in runs),
        "iou_mean": statistics.mean(run["iou"] or 0.0 for run in runs),  # None: no box at all
        "seconds_median": statistics.median(run["seconds"] for run in runs),
        "seconds_worst": max(run["seconds"] for run in runs),
    } | median_reached(runs)


if __name__ == "__main__":
    main()

"""How long until it counts? Seconds from the start of the process to 98 % held out, compilation included.

Each run follows its own accuracy on 2,000 held-out scenes every 100 steps; the clock runs on while it
does. The estimators named are compared under otherwise equal recipes.

    python benchmarks/time_to_accuracy.py --seeds 10                        # the default estimator
    python benchmarks/time_to_accuracy.py --seeds 3 --estimators exact,nvil  # one word swapped
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

from common import TINY, arguments, options, subitize, write

FIRST_SEED = 2000  # neither tuned on nor used in count_accuracy
LEVELS = (0.95, 0.98, 0.99)
FOLLOW = {"look_every": 100, "look_at": 2000}


def one(estimator: str, seed: int, folder: Path, recipe: dict) -> dict:
    """Train once and read from its timings when each level was first reached."""
    run = folder / f"{estimator}-{seed}"
    began = time.time()
    train = options(scenes="mnist", seed=seed, out=run, estimator=estimator, **FOLLOW, **recipe)
    seconds, _ = subitize("train", *train, cache=folder / f"cache-{estimator}-{seed}")
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    clock = {t["step"]: t["time"] - began for t in map(json.loads, (run / "timings.jsonl").open()) if t["step"]}
    curve = [(r["step"], round(clock[r["step"]], 1), r["count_accuracy"]) for r in rows if "count_accuracy" in r]
    reached = {f"to_{level:.0%}": next((t for _, t, a in curve if a >= level), None) for level in LEVELS}
    return {"estimator": estimator, "seed": seed, "seconds": round(seconds, 1), "curve": curve} | reached


def main() -> None:
    """Run all seeds of all estimators."""
    args = arguments(__doc__, seeds=10, estimators="exact")
    estimators = args.estimators.split(",")
    recipe, seeds = (TINY, 1) if args.tiny else ({}, args.seeds)
    name = "time_to_accuracy" if estimators == ["exact"] else "estimators_on_air"
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for estimator in estimators:
                runs.append(one(estimator, seed, Path(folder), recipe))
                write(args.out, name, {"summary": summary(runs), "runs": runs})


def summary(runs: list[dict]) -> dict:
    """For each estimator: the median time to each level (None counts as never), and the last accuracy."""
    result = {}
    for estimator in dict.fromkeys(run["estimator"] for run in runs):
        own = [run for run in runs if run["estimator"] == estimator]
        last = [run["curve"][-1][2] for run in own]
        result[estimator] = {
            "seeds": len(own),
            "last_accuracy_mean": statistics.mean(last),
            "last_accuracy_worst": min(last),
        } | {f"median_seconds_to_{level:.0%}": median([run[f"to_{level:.0%}"] for run in own]) for level in LEVELS}
    return result


def median(times: list[float | None]) -> float | None:
    """The median, None if at least half of the runs never got there."""
    middle = statistics.median([float("inf") if t is None else t for t in times])
    return None if middle == float("inf") else middle


if __name__ == "__main__":
    main()

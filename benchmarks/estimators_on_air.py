"""One word swapped: the same AIR, the same recipe, another estimator of the gradient through the count.

The estimator serves the bound. What sum scenes teach (`subitize.models.sums`) is a function of q(count)
itself and is differentiated as it is, whatever the estimator, so they are left out. VIMCO, which compares
particles, gets two under the mean bound. Runs that the result holds already are not run again.

A run has one core, and its time is what it used of it: start, compilation, training, and following its own
accuracy every 100 steps.

    python benchmarks/estimators_on_air.py --seeds 3 --core 0 --estimators exact,nvil,rloo
"""

import statistics
import tempfile
from pathlib import Path

from common import TINY, arguments, measure_missing, median_reached, trained

COMPARED = (
    *("exact", "rloo", "disarm", "rebar", "nvil", "vimco", "muprop", "relax", "unordered", "sum_sample"),
    *("local", "ema", "score", "gumbel", "st_gumbel", "reinmax"),
)
FIRST_SEED = 2000  # neither tuned on nor used in count_accuracy


def main() -> None:
    """Run all seeds of all estimators, and write the result after each."""
    args = arguments(__doc__, seeds=3, core=0, estimators=",".join(COMPARED))
    recipe, seeds, core = (TINY, 1, None) if args.tiny else ({}, args.seeds, args.core)
    words = args.estimators.split(",")[: 1 if args.tiny else None]
    wanted = [
        {"estimator": word, "seed": seed} for seed in range(FIRST_SEED, FIRST_SEED + seeds) for word in words
    ]

    def measure(estimator: str, seed: int) -> dict:
        own = recipe | {"sum_scenes": 0, "objective": "mean(k=2)" if estimator == "vimco" else "mean"}
        with tempfile.TemporaryDirectory() as name:
            return trained(seed, Path(name), core=core, estimator=estimator, **own)[1]

    measure_missing(args.out, "estimators_on_air", wanted, measure, summary)


def summary(runs: list[dict]) -> dict:
    """For each estimator: last accuracy over seeds, and the time to each level."""
    result = {}
    for estimator in dict.fromkeys(run["estimator"] for run in runs):
        own = [run for run in runs if run["estimator"] == estimator]
        last = [run["curve"][-1][2] for run in own]
        result[estimator] = {
            "seeds": len(own),
            "last_accuracy_mean": statistics.mean(last),
            "last_accuracy_worst": min(last),
        } | median_reached(own)
    return result


if __name__ == "__main__":
    main()

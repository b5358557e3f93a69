"""One word swapped: the same AIR, the same recipe, another estimator of the gradient through the count.

The estimator serves the bound. What sum scenes teach (`subitize.models.sums`) is a function of q(count)
itself and is differentiated as it is, whatever the estimator: `--sums 0` leaves them out.

python benchmarks/estimators_on_air.py --seeds 3 --estimators exact,nvil,rloo
"""

import statistics
import tempfile
from pathlib import Path

from common import TINY, arguments, median_reached, trained, write
from subitize.training.counter import SUMS

FIRST_SEED = 2000  # neither tuned on nor used in count_accuracy


def main() -> None:
    """Run all seeds of all estimators, and write the result after each."""
    args = arguments(__doc__, seeds=3, estimators="exact,nvil", sums=SUMS)
    recipe, seeds = (TINY, 1) if args.tiny else ({"sums": args.sums}, args.seeds)
    runs = []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for estimator in args.estimators.split(","):
                _, measured = trained(seed, Path(name), estimator=estimator, **recipe)
                runs.append({"estimator": estimator} | measured)
                write(args.out, "estimators_on_air", {"summary": summary(runs), "runs": runs})


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

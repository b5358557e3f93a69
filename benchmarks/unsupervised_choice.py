"""Can a run be judged without a label? Discord of its counts against its accuracy, over recipes good and bad.

The count prior and the size of the window decide what AIR learns, and the bound does not say which is right.
Each recipe here is trained for a while, without sum scenes (which would mend some of the harm), and judged by
`inconsistency` (`subitize.counter.diagnostics`), which sees no truth, and by the bound.

    python benchmarks/unsupervised_choice.py
"""

import json
import tempfile
from pathlib import Path

from scipy.stats import spearmanr

from common import TINY, arguments, options, publish, subitize

RATES = (0.3, 0.1, 0.01, 0.001, 0.00001)
SIZES = (12.0, 15.0, 22.0, 28.0)  # pixels, beside the size derived from the scenes
SEED = 3000


def main() -> None:
    """Train and judge each recipe, and write the result after each."""
    args = arguments(__doc__, steps=1000)
    recipe = TINY if args.tiny else {"scenes": "mnist", "steps": args.steps, "eval_size": 2000, "restarts": 0}
    choices = [{"count_prior": f"geometric(rate={rate})"} for rate in RATES]
    choices += [{"object_size": size} for size in SIZES]
    runs = []
    with tempfile.TemporaryDirectory() as name:
        for number, choice in enumerate(choices[:1] if args.tiny else choices):
            out = Path(name) / str(number)
            subitize(
                "train",
                *options(out=out, seed=SEED, sum_scenes=0, **recipe, **choice),
                cache=Path(name) / "cache",
            )
            last = json.loads((out / "records.jsonl").read_text().splitlines()[-1])
            signs = (
                "count_accuracy",
                "inconsistency",
                "additivity",
                "duplicate_rate",
                "miss_rate",
                "elbo",
                "warning",
            )
            runs.append(choice | {sign: last[sign] for sign in signs})
            publish(args.out, "unsupervised_choice", summary(runs), runs)


def summary(runs: list[dict]) -> dict:
    """How well each judge ranks the recipes, and how good its favourite is."""
    accuracy = [run["count_accuracy"] for run in runs]
    inconsistency = [2.0 if run["inconsistency"] is None else run["inconsistency"] for run in runs]
    bound = [run["elbo"] for run in runs]
    few = len(runs) < 3
    return {
        "recipes": len(runs),
        "best_accuracy": max(accuracy),
        "accuracy_of_least_discord": accuracy[inconsistency.index(min(inconsistency))],
        "accuracy_of_best_bound": accuracy[bound.index(max(bound))],
        "rank_correlation_with_discord": None if few else float(spearmanr(accuracy, inconsistency)[0]),
        "rank_correlation_with_bound": None if few else float(spearmanr(accuracy, bound)[0]),
    }


if __name__ == "__main__":
    main()

"""How often is DAIR right about counts that no training scene had, on seeds and scenes that nobody has seen?

The seeds and scenes of the claims `extrapolation` and `interpolation` were looked at while DAIR was repaired.
These train the same recipe from other seeds, and count other held-out scenes.

    python benchmarks/beyond_training.py
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from common import TINY, arguments, measure_missing
from subitize import scenes
from subitize.evaluation.counting import confusion
from subitize.reproduce.counters import MOST, PASSES, counter_of
from subitize.training import Recipe, train

FIRST_SEED = 5  # of the trainings
HELD_OUT_SEED = 888_000  # of the scenes
COUNTS = {"0, 1, 2": (1, 2, 3, 4, 5), "0, 1, 3": (1, 2, 3)}  # that a training shows, and that are tested


def main() -> None:
    """Train and count for each seed; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, seeds=5, pictures=1000)
    shown, seeds, pictures = (
        (list(COUNTS)[:1], 1, 5) if args.tiny else (list(COUNTS), args.seeds, args.pictures)
    )
    wanted = [{"shown": each, "seed": FIRST_SEED + i} for each in shown for i in range(seeds)]
    measure_missing(
        args.out,
        "beyond_training",
        wanted,
        lambda **who: counted(**who, pictures=pictures, tiny=args.tiny),
        summary,
    )


def counted(shown: str, seed: int, pictures: int, *, tiny: bool) -> dict[str, Any]:
    """What one training counts: a confusion table by the passes over each picture."""
    dataset, small = ("digits", TINY) if tiny else ("mnist", {})
    recipe = {"scenes": dataset} | counter_of("dair", tuple(map(int, shown.split(", ")))).training
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            Recipe.of(**small | recipe | {"steps": small.get("steps", recipe["steps"])}, seed=seed),
            Path(folder),
        )
        tables = {}
        for passes in (PASSES, 1):
            counter = run.for_inference(MOST, passes)
            truth, seen = [], []
            for n in COUNTS[shown][: 3 if tiny else None]:  # small canvases have no room for more
                held_out = scenes.load(dataset, "test", counts=(n,))
                images = held_out.batch(HELD_OUT_SEED + n, np.arange(pictures)).image
                seen.append(counter.infer(np.asarray(images)).count)
                truth.append(np.full(pictures, n))
            tables[str(passes)] = confusion(np.concatenate(truth), np.concatenate(seen), MOST + 1).tolist()
    return {"confusion": tables}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Share that is right of each tested count, for each seed in turn, by what was shown and by passes."""
    shares = {}
    for shown in dict.fromkeys(run["shown"] for run in runs):
        tables = [run["confusion"] for run in runs if run["shown"] == shown]
        shares[shown] = {
            passes: {
                str(n): [table[passes][n][n] / sum(table[passes][n]) for table in tables]
                for n, row in enumerate(first)
                if sum(row)
            }
            for passes, first in tables[0].items()
        }
    return shares


if __name__ == "__main__":
    main()

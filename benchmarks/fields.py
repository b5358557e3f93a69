"""How many are there, in folders of many things: drawn ones of five kinds, or real ones with their truth?

For each folder and seed a catalogue learns from the folder, without labels, and counts it. The error of a
folder is the sum of |count - truth| over its pictures, over the sum of truth.

    python benchmarks/fields.py --seeds 3                     drawn folders, of seeds that no version has seen
    python benchmarks/fields.py --real pictures --seeds 2     folders below $SUBITIZE_DATA/pictures

Beside it are the `watershed` and `log` of the product, and a watershed at the pictures' own resolution
(`benchmarks/well_made_watershed.py`).
"""

import csv
import json
import os
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from common import DOUBTFUL, arguments, measure_missing, options, subitize
from subitize.core.image_io import read_picture
from subitize.evaluation.conformal import LEAST, corrected_one, factor_of
from subitize.models.catalogue.channel import grey_of
from well_made_watershed import centres

EXAMPLE = Path(__file__).parents[1] / "examples" / "write_fields.py"
FIRST_SEED = 501  # of drawn folders
PICTURES = 8
NEAR = 0.5  # diameters of a typical object within which a find is a match


def main() -> None:
    """Count each folder with each seed, and write the result after each."""
    args = arguments(__doc__, seeds=3, first=FIRST_SEED, real="", only="", steps=0)
    draw = runpy.run_path(str(EXAMPLE))
    kinds = real_folders(args.real) if args.real else draw["KINDS"]
    kinds = [kind for kind in kinds if not args.only or kind in args.only.split(",")][
        : 1 if args.tiny else None
    ]
    seeds = range(args.first, args.first + (1 if args.tiny else args.seeds))
    name = f"fields_{args.real}" if args.real else "fields"
    given = {"steps": 4, "steps_per_call": 2} if args.tiny else {"steps": args.steps} if args.steps else {}

    def measure(folder: str, seed: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as temporary:
            if args.real:
                path = real(args.real) / folder
                truth = json.loads((path / "truth.json").read_text())
            else:
                path = Path(temporary) / folder
                small = {"number": 2, "side": 256} if args.tiny else {"number": PICTURES}
                draw["write"](path, folder, seed=seed, **small)
                truth = dict(csv.reader(path.with_suffix(".csv").read_text().splitlines()[1:]))
            return counted(path, truth, Path(temporary) / "out", seed=seed, **given)

    measure_missing(
        args.out, name, [{"folder": k, "seed": s} for k in kinds for s in seeds], measure, summary
    )


def real(name: str) -> Path:
    """The folder of real folders."""
    return Path(os.environ["SUBITIZE_DATA"]) / name


def real_folders(name: str) -> list[str]:
    """Those of the real folders that hold their truth."""
    return sorted(path.parent.name for path in real(name).glob("*/truth.json"))


def counted(folder: Path, truth: dict[str, Any], out: Path, **recipe: Any) -> dict[str, Any]:
    """What the command makes of a folder, beside the truth."""
    run = out.with_name("run")
    learning, _ = subitize("train", *options(scenes=folder, out=run, **recipe))
    counting, _ = subitize("count", str(folder), *options(model=run, out=out), allowed=(0, DOUBTFUL))
    with (out / "counts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (out / "objects.csv").open(newline="", encoding="utf-8") as file:
        objects = list(csv.DictReader(file))
    known = json.loads((run / "recipe.json").read_text())["model"]
    right = {name: len(value) if isinstance(value, list) else int(value) for name, value in truth.items()}
    total = sum(right.values())
    found = {
        who: [int(row[who]) - right[row["file"]] for row in rows] for who in ("count", "watershed", "log")
    }
    known_as = np.array([right[row["file"]] for row in rows])
    count, low, high = (
        np.array([int(row[name]) for row in rows]) for name in ("count", "count_lo90", "count_hi90")
    )
    reviewed = [row["needs_review"] == "true" for row in rows]
    far = [abs(error) > 0.2 * right[row["file"]] for error, row in zip(found["count"], rows, strict=True)]
    return {
        "objects": total,
        "error": share(found["count"], total),
        "bias": sum(found["count"]) / total,
        "watershed": share(found["watershed"], total),
        "log": share(found["log"], total),
        **own_resolution(folder, truth, known),
        "f1": f1(places_of(objects), truth, known["diameter"]),
        "covered": float(np.mean((low <= known_as) & (known_as <= high))),
        "width": int((high - low).sum()) / total,
        **after_verify(known_as, count, low, high),
        "run_failed": any("run_failed" in row["reason"] for row in rows),
        "to_review": sum(reviewed),
        "far_without_review": sum(f and not r for f, r in zip(far, reviewed, strict=True)),
        "errors": found["count"],
        "learning_seconds": round(learning),
        "counting_seconds": round(counting),
    }


def share(errors: list[int], total: int) -> float:
    """Sum of absolute errors over the sum of truth."""
    return sum(map(abs, errors)) / max(1, total)


def after_verify(
    truth: np.ndarray, count: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, float | None]:
    """Coverage and width of each picture's interval when all others of the folder have been verified."""
    if len(truth) <= LEAST:
        return {"covered_after_verify": None, "width_after_verify": None}
    held, wide = [], 0
    for one in range(len(truth)):
        others = np.arange(len(truth)) != one
        factor = factor_of(truth[others], low[others], high[others])
        assert factor is not None
        least, most = corrected_one(int(count[one]), (int(low[one]), int(high[one])), factor)
        held.append(least <= truth[one] <= most)
        wide += most - least
    return {"covered_after_verify": float(np.mean(held)), "width_after_verify": wide / int(truth.sum())}


def own_resolution(folder: Path, truth: dict[str, Any], known: dict[str, Any]) -> dict[str, float | None]:
    """Error and F1 of a watershed at the resolution of the pictures themselves."""
    pictures = {name: grey_of(read_picture(folder / name).pixels, known["channel"]) for name in truth}
    found = centres(pictures, known["diameter"], dark=known["ground"] == "bright")
    right = {name: len(value) if isinstance(value, list) else int(value) for name, value in truth.items()}
    errors = [len(found[name]) - number for name, number in right.items()]
    return {
        "well_made": share(errors, sum(right.values())),
        "well_made_f1": f1(found, truth, known["diameter"]),
    }


def places_of(objects: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """The middles (x, y) of the boxes in objects.csv, by their pictures."""
    found: dict[str, list[list[float]]] = {}
    for o in objects:
        middle = [float(o["x"]) + float(o["w"]) / 2, float(o["y"]) + float(o["h"]) / 2]
        found.setdefault(o["file"], []).append(middle)
    return {name: np.array(places) for name, places in found.items()}


def f1(finds_of: dict[str, np.ndarray], truth: dict[str, Any], diameter: float) -> float | None:
    """F1 of one-to-one matches; None where places are not known."""
    if not all(isinstance(value, list) for value in truth.values()):
        return None
    matches = finds = marks = 0
    for name, known in truth.items():
        found, places = finds_of.get(name, np.zeros((0, 2))), np.array(known)[:, :2]
        finds, marks = finds + len(found), marks + len(places)
        if len(found):
            near = np.linalg.norm(found[:, None] - places, axis=-1) < NEAR * diameter
            matches += int(near[linear_sum_assignment(near, maximize=True)].sum())
    return 2 * matches / (finds + marks)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds for each folder, and how often intervals hold."""
    columns = (
        *("error", "bias", "watershed", "log", "well_made", "f1", "well_made_f1", "covered", "width"),
        *("covered_after_verify", "width_after_verify"),
    )
    result = {}
    for folder in dict.fromkeys(run["folder"] for run in runs):
        own = [run for run in runs if run["folder"] == folder]
        values = {c: [run[c] for run in own if run.get(c) is not None] for c in columns}
        result[folder] = {c: round(float(np.mean(v)), 4) for c, v in values.items() if v}
    return result


if __name__ == "__main__":
    main()

"""Does the documented command count cells, and does it know when it does not?

For each seed a folder is drawn: 400 pictures to learn from and 60 to count, of none to four round cells that
do not touch. The documented command trains on the one and counts the other. What it says is compared with the
truth: how many pictures are counted right, and how many wrong ones no reason for review goes with.

    python benchmarks/cells.py --seeds 3
    python benchmarks/cells.py --seeds 3 --model dair
"""

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import DOUBTFUL, TINY, arguments, measure_missing, options, subitize

# In pixels: a picture, the least distance from its border, cells, and between them.
SIDE, MARGIN, RADII, GAP = 128, 14, (9, 12), 4
LIGHT, GROUND, NOISE, EDGE = (140, 210), 12, 4, 1.2  # grey values; pixels over which a cell's edge falls
LEARNED, COUNTED, MOST = 400, 60, 4
FIRST_SEED = 7000  # of folders that no version has seen


def main() -> None:
    """Train and count for each seed, and write the result after each."""
    args = arguments(__doc__, model="catalogue", seeds=3, first=FIRST_SEED)
    seeds = range(args.first, args.first + (1 if args.tiny else args.seeds))
    wanted = [{"model": args.model, "seed": seed} for seed in seeds]
    measure_missing(args.out, "cells", wanted, lambda **who: counted(**who, tiny=args.tiny), summary)


def counted(model: str, seed: int, *, tiny: bool) -> dict[str, Any]:
    """What one run counts, and how it was trained."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = draw(folder, seed, 12 if tiny else LEARNED, 6 if tiny else COUNTED)
        recipe = recipe_of(model, tiny=tiny) | {"scenes": folder / "train", "model": model, "seed": seed}
        seconds, _ = subitize("train", *options(**recipe, out=folder / "run"))
        words = options(model=folder / "run", out=folder / "counts")
        subitize("count", str(folder / "new"), *words, allowed=(0, DOUBTFUL))
        with (folder / "counts" / "counts.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        last = json.loads((folder / "run" / "records.jsonl").read_text().splitlines()[-1])
    codes = {code for row in rows for code in row["reason"].split(";")}
    wrong = [row for row in rows if int(row["count"]) != truth[row["file"]]]
    table = np.zeros((MOST + 1, MOST + 1), int)
    np.add.at(table, ([truth[row["file"]] for row in rows], [int(row["count"]) for row in rows]), 1)
    return {
        "right": len(rows) - len(wrong),
        "of": len(rows),
        "wrong_without_review": sum(row["needs_review"] == "false" for row in wrong),
        "to_review": sum(row["needs_review"] == "true" for row in rows),
        "run_flags": sorted(code for code in codes if code.startswith("run_")),
        "discord": last.get("inconsistency"),
        "confusion": table.tolist(),
        "seconds": round(seconds),
    }


def recipe_of(model: str, *, tiny: bool) -> dict[str, Any]:
    """Options of the training; none for a catalogue, which takes pictures of any size and any count."""
    if model == "catalogue":
        return {"steps": 4, "steps_per_call": 2} if tiny else {}
    usual = TINY | {"max_objects": 1} if tiny else {"max_objects": MOST}  # one is soon compiled
    return usual | {"canvas": 64}


def draw(folder: Path, seed: int, learned: int, new: int) -> dict[str, int]:
    """Draw both parts of a folder; returns the truth about those to count."""
    rng, truth = np.random.default_rng(seed), {}
    for part, number in (("train", learned), ("new", new)):
        (folder / part).mkdir()
        for i in range(number):
            name = f"cell_{i:04d}.png"
            Image.fromarray(picture(rng, i % (MOST + 1))).save(folder / part / name)
            truth |= {name: i % (MOST + 1)} if part == "new" else {}
    return truth


def picture(rng: np.random.Generator, cells: int) -> np.ndarray:
    """So many soft round cells that do not touch, on a dark noisy ground, as bytes."""
    placed: list[tuple[float, float, float]] = []
    while len(placed) < cells:
        x, y, radius = *rng.uniform(MARGIN, SIDE - MARGIN, 2), rng.uniform(*RADII)
        if all(np.hypot(x - a, y - b) > radius + r + GAP for a, b, r in placed):
            placed.append((x, y, radius))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = GROUND + rng.normal(0, NOISE, (SIDE, SIDE))
    for x, y, radius in placed:
        image += rng.uniform(*LIGHT) / (1 + np.exp((np.hypot(columns - x, rows - y) - radius) / EDGE))
    return np.clip(image, 0, 255).astype(np.uint8)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Right counts, and wrong ones without review, of each model's runs."""
    models = dict.fromkeys(run["model"] for run in runs)
    own = {model: [run for run in runs if run["model"] == model] for model in models}
    kept = ("right", "of", "wrong_without_review")
    return {model: {word: [run[word] for run in found] for word in kept} for model, found in own.items()}


if __name__ == "__main__":
    main()

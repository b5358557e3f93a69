"""Does it see what there is in other worlds? Coloured sprites, and the parts of handwritten characters.

AIR learns to count sprites of four shapes and any colour as it learns to count digits. Of Omniglot's
characters nobody knows the parts: AIR has windows smaller than a character, may use up to four of them, and
is judged by how well they explain characters drawn by hands that it has never seen.
"""

from typing import Any

import numpy as np
from PIL import Image

from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab
from subitize.evaluation.held_out import evaluate, held_out
from subitize.figures.board import board
from subitize.training import Run

SOURCE = "Eslami et al. 2016, experiments on sprites and Omniglot"
TESTED, SHOWN = 5000, 12
CHARACTERS = {
    "scenes": "omniglot",
    "max_objects": 4,
    "object_size": 22.0,
    "count_prior": "geometric(rate=0.01)",
}
CHARACTER_STEPS, SPRITE_STEPS = 10_000, 4000
SEEDS = (0, 1, 2)


def sprites(lab: Lab) -> Finding:
    """How many, of which colours and shapes."""
    runs = [lab.trained(scenes="sprites", steps=SPRITE_STEPS, seed=seed) for seed in lab.seeds]
    found = [evaluate(run, lab.some(TESTED), elbo=False) for run in runs]
    values = {
        "counted": [100 * f["count_accuracy"] for f in found],
        "found": [100 * (f["recall_50"] or 0.0) for f in found],
    }
    return Finding(values, {"confusion": [f["confusion"] for f in found]}, seen(runs[0], SHOWN))


def parts(lab: Lab) -> Finding:
    """How many parts, and how much of a character they explain."""
    runs = [lab.trained(**CHARACTERS, steps=CHARACTER_STEPS, seed=seed) for seed in lab.seeds]
    explained, used = [], []
    for run in runs:
        images, _ = pictures(run, lab.some(TESTED))
        look: Any = run.look(images)
        missed = ((images - look.reconstruction) ** 2).sum((1, 2, 3))
        explained.append(100 * float(np.mean(1 - missed / np.maximum((images**2).sum((1, 2, 3)), 1e-6))))
        used.append(np.bincount(look.count, minlength=run.model.settings.max_objects + 1).tolist())
    return Finding({"explained": explained}, {"parts": used}, seen(runs[0], lab.some(TESTED)))


def seen(run: Run, among: int) -> Image.Image:
    """Some of so many held-out pictures of its world, as a run sees them."""
    images, truth = pictures(run, among)
    some = np.random.default_rng(0).permutation(len(images))[:SHOWN]
    look: Any = run.look(images[some])
    return board(images[some], look, truth[some], f"{run.recipe.scenes}, held out")


def pictures(run: Run, number: int) -> tuple[np.ndarray, np.ndarray]:
    """So many held-out pictures, or as many as there are, and their counts."""
    found = list(held_out(run.scenes("test"), number, seed=0))
    return np.concatenate([f.image for f in found]), np.concatenate([f.count for f in found])


CLAIMS = (
    Claim(
        "sprites",
        "AIR learns to count and to find coloured sprites of several shapes without labels.",
        SOURCE,
        {
            "counted": Condition("sprites counted right (%)", "", 95),
            "found": Condition("sprites found, half of the union of boxes shared (%)", "", 80),
        },
        30,
        SEEDS,
        sprites,
    ),
    Claim(
        "parts",
        "On Omniglot AIR explains characters of unseen hands by a few parts, each smaller than a character.",
        SOURCE,
        {
            "explained": Condition("of the squared brightness of held-out characters explained (%)", "", 70),
        },
        60,
        SEEDS,
        parts,
    ),
)

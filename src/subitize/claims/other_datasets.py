"""Does it see what there is in other datasets? Coloured sprites, and the parts of handwritten characters.

AIR learns to count sprites of four shapes and any colour as it learns to count digits. Of Omniglot's
characters nobody knows the parts: AIR has windows smaller than a character, may use up to four of them, and
is judged by how well they explain characters drawn by hands that it has never seen.
"""

from typing import Any

import numpy as np
from PIL import Image

from subitize.evaluation.held_out import evaluate, held_out
from subitize.figures.board import board
from subitize.models.inference import OPTIONS as INFERENCE
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.training import Run

SOURCE = "Eslami et al. 2016, experiments on sprites and Omniglot"
TESTED, SHOWN = 5000, 12
SPRITES: dict[str, Any] = {"scenes": "sprites", "steps": 4000}
CHARACTERS: dict[str, Any] = {
    "scenes": "omniglot",
    "steps": 10_000,
    "max_objects": 4,
    "object_size": 22.0,
    "count_prior": "geometric(rate=0.01)",
}
SEEDS = (0, 1, 2)


def sprites(lab: Lab) -> Finding:
    """How many, of which colours and shapes."""

    def measured(lab: Lab, seed: int) -> dict[str, Any]:
        return evaluate(lab.trained(**SPRITES, seed=seed), lab.some(TESTED), elbo=False)

    found = lab.noted("sprites", (SPRITES, TESTED, INFERENCE), measured)
    values = {
        "counted": [100 * own["count_accuracy"] for own in found],
        "found": [100 * (own["recall_50"] or 0.0) for own in found],
    }
    return Finding(values, {"confusion": [own["confusion"] for own in found]}, seen(lab, SPRITES, SHOWN))


def parts(lab: Lab) -> Finding:
    """How many parts, and how much of a character they explain."""

    def measured(lab: Lab, seed: int) -> dict[str, Any]:
        run = lab.trained(**CHARACTERS, seed=seed)
        images, _ = pictures(run, lab.some(TESTED))
        inferred = run.infer(images)
        missed = ((images - inferred.reconstruction) ** 2).sum((1, 2, 3))
        explained = float(np.mean(1 - missed / np.maximum((images**2).sum((1, 2, 3)), 1e-6)))
        used = np.bincount(inferred.count, minlength=run.model.settings.max_objects + 1)
        return {"explained": 100 * explained, "parts": used.tolist()}

    found = lab.noted("parts", (CHARACTERS, TESTED, INFERENCE), measured)
    picture = seen(lab, CHARACTERS, lab.some(TESTED))
    return Finding(
        {"explained": [own["explained"] for own in found]},
        {"parts": [own["parts"] for own in found]},
        picture,
    )


def seen(lab: Lab, options: dict[str, Any], among: int) -> Image.Image:
    """Some of so many held-out pictures of its dataset, as the first seed's model sees them."""

    def draw() -> Image.Image:
        run = lab.trained(**options, seed=lab.seeds[0])
        images, truth = pictures(run, among)
        some = np.random.default_rng(0).permutation(len(images))[:SHOWN]
        inferred = run.infer(images[some])
        return board(images[some], inferred, truth[some], f"{run.recipe.data.scenes}, held out")

    return lab.drawn("board", (options, among, SHOWN, INFERENCE), draw)


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

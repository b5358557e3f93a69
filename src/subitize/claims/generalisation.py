"""Does it count beyond what it was shown?

AIR and DAIR are trained on scenes of some counts, without labels, and look at held-out scenes of others.
"The paper's AIR" sees the image and its own latest latents (`published`); ours sees besides what its canvas
does not explain. All have the same decoder and are trained by the same bound, in which the count is summed
exactly, and all may find one object more than they are shown, so that they learn to stop after the last.
Ours learn from sums of ones too (`subitize.models.sums`): of two, but where twos are to be unseen of three.
DAIR looks several times, and what it sees at one look is given beside.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from subitize import scenes
from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab
from subitize.core.errors import UsageError
from subitize.evaluation.counting import confusion
from subitize.figures.board import board
from subitize.figures.style import stacked
from subitize.models.look import OPTIONS as LOOKING
from subitize.training import Run

SOURCE = "Eslami et al. 2016, a chart, as others read it"
LOOKS = 8  # of DAIR at each picture: after the first it reconsiders what it has found
WAYS = {  # model and looks; the last two only for comparison: a rehearsal does without them
    "dair": ("dair", LOOKS),
    "published": ("published", 1),
    "air": ("air", 1),
    "dair, one look": ("dair", 1),
}
MOST = 9  # objects that may be found in a test, by a model that can take more steps than in training
SEEDS = (0, 1, 2, 3, 4)
STEPS = 4000
PICTURES = 1000  # of each count
SHOWN = 6  # scenes in the picture


def extrapolation(lab: Lab) -> Finding:
    """Trained on none, one and two; tested on up to five."""
    counts_shown = (3, 4) if lab.tiny else (1, 2, 3, 4, 5)
    found = {way: tested(lab, way, (0, 1, 2), counts_shown) for way in ways(lab)}
    values = {
        "dair_three": unseen(found["dair"], 3, (0, 1, 2)),
        "dair_four": unseen(found["dair"], 4, (0, 1, 2)),
        "published_three": unseen(found["published"], 3, (0, 1, 2)),
    }
    return Finding(values, summary(found), picture(lab, (0, 1, 2), 3, tuple(found)))


def interpolation(lab: Lab) -> Finding:
    """Trained on none, one and three; tested on two. The paper's AIR and DAIR only."""
    counts_shown = (2,) if lab.tiny else (1, 2, 3)
    found = {way: tested(lab, way, (0, 1, 3), counts_shown) for way in ways(lab) if way != "air"}
    values = {
        "dair_two": unseen(found["dair"], 2, (0, 1, 3)),
        "published_two": unseen(found["published"], 2, (0, 1, 3)),
    }
    return Finding(values, summary(found), picture(lab, (0, 1, 3), 2, tuple(found)))


def training_counts(lab: Lab) -> Finding:
    """Both on the counts that they were trained on, and DAIR as if it looked once."""
    found = {way: tested(lab, way, (0, 1, 2), (0, 1, 2)) for way in ("dair", "air", "dair, one look")}
    over_all = {
        way: [100 * float(np.mean([share(table, n) for n in (0, 1, 2)])) for table in tables]
        for way, tables in found.items()
    }
    behind = [air - dair for air, dair in zip(over_all["air"], over_all["dair"], strict=True)]
    return Finding({"behind": behind}, summary(found) | {"accuracy": over_all})


def tested(lab: Lab, way: str, trained_on: tuple, tested_on: tuple) -> list[np.ndarray]:
    """What one of `WAYS` counts: a confusion table for each seed."""
    options = options_of(way, trained_on), looking(way), MOST, PICTURES, tested_on
    opened = lambda lab, seed: run_of(lab, way, trained_on, seed)  # noqa: E731
    return confusions(lab, way, options, opened, tested_on, PICTURES)


def confusions(
    lab: Lab,
    name: str,
    options: Any,
    opened: Callable[[Lab, int], Run],
    tested_on: tuple,
    pictures: int,
    **world: Any,
) -> list[np.ndarray]:
    """A confusion table for each seed, measured now or before: rows are true counts from 0.

    Args:
        lab: where it is noted.
        name: for people.
        options: all that defines the measurement but the seed.
        opened: (lab, seed) -> the run.
        tested_on: true counts.
        pictures: held-out scenes of each.
        world: options of the scenes.
    """

    def measured(lab: Lab, seed: int) -> list[list[int]]:
        table = confused(lab, opened(lab, seed), tested_on, pictures, **world)
        told = ", ".join(f"{n}: {100 * share(table, n):.1f} %" for n in tested_on)
        lab.say(f"{name}, seed {seed}: {told}")
        return table.tolist()

    return [np.array(table) for table in lab.noted(f"confusion, {name}", options, measured)]


def confused(lab: Lab, run: Run, tested_on: tuple, pictures: int, **options: Any) -> np.ndarray:
    """What a run counts on so many held-out scenes of each count: rows are true, columns what was counted."""
    truth, seen = [], []
    for n in tested_on:
        images = np.asarray(pictures_of(lab.scenes, n, lab.some(pictures), **options))
        seen.append(run.look(images).count)
        truth.append(np.full(len(images), n))
    most = max(run.model.settings.max_objects, *tested_on)
    return confusion(np.concatenate(truth), np.concatenate(seen), most + 1)


def run_of(lab: Lab, way: str, trained_on: tuple, seed: int) -> Run:
    """The trained model, taking more steps than in training if it can, and as many looks as it shall."""
    run = lab.trained(**options_of(way, trained_on), seed=seed)
    return lab.looking(run, MOST, WAYS[way][1]) if run.model.guide.extends else run


def options_of(way: str, trained_on: tuple) -> dict[str, Any]:
    """Those of its training."""
    model, _ = WAYS[way]
    alone = {"sums": 0} if model == "published" else {}
    return {"model": model, "counts": trained_on, "max_objects": trained_on[-1] + 1, "steps": STEPS} | alone


def looking(way: str) -> tuple[Any, ...]:
    """All that decides how it looks."""
    return *WAYS[way], LOOKING


def ways(lab: Lab) -> tuple[str, ...]:
    """What is compared."""
    return tuple(WAYS)[: 2 if lab.tiny else None]


def pictures_of(world: str, n: int, number: int, **options: Any) -> jax.Array:
    """Held-out scenes of n objects, with these options of their world."""
    if n == 0:
        return jnp.zeros_like(pictures_of(world, 1, number, **options))
    return scenes_of(world, n, number, **options).image


def scenes_of(world: str, n: int, number: int, **options: Any) -> scenes.Scene:
    """The scenes of `pictures_of`, with what is true of them."""
    return scenes.load(world, "test", counts=(n,), **options).batch(n, np.arange(number))


def share(table: np.ndarray, n: int) -> float:
    """Of the pictures of n objects, those counted right."""
    return float(table[n, n] / table[n].sum())


def unseen(tables: list[np.ndarray], n: int, trained_on: tuple) -> list[float]:
    """Right counts of n objects with each seed, in per cent, where training never showed n.

    Raises:
        UsageError: it did.
    """
    if n in trained_on:
        raise UsageError(f"This claim is about counts that were not shown, and {n} is in {trained_on}.")
    return [100 * share(table, n) for table in tables]


def summary(found: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Confusion of each, over all seeds and of each seed: rows are true counts, columns what was counted."""
    return {
        "confusion": {way: sum(tables).tolist() for way, tables in found.items()},  # pyright: ignore
        "confusion_by_seed": {way: [own.tolist() for own in tables] for way, tables in found.items()},
    }


def picture(lab: Lab, trained_on: tuple, n: int, compared: tuple[str, ...]) -> Image.Image:
    """The first held-out scenes of n objects, as each model of the first seed sees them."""
    sheets = []
    for way in compared[:3]:
        title = f"{way}, trained on {', '.join(map(str, trained_on))}, looks at {n}"
        draw = lambda way=way, title=title: picture_of(  # noqa: E731
            lab, run_of(lab, way, trained_on, lab.seeds[0]), n, PICTURES, title
        )
        sheets.append(
            lab.drawn(f"board, {way}", (title, options_of(way, trained_on), looking(way), MOST), draw)
        )
    return stacked(sheets)


def picture_of(lab: Lab, run: Run, n: int, pictures: int, title: str, **options: Any) -> Image.Image:
    """The first of the held-out scenes of n objects that were tested, as a run sees them."""
    images = np.asarray(pictures_of(lab.scenes, n, lab.some(pictures), **options))[:SHOWN]
    look: Any = run.look(images)
    return board(images, look, np.full(len(images), n), title)


CLAIMS = (
    Claim(
        "extrapolation",
        "Trained on scenes of up to two digits, DAIR counts three and four; the paper's AIR does not.",
        SOURCE,
        {
            "dair_three": Condition("DAIR, three digits counted right (%)", "about 80", 85),
            "dair_four": Condition("DAIR, four digits counted right (%)", "", 85),
            "published_three": Condition("the paper's AIR, three digits (%)", "about 0", 20, at_most=True),
        },
        90,
        SEEDS,
        extrapolation,
    ),
    Claim(
        "interpolation",
        "Trained on scenes of none, one and three digits, DAIR counts two; the paper's AIR often does not.",
        SOURCE,
        {
            "dair_two": Condition("DAIR, two digits counted right (%)", "about 95", 95),
            "published_two": Condition("the paper's AIR, two digits (%)", "about 60", 80, at_most=True),
        },
        90,
        SEEDS,
        interpolation,
    ),
    Claim(
        "training_counts",
        "On the counts it was trained on, DAIR is behind AIR by no more than half a point.",
        "a question of our own",
        {"behind": Condition("AIR's accuracy less DAIR's (points)", "", 0.5, at_most=True)},
        90,
        SEEDS,
        training_counts,
    ),
)

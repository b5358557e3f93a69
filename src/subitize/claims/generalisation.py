"""Does it count beyond what it was shown?

AIR and DAIR are trained on scenes of some counts, without labels, and look at held-out scenes of others.
How each is trained, `subitize.reproduce.counters` says. DAIR looks several times, and what it sees at one
look is given beside.
"""

import numpy as np
from PIL import Image

from subitize.core.errors import UsageError
from subitize.figures.style import stacked
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.counters import WAYS, counter_of
from subitize.reproduce.counting import board_of, confusions, share, summary

SOURCE = "Eslami et al. 2016, a chart, as others read it"
SEEDS = (0, 1, 2, 3, 4)
PICTURES = 1000  # of each count


def extrapolation(lab: Lab) -> Finding:
    """Trained on none, one and two; tested on up to five."""
    counts_shown = (3, 4) if lab.tiny else (1, 2, 3, 4, 5)
    found = {way: tested(lab, way, (0, 1, 2), counts_shown) for way in ways(lab)}
    values = {
        "dair_three": unseen(found["dair"], 3, (0, 1, 2)),
        "dair_four": unseen(found["dair"], 4, (0, 1, 2)),
        "eslami2016_three": unseen(found["eslami2016"], 3, (0, 1, 2)),
    }
    return Finding(values, summary(found), picture(lab, (0, 1, 2), 3, tuple(found)))


def interpolation(lab: Lab) -> Finding:
    """Trained on none, one and three; tested on two. The paper's AIR and DAIR only."""
    counts_shown = (2,) if lab.tiny else (1, 2, 3)
    found = {way: tested(lab, way, (0, 1, 3), counts_shown) for way in ways(lab) if way != "air"}
    values = {
        "dair_two": unseen(found["dair"], 2, (0, 1, 3)),
        "eslami2016_two": unseen(found["eslami2016"], 2, (0, 1, 3)),
    }
    return Finding(values, summary(found), picture(lab, (0, 1, 3), 2, tuple(found)))


def training_counts(lab: Lab) -> Finding:
    """Both on the counts that they were trained on, and DAIR as if it looked once."""
    found = {way: tested(lab, way, (0, 1, 2), (0, 1, 2)) for way in ("dair", "air", "dair, one pass")}
    over_all = {
        way: [100 * float(np.mean([share(table, n) for n in (0, 1, 2)])) for table in tables]
        for way, tables in found.items()
    }
    behind = [air - dair for air, dair in zip(over_all["air"], over_all["dair"], strict=True)]
    return Finding({"behind": behind}, summary(found) | {"accuracy": over_all})


def tested(lab: Lab, way: str, trained_on: tuple, tested_on: tuple) -> list[np.ndarray]:
    """What one of `WAYS` counts: a confusion table for each seed."""
    counter = counter_of(way, trained_on)
    options = counter.training, counter.inference, counter.max_objects, PICTURES, tested_on
    return confusions(lab, way, options, counter.run, tested_on, PICTURES)


def ways(lab: Lab) -> tuple[str, ...]:
    """What is compared; a rehearsal does without the last two, which stand beside the claim."""
    return tuple(WAYS)[: 2 if lab.tiny else None]


def unseen(tables: list[np.ndarray], n: int, trained_on: tuple) -> list[float]:
    """Right counts of n objects with each seed, in per cent, where training never showed n.

    Raises:
        UsageError: it did.
    """
    if n in trained_on:
        raise UsageError(f"This claim is about counts that were not shown, and {n} is in {trained_on}.")
    return [100 * share(table, n) for table in tables]


def picture(lab: Lab, trained_on: tuple, n: int, compared: tuple[str, ...]) -> Image.Image:
    """The first held-out scenes of n objects, as each model of the first seed sees them."""
    sheets = []
    for way in compared[:3]:
        title = f"{way}, trained on {', '.join(map(str, trained_on))}, looks at {n}"
        counter = counter_of(way, trained_on)
        draw = lambda counter=counter, title=title: board_of(  # noqa: E731
            lab, counter.run(lab, lab.seeds[0]), n, PICTURES, title
        )
        options = title, counter.training, counter.inference, counter.max_objects
        sheets.append(lab.drawn(f"board, {way}", options, draw))
    return stacked(sheets)


CLAIMS = (
    Claim(
        "extrapolation",
        "Trained on scenes of up to two digits, DAIR counts three and four; the paper's AIR does not.",
        SOURCE,
        {
            "dair_three": Condition("DAIR, three digits counted right (%)", "about 80", 85),
            "dair_four": Condition("DAIR, four digits counted right (%)", "", 85),
            "eslami2016_three": Condition("the paper's AIR, three digits (%)", "about 0", 20, at_most=True),
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
            "eslami2016_two": Condition("the paper's AIR, two digits (%)", "about 60", 80, at_most=True),
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

"""Can it count with no largest count in mind?

DAIR is trained on scenes of up to three digits on a canvas with room for more, and looks at up to eight: for
one more object as long as there may be one, and several times. Its prior breaks a stick for ever and so knows
no largest count; with a small concentration it is as strict as the geometric prior of Eslami et al. (2016),
and a second one learns its concentration. Beside them that geometric prior and the binomial one, which end
with the objects that are looked for. A first look asks q alone, which the prior has shaped in training;
further passes ask the prior too, and the binomial one of twelve objects then thinks six likeliest.
"""

from typing import Any

import numpy as np

from subitize.models.inference import OPTIONS as INFERENCE
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.counters import OPEN_ENDED_CANVAS, OPEN_ENDED_COUNTS, PRIORS, open_ended_counter
from subitize.reproduce.counting import board_of, confusions, summary

TESTED_ON = (3, 4, 5, 6, 7, 8)
ASKED = 6
PICTURES = 300  # of each count
SEEDS = (0, 1, 2)


def open_ended(lab: Lab) -> Finding:
    """Trained on up to three; tested on up to eight."""
    tables = {name: confused_under(lab, name) for name in (list(PRIORS)[:1] if lab.tiny else PRIORS)}
    values = {
        "exact": [within(table, ASKED, 0) for table in tables["sticks"]],
        "within_one": [within(table, ASKED, 1) for table in tables["sticks"]],
    }
    details = summary(tables)
    if "learned sticks" in tables:
        details["concentration"] = concentrations(lab, "learned sticks")
    return Finding(values, details, shown(lab))


def confused_under(lab: Lab, prior: str) -> list[np.ndarray]:
    """A confusion table for each seed: rows are true counts, columns what was counted."""
    counter = open_ended_counter(prior)
    options = *counter, INFERENCE, PICTURES, tested_on(lab)
    return confusions(lab, prior, options, counter.run, tested_on(lab), PICTURES, canvas=OPEN_ENDED_CANVAS)


def tested_on(lab: Lab) -> tuple[int, ...]:
    """The counts that are looked at."""
    return (ASKED,) if lab.tiny else TESTED_ON


def within(table: np.ndarray, n: int, error: int) -> float:
    """Of the pictures of n objects, those counted with at most this error, in per cent."""
    return float(100 * table[n, max(0, n - error) : n + error + 1].sum() / table[n].sum())


def concentrations(lab: Lab, prior: str) -> list[float]:
    """What the concentration of its prior has become, with each seed."""
    counter = open_ended_counter(prior)

    def measured(lab: Lab, seed: int) -> float:
        return float(np.exp(counter.run(lab, seed).model.count_prior.log_concentration))

    return lab.noted("concentration", counter.training, measured)


def shown(lab: Lab) -> Any:
    """The first held-out scenes of six, as the first seed sees them."""
    title = f"trained on {', '.join(map(str, OPEN_ENDED_COUNTS))}, looks at {ASKED}"
    counter = open_ended_counter("sticks")
    draw = lambda: board_of(  # noqa: E731
        lab, counter.run(lab, lab.seeds[0]), ASKED, PICTURES, title, canvas=OPEN_ENDED_CANVAS
    )
    return lab.drawn("board, sticks", (title, *counter, INFERENCE), draw)


CLAIMS = (
    Claim(
        "open_ended",
        "Trained on scenes of up to three digits, with a prior that knows no largest count, DAIR counts six.",
        "a post's wish: a nonparametric prior on the count",
        {
            "exact": Condition("six digits counted right (%)", "", 60),
            "within_one": Condition("six digits counted within one (%)", "", 80),
        },
        240,
        SEEDS,
        open_ended,
    ),
)

"""How far can a count be trusted, after a person has counted some of its pictures by eye?

    how good the counts are      bias, error, share that is right, and how often the intervals hold, for the
                                 random sample and for the doubtful ones apart
    how many objects there are   `subitize.evaluation.total`
    how wide intervals must be   `subitize.evaluation.conformal`

The verdict on intervals is on those in counts.csv. The factor is on those that the model gave itself, so that
to verify a count with corrected intervals gives the same factor as to verify one without.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from subitize.evaluation.conformal import corrected_one, factor_of
from subitize.evaluation.finished_count import CountRow, FinishedCount
from subitize.evaluation.total import Total, total_of
from subitize.evaluation.truths import DOUBTFUL, RANDOM, Truths

VERIFIED = ("file", "count", "count_lo90", "count_hi90", "truth")  # columns of verified.csv


class Agreement(NamedTuple):
    """How well counts agree with truths; None where there are no pictures.

    Attributes:
        pictures: that have both.
        bias: mean of count - truth.
        mean_absolute_error: mean of |count - truth|.
        share_right: of counts that are the truth.
        coverage_90: share of truths within their intervals.
    """

    pictures: int
    bias: float | None = None
    mean_absolute_error: float | None = None
    share_right: float | None = None
    coverage_90: float | None = None


class Verification(NamedTuple):
    """What verified pictures say of all.

    Attributes:
        random: how well the counts of the random sample agree with their truths.
        doubtful: the same of the doubtful ones.
        uncounted: how many verified pictures have no count.
        unknown: how many pictures have neither a count nor a truth; they are in no total.
        total: of objects in all others.
        factor: on half widths of the model's own intervals; None if the random sample is too small.
    """

    random: Agreement
    doubtful: Agreement
    uncounted: int
    unknown: int
    total: Total
    factor: float | None


def verification(counted: FinishedCount, truths: Truths) -> Verification:
    """What the truth of some pictures says of a whole count."""
    of_random, of_doubtful = (pairs(counted, truths, chosen) for chosen in (RANDOM, DOUBTFUL))
    counts = [row for row in counted.rows if row.count is not None]
    rest = np.array([row.count for row in counts if row.file not in truths.known], int)
    known = sum(said.count or 0 for said in truths.known.values())
    rows, truth = of_random
    return Verification(
        random=agreement(*of_random),
        doubtful=agreement(*of_doubtful),
        uncounted=sum(counted.by_file[file].count is None for file in truths.known),
        unknown=sum(row.count is None and row.file not in truths.known for row in counted.rows),
        total=total_of(sum(row.count or 0 for row in counts), known, rest, truth - counts_of(rows)),
        factor=factor_of(truth, *sides([row.uncorrected for row in rows])),
    )


def pairs(
    counted: FinishedCount, truths: Truths, chosen: str
) -> tuple[list[CountRow], Int[np.ndarray, "pictures"]]:
    """The counts and the truths of verified pictures that have both, and were so chosen."""
    both = [
        (row, said.count)
        for file, said in truths.known.items()
        if said.chosen == chosen and (row := counted.by_file[file]).count is not None
    ]
    return [row for row, _ in both], np.array([truth for _, truth in both], int)


def agreement(rows: Sequence[CountRow], truth: Int[np.ndarray, "pictures"]) -> Agreement:
    """How well counts agree with truths."""
    if not rows:
        return Agreement(0)
    away = counts_of(rows) - truth
    low, high = sides([row.interval for row in rows])
    held = (low <= truth) & (truth <= high)
    means = away.mean(), np.abs(away).mean(), (away == 0).mean(), held.mean()
    return Agreement(len(rows), *map(float, means))


def counts_of(rows: Sequence[CountRow]) -> Int[np.ndarray, "pictures"]:
    """The counts of pictures that have one."""
    return np.array([row.count for row in rows], int)


def sides(
    intervals: Sequence[tuple[int, int]],
) -> tuple[Int[np.ndarray, "pictures"], Int[np.ndarray, "pictures"]]:
    """The least and the largest counts of intervals."""
    both = np.array(intervals, int).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def verified_rows(counted: FinishedCount, truths: Truths, factor: float | None) -> Iterator[list[object]]:
    """The lines of verified.csv: every picture that has a count or a truth.

    The interval is the truth where that is known; else it is corrected, unless no factor is known either.
    """
    for row in counted.rows:
        said = truths.known.get(row.file)
        if said is not None:
            yield [row.file, "" if row.count is None else row.count, *[said.count] * 3]
        elif row.count is not None:
            own = row.interval if factor is None else corrected_one(row.count, row.uncorrected, factor)
            yield [row.file, row.count, *own, ""]

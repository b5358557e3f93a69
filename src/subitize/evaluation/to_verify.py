"""Which pictures of a count should a person count by eye?

The most doubtful ones, because they are most likely wrong, and others at random, because only they say how
far the rest can be trusted. The random ones are drawn from those that are left, and stand in the order in
which they were drawn: whoever stops in between has counted a random sample too. A folder that is small
enough is counted whole, and then all of it is the sample.

The choice depends on what the model says of each picture and nothing else, so the same count gives the same
one again, and so does a count whose intervals were corrected since.
"""

from collections.abc import Sequence

import numpy as np

from subitize.core.errors import UsageError, printable
from subitize.evaluation.finished_count import CountRow, FinishedCount
from subitize.evaluation.truths import DOUBTFUL, HEAD, RANDOM, Table

DOUBTFUL_ONES = 3
RANDOM_ONES = 19  # the 18th smallest of 19 scores is exceeded by one picture in ten, exactly
SEED = 0  # of the draw


def to_verify(counted: FinishedCount) -> Table:
    """A table of truths, with its head, in which the counts are still empty.

    Raises:
        UsageError: no picture of the count has a count.
    """
    rows = [row for row in counted.rows if row.count is not None]
    if not rows:
        raise UsageError(
            f"No picture in {printable(counted.folder)} has a count that could be verified; its counts.csv "
            "says why. Count pictures that can be read."
        )
    if len(rows) <= DOUBTFUL_ONES + RANDOM_ONES:
        return [list(HEAD), *as_rows(drawn(rows, len(rows)), RANDOM)]
    doubtful = sorted(rows, key=trust)[:DOUBTFUL_ONES]
    rest = [row for row in rows if row not in doubtful]
    return [list(HEAD), *as_rows(doubtful, DOUBTFUL), *as_rows(drawn(rest, RANDOM_ONES), RANDOM)]


def trust(row: CountRow) -> tuple[bool, float, float]:
    """What the most doubtful have least of: no need to look again, a narrow interval, a sure count."""
    low, high = row.uncorrected
    return not row.needs_review, -(high - low) / max(row.count or 0, 1), row.confidence


def drawn(rows: Sequence[CountRow], number: int) -> list[CountRow]:
    """So many rows at random, in the order in which they were drawn."""
    order = np.random.default_rng(SEED).permutation(len(rows))[:number]
    return [rows[i] for i in order]


def as_rows(rows: Sequence[CountRow], chosen: str) -> Table:
    """Rows of a table of truths."""
    return [[row.file, chosen, ""] for row in rows]

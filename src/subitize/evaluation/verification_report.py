"""How is a verification told, to people and to programs?"""

import math
from collections.abc import Iterator

from subitize.core.json import JSON
from subitize.evaluation.conformal import LEAST
from subitize.evaluation.finished_count import FinishedCount
from subitize.evaluation.total import Total
from subitize.evaluation.truths import DOUBTFUL, RANDOM, Truths
from subitize.evaluation.verification import Agreement, Verification


def as_json(found: Verification, counted: FinishedCount, truths: Truths) -> JSON:
    """All of it in plain numbers, for verification.json."""
    return {
        "model_sha256": counted.model_sha256,
        "pictures": len(counted.rows),
        "verified": len(truths.known),
        "verified_without_count": found.uncounted,
        "neither_count_nor_truth": found.unknown,
        "random_is_assumed": truths.assumed,
        RANDOM: found.random._asdict(),
        DOUBTFUL: found.doubtful._asdict(),
        "total": found.total._asdict(),
        "factor": found.factor,
    }


def told(found: Verification, counted: FinishedCount, truths: Truths) -> Iterator[str]:
    """Lines for people."""
    chosen = [said.chosen for said in truths.known.values()]
    numbers = " and ".join(f"{chosen.count(word)} {word}" for word in (RANDOM, DOUBTFUL) if word in chosen)
    yield f"verified: {len(chosen)} of {len(counted.rows)} pictures, {numbers}"
    for word, agreement in ((RANDOM, found.random), (DOUBTFUL, found.doubtful)):
        if agreement.pictures:
            yield f"{word}: {agreed(agreement)}"
    yield f"total: {totalled(found.total)}"
    if found.factor is not None:
        yield f"intervals: {found.factor:.2f} times as wide as the model gives them"


def agreed(agreement: Agreement) -> str:
    """How well counts agree with truths."""
    n, bias, error, right, held = agreement
    return (
        f"{(right or 0) * n:.0f} of {n} counts right, off by {error:.2f} on average, bias {bias:+.2f}; "
        f"90 % interval holds {(held or 0) * n:.0f} of {n}"
    )


def totalled(total: Total) -> str:
    """The total in whole objects; the interval is not made narrower by that."""
    text = f"{total.counted} objects counted, {total.corrected:.0f} corrected"
    if total.exact:
        return f"{text}, which is exact"
    if total.low is None or total.high is None:
        return f"{text}, of unknown error"
    return f"{text}, 90 % interval {math.floor(total.low)} to {math.ceil(total.high)}"


def remarks(found: Verification, truths: Truths) -> Iterator[str]:
    """What is not as people may think."""
    n = found.random.pictures
    if truths.assumed and not found.total.exact:
        yield (
            "no column `chosen` says how the pictures were chosen: all are taken for a random sample. If "
            "that is not so, the total and the intervals are wrong."
        )
    if truths.unknown:
        yield f"rows without a count by eye, which are left with the rest: {len(truths.unknown)}."
    if found.uncounted:
        yield f"verified pictures that have no count, but whose truth is in the total: {found.uncounted}."
    if found.unknown:
        yield f"pictures with neither a count nor a truth, which are in no total: {found.unknown}."
    if found.factor is None:
        yield (
            f"the intervals are not corrected: that takes {LEAST} random pictures, and {n} are verified. "
            f"Still needed: {LEAST - n}."
        )
    if found.total.standard_error == 0 and not found.total.exact:
        yield (
            f"all {n} random counts are off by the same number, so nothing shows how far the rest may be "
            "off: the interval of the total is too narrow."
        )

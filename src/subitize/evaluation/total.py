"""How many objects are there in all pictures, if some of them were counted by eye?

The difference estimator of survey sampling (Cochran 1977, "Sampling techniques", chapter 7, regression with
a slope of one). Of R pictures only the count x is known. Of n others, drawn at random among these and
themselves, the truth y is known too, and so d = y - x. Whatever the counts are worth,

    total             Σ y of all that were verified + Σ x of the rest + R · mean(d)
    standard error    √(R (R + n) / n) · deviation(d)

and the interval is that of Student's t with n - 1 degrees of freedom. The error is the usual one of a total
over R + n pictures, (R + n) √((1 - n / (R + n)) / n) · deviation(d), with its correction for a finite
population: it becomes zero as the rest does, and then the total is exact.

Pictures that were verified because they are doubtful are among those whose truth is known; they say nothing
of the rest. Of errors that are rare or lopsided a sample of 19 knows too little, and the interval holds less
often than nine times in ten: 84 times in a hundred where they are exponential.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from scipy.special import stdtrit

from subitize.evaluation.counting import MASS


class Total(NamedTuple):
    """How many objects there are in all pictures, and how sure that is.

    Attributes:
        counted: as the counts have it.
        corrected: as the verified pictures have it.
        standard_error: of that; None if there are too few of a random sample to know.
        low: where the 90 % interval begins; None like its error.
        high: where it ends.
        exact: whether there is no rest of which nobody knows the truth.
    """

    counted: int
    corrected: float
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    exact: bool = False


def total_of(
    counted: int,
    known: int,
    rest: Int[np.ndarray, "rest"],
    differences: Int[np.ndarray, "sample"],
) -> Total:
    """The total, corrected by a random sample.

    Args:
        counted: the sum of all counts.
        known: the sum of all truths that are known.
        rest: the counts of pictures of which nobody knows the truth.
        differences: truth - count of each picture of the random sample.
    """
    left, sample = len(rest), len(differences)
    plain = float(known + rest.sum())
    if not left:
        return Total(counted, plain, 0.0, plain, plain, exact=True)
    if not sample:
        return Total(counted, plain)
    corrected = max(plain + left * float(differences.mean()), float(known))  # the rest holds none at least
    if sample < 2:
        return Total(counted, corrected)
    error = float(np.sqrt(left * (left + sample) / sample) * differences.std(ddof=1))
    reach = error * float(stdtrit(sample - 1, (1 + MASS) / 2))
    return Total(counted, corrected, error, max(corrected - reach, float(known)), corrected + reach)

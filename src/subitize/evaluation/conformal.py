"""How wide must an interval be that holds nine times in ten, as a sample of known truths tells?

Split conformal prediction with a normalised score (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018,
"Distribution-free predictive inference for regression"). For the pictures i = 1 … n of a random sample

    score        s_i = |truth_i - centre_i| / half_i,
    factor       q = the ⌈0.9 (n + 1)⌉-th smallest score,
    corrected    the whole counts in centre ± q · half, from 0 on.

If a picture's score is as likely as those of the sample to take any rank among them, its truth is in there
with at least 90 % probability, whatever the intervals are worth; and, where no two scores are equal, with at
most 90 % + 1 / (n + 1). The n-th score is the last there is, so a sample of less than nine says nothing.

- **Half width.** The counts low … high stand for all that rounds to them, low - 1/2 … high + 1/2. So half is
  (high - low + 1) / 2: never zero, and an interval of one count can be widened.
- **A factor and no summand.** Conformalized quantile regression (Romano, Patterson and Candès 2019) adds the
  same number of counts to each interval. In a folder of pictures with five and with two hundred objects that
  is too much for one and too little for the other. A factor keeps what the model knows of which are hard.
- **One quantile and not two.** Signed scores would follow a bias, but each of their two quantiles needs 19
  pictures, and is then the largest error of all. A bias makes both sides wider here; the total of a folder is
  freed of it by other means (`subitize.evaluation.total`).
- **No rounding outward.** A truth is whole, so the whole counts in a real interval hold it as often as the
  interval does. Rounded outward they would hold up to one more on either side, which q has paid for already.
- **The count itself is always in it**, whatever the centre is; that can only make it hold more often.
"""

import itertools
import math

import numpy as np
from jaxtyping import Float, Int

from subitize.evaluation.counting import MASS

ROUNDING = 1e-9  # of products that should be whole, or halves


def rank(sample: int) -> int:
    """Which of the smallest scores of a sample is the factor, from 1 on."""
    return math.ceil(MASS * (sample + 1) - ROUNDING)


LEAST = next(n for n in itertools.count(1) if rank(n) <= n)  # pictures of a sample that says something


def scores(
    truth: Int[np.ndarray, "pictures"], low: Int[np.ndarray, "pictures"], high: Int[np.ndarray, "pictures"]
) -> Float[np.ndarray, "pictures"]:
    """How many half widths each truth is away from the centre of its interval."""
    return np.abs(2 * truth - low - high) / (high - low + 1)


def factor_of(
    truth: Int[np.ndarray, "pictures"], low: Int[np.ndarray, "pictures"], high: Int[np.ndarray, "pictures"]
) -> float | None:
    """By what to multiply half widths; None if the sample is too small to say.

    Args:
        truth: of the pictures of a random sample.
        low: the least counts of their intervals.
        high: their largest ones.
    """
    if len(truth) < LEAST:
        return None
    return float(np.sort(scores(truth, low, high))[rank(len(truth)) - 1])


def corrected(
    count: Int[np.ndarray, "pictures"],
    low: Int[np.ndarray, "pictures"],
    high: Int[np.ndarray, "pictures"],
    factor: float,
) -> tuple[Int[np.ndarray, "pictures"], Int[np.ndarray, "pictures"]]:
    """Least and largest counts of intervals whose half widths are multiplied.

    Args:
        count: of each picture, which stays in its interval.
        low: the least counts of the intervals as the model gives them.
        high: their largest ones.
        factor: on their half widths.
    """
    centre, half = (low + high) / 2, factor * (high - low + 1) / 2
    least = np.maximum(np.ceil(centre - half - ROUNDING), 0).astype(int)
    most = np.floor(centre + half + ROUNDING).astype(int)
    return np.minimum(least, count), np.maximum(most, count)


def corrected_one(count: int, interval: tuple[int, int], factor: float) -> tuple[int, int]:
    """The corrected interval of one picture."""
    counts, lows, highs = np.array([[count], interval[:1], interval[1:]])
    least, most = corrected(counts, lows, highs, factor)
    return int(least[0]), int(most[0])

"""Does it count right, and does it know when it does not?

From the true counts n_i and the posteriors q_i(0) … q_i(N) of pictures i = 1 … P:

    accuracy      share of n̂_i = n_i, n̂_i = argmax q_i; over all pictures, and for each true count,
    interval      the shortest run of counts around n̂_i that holds at least 90 % of q_i,
    calibration   Σ_bins |pictures in bin| / P · |accuracy in bin - mean q_i(n̂_i) in bin|,
    negative log posterior: mean of -log q_i(n_i), in nats.

The interval is not randomised: where a posterior is sharper than 90 %, its interval is one count and covers
as often as the count is right, so a coverage above 90 % with intervals of size 1 says "sharp", not "too
wide". Calibration uses bins of equally many pictures, in the order of q_i(n̂_i), after Naeini, Cooper and
Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning". It is never quite zero
for a finite sample.
"""

import numpy as np
from jaxtyping import Float, Int

MASS = 0.9  # of the interval
ROUNDING = 1e-6  # probabilities of single precision may sum to a little less than they should
BINS = 15
LEAST = 1e-12  # a probability below it counts as this much: 27.6 nats


def counting(truth: Int[np.ndarray, "pictures"], posterior: Float[np.ndarray, "pictures counts"]) -> dict:
    """Everything about counts that one number can say.

    Args:
        truth: how many objects each picture holds.
        posterior: q(0) … q(N) for each picture.

    Returns:
        count_accuracy, accuracy_by_count (None for a count that does not occur), confusion (rows: truth 0 …
        its largest; columns: count 0 … N), coverage_90, interval_size, calibration_error and
        negative_log_posterior.
    """
    truth, posterior = np.asarray(truth), np.asarray(posterior, np.float64)
    table = confusion(truth, posterior.argmax(1), posterior.shape[1])
    right = posterior.argmax(1) == truth
    low, high = intervals(posterior)
    inside = (low <= truth) & (truth <= high)
    return {
        "count_accuracy": float(right.mean()),
        "accuracy_by_count": accuracy_by_count(table),
        "confusion": table.tolist(),
        "coverage_90": float(inside.mean()),
        "interval_size": float((high - low + 1).mean()),
        "calibration_error": calibration_error(posterior.max(1), right),
        "negative_log_posterior": negative_log_posterior(truth, posterior),
    }


def confusion(
    truth: Int[np.ndarray, "pictures"], count: Int[np.ndarray, "pictures"], columns: int
) -> Int[np.ndarray, "truths counts"]:
    """How often each count (column) was given for each truth (row)."""
    table = np.zeros((int(truth.max()) + 1, columns), int)
    np.add.at(table, (truth, count), 1)
    return table


def accuracy_by_count(table: Int[np.ndarray, "truths counts"]) -> dict[str, float | None]:
    """Share of right counts for each true count: the number that unmasks a run which sees two as one."""
    found = {}
    for n, row in enumerate(table):
        right = row[n] if n < len(row) else 0
        found[str(n)] = float(right / row.sum()) if row.sum() else None
    return found


def intervals(
    posterior: Float[np.ndarray, "pictures counts"], mass: float = MASS
) -> tuple[Int[np.ndarray, "pictures"], Int[np.ndarray, "pictures"]]:
    """Lowest and highest count of the shortest run around the mode with at least this mass.

    Among runs of equal length the one with more mass wins, then the one of lower counts.
    """
    posterior = np.asarray(posterior, np.float64)
    pictures, counts = posterior.shape
    mode = posterior.argmax(1)
    below = np.concatenate([np.zeros((pictures, 1)), posterior.cumsum(1)], 1)
    low, high = np.zeros(pictures, int), np.full(pictures, counts - 1)
    open_ = np.ones(pictures, bool)
    for size in range(1, counts):
        start = np.arange(counts - size + 1)
        held = below[:, start + size] - below[:, start]
        around = (start <= mode[:, None]) & (mode[:, None] < start + size)
        held = np.where(around, held, -1.0)
        best = held.argmax(1)
        done = open_ & (held.max(1) >= mass - ROUNDING)
        low[done], high[done] = best[done], best[done] + size - 1
        open_ &= ~done
        if not open_.any():
            break
    return low, high


def calibration_error(
    confidence: Float[np.ndarray, "pictures"], right: np.ndarray, bins: int = BINS
) -> float:
    """Mean distance of confidence from accuracy, over bins of equally many pictures."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(right[part].mean() - confidence[part].mean()) for part in parts]
    return float(sum(gaps) / len(order))


def negative_log_posterior(
    truth: Int[np.ndarray, "pictures"], posterior: Float[np.ndarray, "pictures counts"]
) -> float:
    """Mean of -log q(truth); a truth beyond N was given no probability at all."""
    within = truth < posterior.shape[1]
    given = posterior[np.arange(len(truth)), np.where(within, truth, 0)]
    return float(-np.log(np.maximum(np.where(within, given, 0.0), LEAST)).mean())

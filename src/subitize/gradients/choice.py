"""Choice: let the measurement decide which estimator each site gets.

What is valid at a site is profiled (see `measure`), and the least work wins. A biased estimator is never
taken unasked, nor one whose mean turns out to be off, such as a relaxation of a cost that jumps, or one that
is not finite. Measured again later, what is in use stays unless another is clearly better: variances change
along training, and so may the choice.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
from jaxtyping import PRNGKeyArray, PyTree

from subitize.core.interfaces import Program
from subitize.gradients.estimators.base import SiteError
from subitize.gradients.expectation import discover
from subitize.gradients.measure import EstimatorProfile, Profiler
from subitize.gradients.policy import estimator_of
from subitize.gradients.registry import ESTIMATORS

OFF = 6.0  # z of an estimator's mean, from which it is not what it promises: noise alone does not reach it


class Choice(NamedTuple):
    """What was chosen, and from what.

    Attributes:
        policy: a spec for each site; give it to `expectation`.
        rows: the measurements, as from `profile`.
        reasons: a sentence for each site.
    """

    policy: dict[str, str]
    rows: list[EstimatorProfile]
    reasons: dict[str, str]


def choose(
    cost: Program,
    model: PyTree,
    batch: PyTree,
    key: PRNGKeyArray,
    *,
    candidates: Iterable[str] | None = None,
    objective: str = "mean",
    current: Mapping[str, str] | None = None,
    hysteresis: float = 0.2,
    allow_biased: bool = False,
    draws: int = 64,
    burn_in: int = 200,
) -> Choice:
    """Choose an estimator for every site: of those that are valid, the one with the least work.

    Args:
        cost: `cost(model, example, draw)`, as for `expectation`.
        model: where to measure.
        batch: examples along the first axis.
        key: all randomness; consumed.
        candidates: specs to choose from; all, if None.
        objective: as for `expectation`.
        current: what is in use; it stays unless another does better by more than `hysteresis`.
        hysteresis: share of the current work.
        allow_biased: whether biased estimators may be chosen; never by themselves.
        draws: of the gradient, per candidate.
        burn_in: steps in which an estimator's state learns first.

    Raises:
        SiteError: nothing that was allowed serves a site.
    """
    chooser = Chooser(
        cost,
        hysteresis=hysteresis,
        allow_biased=allow_biased,
        candidates=candidates,
        objective=objective,
        draws=draws,
        burn_in=burn_in,
    )
    return chooser.best(model, batch, key, current or {})


class Chooser:
    """Chooses at the start of a training and again along the way, every time it is twice as far.

    Early in training variances change fast, and so may the choice; later, less and less. The first choice
    compiles every candidate, the next ones nothing. A new policy is another loss: compile it anew, and give
    its estimators fresh state by `loss.init`.

    Args:
        cost: the program.
        refresh: steps after which to choose for the second time.
        hysteresis, allow_biased, candidates, objective, draws, burn_in: as for `choose`.

    Attributes:
        policy: in use, empty before the first choice.
        history: (step, reasons) of every choice.
    """

    def __init__(
        self,
        cost: Program,
        refresh: int = 1000,
        *,
        hysteresis: float = 0.2,
        allow_biased: bool = False,
        candidates: Iterable[str] | None = None,
        objective: str = "mean",
        draws: int = 64,
        burn_in: int = 200,
    ):
        self.cost, self.refresh, self.hysteresis = cost, refresh, hysteresis
        specs = ESTIMATORS if candidates is None else candidates
        self.specs = [w for w in specs if allow_biased or estimator_of(w, ESTIMATORS).unbiased]
        self.profiler = Profiler(
            cost, candidates=self.specs, objective=objective, draws=draws, burn_in=burn_in
        )
        self.policy: dict[str, str] = {}
        self.history: list[tuple[int, dict[str, str]]] = []

    def due(self, step: int) -> bool:
        """Whether it is time to choose."""
        return not self.history or step >= max(self.refresh, 2 * self.history[-1][0])

    def choose(self, step: int, model: PyTree, batch: PyTree, key: PRNGKeyArray) -> bool:
        """Measure, and adopt what is clearly better; returns whether the policy changed."""
        found = self.best(model, batch, key, self.policy)
        self.history.append((step, found.reasons))
        changed, self.policy = found.policy != self.policy, found.policy
        return changed

    def best(self, model: PyTree, batch: PyTree, key: PRNGKeyArray, current: Mapping[str, str]) -> Choice:
        """Measure, and take the least work at each site; what is in use there stays unless clearly beaten.

        Raises:
            SiteError: nothing that was allowed serves a site, and nothing is in use there.
        """
        rows, policy, reasons = self.profiler(model, batch, key), {}, {}
        for site in discover(self.cost, model, jax.tree.map(lambda x: x[0], batch)).sites:
            own = [row for row in rows if row.site == site]
            policy[site], reasons[site] = self._best_at(site, own, current.get(site))
        return Choice(policy, rows, reasons)

    def _best_at(self, site: str, rows: list[EstimatorProfile], current: str | None) -> tuple[str, str]:
        """The spec for one site, and why."""
        ranked = sorted((row for row in rows if sound(row)), key=lambda row: row.work)
        if not ranked and current is not None:
            return current, f"site '{site}': {current} stays, nothing that was measured is finite"
        if not ranked:
            raise SiteError(f"None of {', '.join(self.specs)} serves site '{site}', unbiased and finite.")
        best = ranked[0]
        kept = next((row for row in ranked if row.estimator == current), None)
        if kept is not None and best.work >= (1 - self.hysteresis) * kept.work:
            best = kept
        return best.estimator, reason(best, ranked, [row.estimator for row in rows if not sound(row)])


def sound(row: EstimatorProfile) -> bool:
    """Whether what was measured is finite, and agrees with what the estimator promises.

    Only a promise with a condition, that the cost be smooth where it is relaxed, is put to the test. The
    others are theorems; and where a coin hardly ever falls on its other side, a few draws show no spread to
    judge by.
    """
    numbers = (row.bias, row.variance, row.work)
    doubtful = row.unbiased and estimator_of(row.estimator, ESTIMATORS).smooth
    return all(map(math.isfinite, numbers)) and not (doubtful and row.bias >= OFF)


def reason(best: EstimatorProfile, ranked: list[EstimatorProfile], unsound: list[str]) -> str:
    """Why a site got its estimator, what came next, and what was ruled out."""
    text = f"site '{best.site}': {best.estimator}, work {best.work:.3g}"
    others = [row for row in ranked if row is not best]
    if others:
        text += f"; runner-up {others[0].estimator} with {others[0].work:.3g}"
    if unsound:
        text += f"; ruled out as biased or not finite here: {', '.join(unsound)}"
    return text + f"; {len(ranked) + len(unsound)} tried"

"""Profile: which estimator is best here? Bias, variance and time of each, at each site, measured.

One site at a time: all others are drawn but not differentiated, so that what is measured is this site's, and
that of sites in loops, which are pathwise whatever is chosen. The gradient of the loss over a batch is drawn
again and again at the same model:

    variance    trace of the gradient's covariance over its noise, in squared units of the gradient,
    data        the same over which examples are in the batch, were there no noise: drawn with replacement,
    snr         |E g| / √variance,
    bias        largest |z| of E g - E g_reference over a few random projections; noise alone gives about 3,
    work        (variance + data) × time: averaging n gradients of fresh batches divides the first by n and
                multiplies the second by it, so less work is a better gradient for the same time.

Without the data's share a slow method without noise would always win. An estimator with a state first learns
at the fixed model for a while, from the very batch it is then measured on: a large network may know it better
than it would know others.

What a site does through the distributions of later sites is followed by those that score it, and not by those
that differentiate its draw (`pathwise`, `st` and their kin), since later sites are not differentiated. So
where later sites depend on it, rows of these two kinds are of two gradients, and their biases no faults.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.interfaces import Program
from subitize.core.specs import from_spec
from subitize.gradients.estimators.base import AbstractDirect, caption
from subitize.gradients.expectation import discover
from subitize.gradients.objectives import AbstractObjective
from subitize.gradients.policy import estimator_of, misfit
from subitize.gradients.registry import ESTIMATORS, OBJECTIVES, expectation
from subitize.gradients.statistics import GradientStatistics, Moments

PROJECTIONS = 8
FEW_VALUES = 64  # of a site, up to which the reference sums over them all
REFERENCE = 4  # times as many draws for it
CHUNKS = 4  # in which an estimator is judged; the median of their times counts
ROUNDING = 100.0  # relative errors of rounding that a sum over the parameters may make


class EstimatorProfile(NamedTuple):
    """One estimator at one site.

    Attributes:
        site, estimator: names.
        unbiased: what the estimator promises.
        bias: largest |z| of its mean against the reference, over random projections.
        variance: trace of the covariance of the gradient over its noise.
        data: the same over the choice of the batch's examples, as the reference sees it.
        snr: norm of the reference's mean over the root of the variance.
        evaluations: runs of the program per example.
        microseconds: of one gradient over the batch.
    """

    site: str
    estimator: str
    unbiased: bool
    bias: float
    variance: float
    data: float
    snr: float
    evaluations: int
    microseconds: float

    @property
    def caption(self) -> str:
        """The estimator, for people."""
        return caption(self.estimator, unbiased=self.unbiased)

    @property
    def work(self) -> float:
        """(variance + data) × seconds."""
        return (self.variance + self.data) * self.microseconds * 1e-6


class Frozen(AbstractDirect):
    """A draw that is not differentiated: what the sites that are not judged get."""

    name: ClassVar[str] = "frozen"
    unbiased: ClassVar[bool] = False
    reference: ClassVar[str] = ""

    def draw(self, dist: AbstractDistribution, noise: Array) -> Array:
        """The draw, cut off from φ."""
        return jax.lax.stop_gradient(dist.from_noise(noise[0]))


def profile(
    cost: Program,
    model: PyTree,
    batch: PyTree,
    key: PRNGKeyArray,
    *,
    candidates: Iterable[str] | None = None,
    objective: str | AbstractObjective = "mean",
    draws: int = 256,
    burn_in: int = 200,
) -> list[EstimatorProfile]:
    """Measure every candidate at every site of a program that it can serve.

    Args:
        cost: `cost(model, example, draw)`, as for `expectation`.
        model: where to measure.
        batch: examples along the first axis.
        key: all randomness; consumed.
        candidates: specs; all there are, if None.
        objective: as for `expectation`.
        draws: of the gradient, per candidate; the reference, which sums over all values of a small site, is
            pathwise where that is possible, and else leave-one-out, gets four times as many.
        burn_in: steps in which an estimator's state learns first.

    Returns:
        A row for each site and candidate that serves it, in the order of `candidates`.

    Raises:
        UsageError: a spec that does not exist.
    """
    return Profiler(cost, candidates=candidates, objective=objective, draws=draws, burn_in=burn_in)(
        model, batch, key
    )


class Profiler:
    """A profile that can be taken again, of another model of the same shapes, and compiles only once.

    Args: as for `profile`.
    """

    def __init__(
        self,
        cost: Program,
        *,
        candidates: Iterable[str] | None = None,
        objective: str | AbstractObjective = "mean",
        draws: int = 256,
        burn_in: int = 200,
    ):
        self.cost, self.draws, self.burn_in = cost, draws, burn_in
        self.specs = list(ESTIMATORS if candidates is None else candidates)
        spelt = isinstance(objective, str)
        self.objective = from_spec(objective, OBJECTIVES, "objective") if spelt else objective
        self.measured: dict[tuple[str, str], GradientStatistics] = {}

    def __call__(self, model: PyTree, batch: PyTree, key: PRNGKeyArray) -> list[EstimatorProfile]:
        """As `profile`."""
        init_key, direction_key, key = jr.split(key, 3)
        size = ravel_pytree(model)[0].size
        directions = jr.normal(direction_key, (PROJECTIONS, size)) / size**0.5
        sites = discover(self.cost, model, jax.tree.map(lambda x: x[0], batch)).sites

        def setup(site: str, spec: str) -> GradientStatistics:
            return self.statistics(sites, site, spec).setup(model, batch, directions, init_key)

        return [
            row
            for site, dist in sites.items()
            for row in self.site_rows(site, setup, self.serving(dist), reference_for(dist), key)
        ]

    def site_rows(
        self, site: str, setup: Callable, specs: list[str], reference: str, key: PRNGKeyArray
    ) -> Iterator[EstimatorProfile]:
        """Judge estimators at one site, by the reference.

        Args:
            site: its name.
            setup: (site, spec) -> gradient statistics set up for the model and the batch.
            specs: of estimators that can serve it.
            reference: spec of the estimator that shows the truth.
            key: of all draws.
        """
        if not specs:
            return
        learn_key, judge_key, truth_key, data_key = jr.split(key, 4)
        statistics = setup(site, reference)
        rough = statistics.measure(truth_key, statistics.chunk, statistics.nowhere).mean
        truth = statistics.measure(truth_key, REFERENCE * self.draws, rough)
        resampled = statistics.measure(data_key, self.draws, rough, resample=True)
        for spec in specs:
            statistics = setup(site, spec)
            statistics.warm_up(learn_key, self.burn_in)
            found = statistics.measure(judge_key, self.draws, rough)
            yield EstimatorProfile(
                site,
                spec,
                unbiased=estimator_of(spec, ESTIMATORS).unbiased,
                bias=largest_z(found, truth),
                variance=float(found.variance),
                data=max(float(resampled.variance - truth.variance), 0.0),
                snr=float(jnp.linalg.norm(truth.mean) / jnp.sqrt(jnp.maximum(found.variance, 1e-30))),
                evaluations=statistics.evaluations(),
                microseconds=1e6 * statistics.seconds,
            )

    def evaluations(self) -> int:
        """Runs of the program per example so far."""
        return sum(statistics.drawn * statistics.evaluations() for statistics in self.measured.values())

    def serving(self, dist: AbstractDistribution) -> list[str]:
        """The candidates that can serve a site."""
        fits = lambda spec: misfit(estimator_of(spec, ESTIMATORS), dist, self.objective.k) is None  # noqa: E731
        return [spec for spec in self.specs if fits(spec)]

    def statistics(self, sites: Iterable[str], site: str, spec: str) -> "GradientStatistics":
        """What measures an estimator at a site, all others being drawn but not differentiated."""
        if (site, spec) not in self.measured:
            policy = {name: Frozen() for name in sites} | {site: spec}
            loss = expectation(self.cost, policy, self.objective)
            self.measured[site, spec] = GradientStatistics(loss, max(self.draws // CHUNKS, 2))
        return self.measured[site, spec]


def reference_for(dist: AbstractDistribution) -> str:
    """The estimator that others are compared with at a site."""
    if dist.reparameterised:
        return "pathwise"
    return "exact" if isinstance(dist, AbstractFinite) and dist.support_size <= FEW_VALUES else "rloo(k=4)"


def largest_z(found: Moments, truth: Moments) -> float:
    """Largest |z| of the difference of two means, over the projections; rounding is not taken for bias."""
    spread = found.projected.var(0) / len(found.projected) + truth.projected.var(0) / len(truth.projected)
    rounding = ROUNDING * jnp.finfo(spread.dtype).eps * jnp.linalg.norm(truth.mean)
    z = (found.projected.mean(0) - truth.projected.mean(0)) / jnp.sqrt(spread + rounding**2 + 1e-30)
    return float(jnp.abs(z).max())


def table(rows: list[EstimatorProfile]) -> str:
    """The rows as lines for people, the least work first at each site."""
    head = f"{'site':<10}{'estimator':<22}{'bias z':>8}{'variance':>12}{'data':>12}{'snr':>9}{'runs':>6}"
    lines = [head + f"{'us':>10}{'work':>12}"]
    for site in dict.fromkeys(row.site for row in rows):
        for row in sorted((row for row in rows if row.site == site), key=lambda row: row.work):
            lines.append(
                f"{row.site:<10}{row.caption:<22}{row.bias:>8.1f}{row.variance:>12.3g}{row.data:>12.3g}{row.snr:>9.3g}"
                f"{row.evaluations:>6}{row.microseconds:>10.0f}{row.work:>12.3g}"
            )
    return "\n".join(lines)

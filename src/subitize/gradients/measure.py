"""Profile: which estimator is best here? Bias, variance and time of each, at each site, measured.

One site at a time: all others are drawn but not differentiated, so that what is measured is this site's. The
gradient of the loss over a batch is drawn again and again at the same model:

    variance    trace of the gradient's covariance over its noise, in squared units of the gradient,
    data        the same over which examples are in the batch, were there no noise: drawn with replacement,
    snr         |E g| / √variance,
    bias        largest |z| of E g - E g_reference over a few random projections; noise alone gives about 3,
    work        (variance + data) × time: averaging n gradients of fresh batches divides the first by n and
                multiplies the second by it, so less work is a better gradient for the same time.

Without the data's share a slow method without noise would always win. An estimator with memory first learns
at the fixed model for a while.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.words import spoken
from subitize.gradients.estimator import AbstractDirect
from subitize.gradients.expectation import Expectation, discover
from subitize.gradients.objectives import AbstractObjective
from subitize.gradients.policy import estimator_of, misfit
from subitize.gradients.vocabulary import ESTIMATORS, OBJECTIVES, expectation, memory_optimizer

PROJECTIONS = 8
FEW_VALUES = 64  # of a site, up to which the reference sums over them all
REFERENCE = 4  # times as many draws for it
MEMORY_RATE = 3e-3  # at which estimators learn before they are judged
TIMED = 10  # calls, of which the median counts
ROUNDING = 100.0  # relative errors of rounding that a sum over the parameters may make


class Row(NamedTuple):
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
    def work(self) -> float:
        """(variance + data) × seconds."""
        return (self.variance + self.data) * self.microseconds * 1e-6


class Frozen(AbstractDirect):
    """A draw that is not differentiated: what the sites that are not judged get."""

    word: ClassVar[str] = "frozen"
    unbiased: ClassVar[bool] = False
    reference: ClassVar[str] = ""

    def draw(self, dist: AbstractDistribution, noise: Array) -> Array:
        """The draw, cut off from φ."""
        return jax.lax.stop_gradient(dist.transport(noise[0]))


class Moments(NamedTuple):
    """Of a gradient over many draws."""

    mean: Float[Array, " parameters"]
    variance: Float[Array, ""]  # trace of the covariance
    projected: Float[Array, "draws projections"]


def profile(
    cost: Callable,
    model: PyTree,
    batch: PyTree,
    key: PRNGKeyArray,
    *,
    candidates: Iterable[str] | None = None,
    objective: str | AbstractObjective = "mean",
    draws: int = 256,
    burn_in: int = 200,
) -> list[Row]:
    """Measure every candidate at every site of a program that it can serve.

    Args:
        cost: `cost(model, example, draw)`, as for `expectation`.
        model: where to measure.
        batch: examples along the first axis.
        key: all randomness; consumed.
        candidates: words; all there are, if None.
        objective: as for `expectation`.
        draws: of the gradient, per candidate; the reference, which sums over all values of a small site, is
            pathwise where that is possible, and else leave-one-out, gets four times as many.
        burn_in: steps in which an estimator's memory learns first.

    Returns:
        A row for each site and candidate that serves it, in the order of `candidates`.

    Raises:
        UsageError: a word that does not exist.
    """
    first = jax.tree.map(lambda x: x[0], batch)
    sites = discover(cost, model, first).sites
    words = list(ESTIMATORS if candidates is None else candidates)
    combine = spoken(objective, OBJECTIVES, "objective") if isinstance(objective, str) else objective
    judge_key, truth_key, data_key, direction_key = jr.split(key, 4)
    size = ravel_pytree(model)[0].size
    directions = jr.normal(direction_key, (PROJECTIONS, size)) / size**0.5
    rows = []
    for site, dist in sites.items():
        frozen = {name: Frozen() for name in sites if name != site}
        serving = [w for w in words if misfit(estimator_of(w, ESTIMATORS), dist, combine.k) is None]
        if not serving:
            continue
        loss = expectation(cost, frozen | {site: reference_for(dist)}, combine)
        few, many = max(draws // 4, 2), REFERENCE * draws
        meter = Meter(model, batch, directions, burn_in)
        rough = meter(loss, truth_key, few, jnp.zeros(size))[0].mean
        truth = meter(loss, truth_key, many, rough)[0]
        resampled = meter(loss, data_key, draws, rough, resample=True)[0]
        data = max(float(resampled.variance - truth.variance), 0.0)
        for word in serving:
            loss = expectation(cost, frozen | {site: word}, combine)
            found, memory = meter(loss, judge_key, draws, rough)
            rows.append(
                Row(
                    site,
                    word,
                    estimator_of(word, ESTIMATORS).unbiased,
                    largest_z(found, truth),
                    float(found.variance),
                    data,
                    float(jnp.linalg.norm(truth.mean) / jnp.sqrt(jnp.maximum(found.variance, 1e-30))),
                    loss.evaluations(model, memory, first),
                    1e6 * seconds_per_gradient(loss, model, memory, batch, judge_key),
                )
            )
    return rows


def reference_for(dist: AbstractDistribution) -> str:
    """The estimator that others are compared with at a site."""
    if dist.reparameterised:
        return "pathwise"
    return "exact" if isinstance(dist, AbstractFinite) and dist.support_size <= FEW_VALUES else "rloo(k=4)"


class Meter(NamedTuple):
    """Measures gradients of losses at one model, on one batch."""

    model: PyTree
    batch: PyTree
    directions: Float[Array, "projections parameters"]
    burn_in: int

    def __call__(
        self, loss: Expectation, key: PRNGKeyArray, draws: int, centre: Array, *, resample: bool = False
    ) -> tuple[Moments, dict[str, Any]]:
        """Moments of the gradient about a centre near its mean, and the memory that was learned before.

        Args:
            loss: whose gradient in the model is measured.
            key: of the memory's start, its lessons, and the draws.
            draws: of the gradient.
            centre: subtracted first, so that a small variance is no difference of large numbers.
            resample: draw the batch's examples anew each time, with replacement.
        """
        init_key, learn_key, draw_key = jr.split(key, 3)
        size = jax.tree.leaves(self.batch)[0].shape[0]
        memory = self.learned(loss, init_key, learn_key)

        def accumulate(carry, key):
            batch = self.batch
            if resample:
                picks = jr.randint(jr.fold_in(key, 1), (size,), 0, size)
                batch = jax.tree.map(lambda x: x[picks], batch)
            gradient = jax.grad(lambda model: loss(model, memory, batch, key)[0])(self.model)
            away = ravel_pytree(gradient)[0] - centre
            return (carry[0] + away, carry[1] + away @ away), self.directions @ away

        start = (jnp.zeros_like(centre), jnp.zeros(()))
        run = jax.jit(lambda start: jax.lax.scan(accumulate, start, jr.split(draw_key, draws)))
        (total, square), projected = run(start)
        away = total / draws
        variance = jnp.maximum(square - draws * away @ away, 0.0) / (draws - 1)
        return Moments(centre + away, variance, projected), memory

    def learned(self, loss: Expectation, init_key: PRNGKeyArray, learn_key: PRNGKeyArray) -> dict[str, Any]:
        """The memory of a loss's estimators, after its lessons."""
        memory = loss.init(self.model, jax.tree.map(lambda x: x[0], self.batch), init_key)
        tutor = memory_optimizer(MEMORY_RATE)
        if not jax.tree.leaves(memory):
            return memory

        def learn(carry, key):
            memory, state = carry
            lesson = jax.grad(lambda memory: loss(self.model, memory, self.batch, key)[0])(memory)
            change, state = tutor.update(lesson, state, memory)
            return (jax.tree.map(jnp.add, memory, change), state), None

        keys = jr.split(learn_key, self.burn_in)
        return jax.jit(lambda carry: jax.lax.scan(learn, carry, keys)[0])((memory, tutor.init(memory)))[0]


def largest_z(found: Moments, truth: Moments) -> float:
    """Largest |z| of the difference of two means, over the projections; rounding is not taken for bias."""
    spread = found.projected.var(0) / len(found.projected) + truth.projected.var(0) / len(truth.projected)
    rounding = ROUNDING * jnp.finfo(spread.dtype).eps * jnp.linalg.norm(truth.mean)
    z = (found.projected.mean(0) - truth.projected.mean(0)) / jnp.sqrt(spread + rounding**2 + 1e-30)
    return float(jnp.abs(z).max())


def seconds_per_gradient(
    loss: Expectation, model: PyTree, memory: dict[str, Any], batch: PyTree, key: PRNGKeyArray
) -> float:
    """Median time of a compiled gradient, in model and memory, as in training."""
    run = jax.jit(jax.grad(lambda model, memory: loss(model, memory, batch, key)[0], argnums=(0, 1)))
    jax.block_until_ready(run(model, memory))
    times = []
    for _ in range(TIMED):
        began = time.perf_counter()
        jax.block_until_ready(run(model, memory))
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def table(rows: list[Row]) -> str:
    """The rows as lines for people, the least work first at each site."""
    head = f"{'site':<10}{'estimator':<22}{'bias z':>8}{'variance':>12}{'data':>12}{'snr':>9}{'runs':>6}"
    lines = [head + f"{'us':>10}{'work':>12}"]
    for site in dict.fromkeys(row.site for row in rows):
        for row in sorted((row for row in rows if row.site == site), key=lambda row: row.work):
            name = row.estimator if row.unbiased else f"{row.estimator} (biased)"
            lines.append(
                f"{row.site:<10}{name:<22}{row.bias:>8.1f}{row.variance:>12.3g}{row.data:>12.3g}{row.snr:>9.3g}"
                f"{row.evaluations:>6}{row.microseconds:>10.0f}{row.work:>12.3g}"
            )
    return "\n".join(lines)

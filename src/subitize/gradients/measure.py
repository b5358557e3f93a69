"""Profile: which estimator is best here? Bias, variance and time of each, at each site, measured.

One site at a time is estimated by each candidate, while all others keep a reference estimator, and the
gradient of the whole loss over a batch is drawn again and again at the same model:

    variance    trace of the gradient's covariance, with respect to the model,
    snr         |E g| / √variance,
    bias        largest |z| of E g - E g_reference over a few random projections; noise alone gives about 3,
    work        variance × time: the variance that a given time buys, since averaging n draws divides it by n.

An estimator with memory first learns at the fixed model for a while.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.gradients.estimator import AbstractEstimator
from subitize.gradients.expectation import Expectation, discover
from subitize.gradients.policy import estimator_of
from subitize.gradients.vocabulary import ESTIMATORS, expectation, memory_optimizer

PROJECTIONS = 8
FEW_VALUES = 64  # of a site, up to which the reference sums over them all
MEMORY_RATE = 3e-3  # at which estimators learn before they are judged
TIMED = 10  # calls, of which the median counts


class Row(NamedTuple):
    """One estimator at one site.

    Attributes:
        site, estimator: names.
        unbiased: what the estimator promises.
        bias: largest |z| of its mean against the reference, over random projections.
        variance: trace of the covariance of the gradient, in squared units of the gradient.
        snr: norm of the reference's mean over the root of the variance.
        evaluations: runs of the program per example.
        microseconds: of one gradient over the batch.
    """

    site: str
    estimator: str
    unbiased: bool
    bias: float
    variance: float
    snr: float
    evaluations: int
    microseconds: float

    @property
    def work(self) -> float:
        """Variance × seconds."""
        return self.variance * self.microseconds * 1e-6


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
    objective: str = "mean",
    draws: int = 256,
    burn_in: int = 200,
    reference: Mapping[str, str] | None = None,
) -> list[Row]:
    """Measure every candidate at every site of a program that it can serve.

    Args:
        cost: `cost(model, example, draw)`, as for `expectation`.
        model: where to measure.
        batch: examples along the first axis.
        key: all randomness; consumed.
        candidates: words; all there are, if None.
        objective: as for `expectation`.
        draws: of the gradient, per candidate; the reference gets four times as many.
        burn_in: steps in which an estimator's memory learns first.
        reference: estimators of the other sites, by site; by default exact where a site has few values,
            pathwise where it is differentiable, else leave-one-out.

    Returns:
        A row for each site and candidate that serves it, in the order of `candidates`.
    """
    first = jax.tree.map(lambda x: x[0], batch)
    sites = discover(cost, model, first).sites
    others = {name: reference_for(dist) for name, dist in sites.items()} | dict(reference or {})
    words = list(ESTIMATORS if candidates is None else candidates)
    judge_key, truth_key, direction_key = jr.split(key, 3)
    size = ravel_pytree(model)[0].size
    directions = jr.normal(direction_key, (PROJECTIONS, size)) / size**0.5
    truth_loss = expectation(cost, others, objective)
    start = jnp.zeros(size)
    rough = moments(truth_loss, model, batch, truth_key, max(draws // 4, 2), directions, burn_in, start)[
        0
    ].mean
    truth = moments(truth_loss, model, batch, truth_key, 4 * draws, directions, burn_in, rough)[0]
    rows = []
    for site, dist in sites.items():
        for word in words:
            if not serves(word, dist, objective):
                continue
            loss = expectation(cost, others | {site: word}, objective)
            found, memory = moments(loss, model, batch, judge_key, draws, directions, burn_in, truth.mean)
            rows.append(
                Row(
                    site,
                    word,
                    estimator_of(word, ESTIMATORS).unbiased,
                    largest_z(found.projected, truth.projected),
                    float(found.variance),
                    float(jnp.linalg.norm(truth.mean) / jnp.sqrt(jnp.maximum(found.variance, 1e-30))),
                    loss.evaluations(model, memory, first),
                    1e6 * seconds_per_gradient(loss, model, memory, batch, judge_key),
                )
            )
    return rows


def reference_for(dist: AbstractDistribution) -> str:
    """The estimator of a site while another one is judged."""
    if dist.reparameterised:
        return "pathwise"
    return "exact" if isinstance(dist, AbstractFinite) and dist.support_size <= FEW_VALUES else "rloo(k=4)"


def serves(word: str | AbstractEstimator, dist: AbstractDistribution, objective: str) -> bool:
    """Whether an estimator can serve a site under an objective."""
    estimator = estimator_of(word, ESTIMATORS)
    return estimator.why_not(dist) is None and not (estimator.needs_particles and "(k=" not in objective)


def moments(
    loss: Expectation,
    model: PyTree,
    batch: PyTree,
    key: PRNGKeyArray,
    draws: int,
    directions: Float[Array, "projections parameters"],
    burn_in: int,
    centre: Float[Array, " parameters"],
) -> tuple[Moments, dict[str, Any]]:
    """Moments of a loss's gradient at a fixed model, and the memory that it has learned before."""
    first = jax.tree.map(lambda x: x[0], batch)
    init_key, learn_key, draw_key = jr.split(key, 3)
    memory = loss.init(model, first, init_key)
    tutor = memory_optimizer(MEMORY_RATE)

    def learn(carry, k):
        memory, state = carry
        lesson = jax.grad(lambda memory: loss(model, memory, batch, k)[0])(memory)
        change, state = tutor.update(lesson, state, memory)
        return (jax.tree.map(jnp.add, memory, change), state), None

    def accumulate(carry, k):
        gradient = ravel_pytree(jax.grad(lambda model: loss(model, memory, batch, k)[0])(model))[0]
        away = gradient - centre  # so that a small variance is no difference of large numbers
        total, square = carry
        return (total + away, square + away @ away), directions @ gradient

    if jax.tree.leaves(memory):
        learning = jax.jit(lambda carry: jax.lax.scan(learn, carry, jr.split(learn_key, burn_in))[0])
        memory, _ = learning((memory, tutor.init(memory)))
    start = (jnp.zeros(directions.shape[1]), jnp.zeros(()))
    run = jax.jit(lambda carry: jax.lax.scan(accumulate, carry, jr.split(draw_key, draws)))
    (total, square), projected = run(start)
    away = total / draws
    variance = jnp.maximum(square - draws * away @ away, 0.0) / (draws - 1)
    return Moments(centre + away, variance, projected), memory


def largest_z(found: Float[Array, "draws projections"], truth: Float[Array, "more projections"]) -> float:
    """Largest |z| of the difference of two means, over the projections."""
    spread = found.var(0) / len(found) + truth.var(0) / len(truth)
    z = (found.mean(0) - truth.mean(0)) / jnp.sqrt(jnp.maximum(spread, 1e-24))
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
    head = f"{'site':<10}{'estimator':<22}{'bias z':>8}{'variance':>12}{'snr':>9}{'runs':>6}"
    lines = [head + f"{'us':>10}{'var x s':>12}"]
    for site in dict.fromkeys(row.site for row in rows):
        for row in sorted((row for row in rows if row.site == site), key=lambda row: row.work):
            name = row.estimator if row.unbiased else f"{row.estimator} (biased)"
            lines.append(
                f"{row.site:<10}{name:<22}{row.bias:>8.1f}{row.variance:>12.3g}{row.snr:>9.3g}"
                f"{row.evaluations:>6}{row.microseconds:>10.0f}{row.work:>12.3g}"
            )
    return "\n".join(lines)

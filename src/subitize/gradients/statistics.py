"""Gradient statistics: mean, variance and time of the gradient of one loss, at one model.

The gradient is drawn in chunks by one compiled function, which can also let the estimators' state learn, and
draw the examples anew: all of it is compiled once, for whatever model is measured next.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.gradients.expectation import Expectation
from subitize.gradients.registry import estimator_optimizer

ESTIMATOR_RATE = 3e-3  # at which estimators learn before they are judged


class Moments(NamedTuple):
    """Of a gradient over many draws."""

    mean: Float[Array, " parameters"]
    variance: Float[Array, ""]  # trace of the covariance
    projected: Float[Array, "draws projections"]


class Drawing(NamedTuple):
    """What changes while gradients are drawn."""

    estimator_state: dict[str, PyTree]
    optimizer: PyTree  # state of the estimators' optimizer
    total: Float[Array, " parameters"]  # of gradients, less a centre
    square: Float[Array, ""]  # of their norms


class GradientStatistics:
    """The moments of the gradient of one loss, drawn in compiled chunks.

    Args:
        loss: whose gradient is measured.
        chunk: draws per call.

    Attributes:
        estimator_state: of the loss's estimators, as far as it has learned.
    """

    def __init__(self, loss: Expectation, chunk: int):
        self.loss, self.chunk = loss, chunk
        self.optimizer = estimator_optimizer(ESTIMATOR_RATE)
        self.draws: Callable | None = None
        self.drawn = 0  # gradients

    def setup(
        self,
        model: PyTree,
        batch: PyTree,
        directions: Float[Array, "projections parameters"],
        key: PRNGKeyArray,
    ) -> "GradientStatistics":
        """Turn to a model and a batch, with fresh state; compile for their shapes if that was never done.

        Args:
            model: where to measure.
            batch: examples along the first axis.
            directions: on which every gradient is projected.
            key: of the state's start.
        """
        self.given = model, batch, directions
        self.estimator_state = self.loss.init(model, jax.tree.map(lambda x: x[0], batch), key)
        self.optimizer_state = self.optimizer.init(self.estimator_state)
        self.nowhere = jnp.zeros(directions.shape[1])
        self.times: list[float] = []  # seconds of a gradient in each call
        if self.draws is None:
            draws = jax.jit(lambda *given: jax.lax.scan(*one_draw(self.loss, self.optimizer, *given)))
            first = self._start(), jr.split(key, self.chunk), self.nowhere, True, True
            self.draws = draws.lower(*self.given, *first).compile()
        return self

    @property
    def seconds(self) -> float:
        """Median time of a gradient, in model and estimators, as in training."""
        return float(np.median(self.times))

    def evaluations(self) -> int:
        """Runs of the program per example."""
        model, batch, _ = self.given
        return self.loss.evaluations(model, self.estimator_state, jax.tree.map(lambda x: x[0], batch))

    def warm_up(self, key: PRNGKeyArray, draws: int) -> None:
        """Let the state learn from so many draws, if there is any."""
        if jax.tree.leaves(self.estimator_state):
            learned = self._draw(key, draws, self.nowhere, learning=True)[0]
            self.estimator_state, self.optimizer_state = learned.estimator_state, learned.optimizer

    def measure(self, key: PRNGKeyArray, draws: int, centre: Array, *, resample: bool = False) -> Moments:
        """Moments of the gradient.

        Args:
            key: of the draws.
            draws: how many, rounded up to whole chunks.
            centre: near the mean; subtracted first, so that a small variance is no difference of large
                numbers.
            resample: draw the batch's examples anew each time, with replacement.
        """
        drawn, projected = self._draw(key, draws, centre, resample=resample)
        number = len(projected)
        away = drawn.total / number
        variance = jnp.maximum(drawn.square - number * away @ away, 0.0) / (number - 1)
        return Moments(centre + away, variance, projected)

    def _start(self) -> Drawing:
        return Drawing(self.estimator_state, self.optimizer_state, self.nowhere, jnp.zeros(()))

    def _draw(self, key, draws, centre, *, learning=False, resample=False) -> tuple[Drawing, Array]:
        """Draw in whole chunks."""
        assert self.draws is not None
        drawing, projected = self._start(), []
        for chunk_key in jr.split(key, -(-draws // self.chunk)):
            began = time.perf_counter()
            keys = jr.split(chunk_key, self.chunk)
            drawing, found = self.draws(*self.given, drawing, keys, centre, learning, resample)
            projected.append(jax.block_until_ready(found))
            self.drawn += self.chunk
            self.times.append((time.perf_counter() - began) / self.chunk)
        return drawing, jnp.concatenate(projected)


def one_draw(loss, optimizer, model, batch, directions, drawing, keys, centre, learning, resample):
    """What `jax.lax.scan` needs to draw a gradient for each key: the step, where to begin, and the keys."""
    size = jax.tree.leaves(batch)[0].shape[0]

    def step(drawing: Drawing, key):
        row_key, noise_key = jr.split(key)
        rows = jnp.where(resample, jr.randint(row_key, (size,), 0, size), jnp.arange(size))
        examples = jax.tree.map(lambda x: x[rows], batch)
        value = lambda model, estimator_state: loss(model, estimator_state, examples, noise_key)[0]  # noqa: E731
        for_model, for_estimators = jax.grad(value, argnums=(0, 1))(model, drawing.estimator_state)
        change, learned = optimizer.update(for_estimators, drawing.optimizer, drawing.estimator_state)
        taught = jax.tree.map(jnp.add, drawing.estimator_state, change), learned
        pick = lambda new, old: jnp.where(learning, new, old)  # noqa: E731
        estimator_state, state = jax.tree.map(pick, taught, (drawing.estimator_state, drawing.optimizer))
        away = ravel_pytree(for_model)[0] - centre
        drawing = Drawing(estimator_state, state, drawing.total + away, drawing.square + away @ away)
        return drawing, directions @ away

    return step, drawing, keys

"""Learner: whatever follows the gradient of an expectation, one batch after the other.

The one place where a model meets an estimator. A step is

    examples  =  transform(batch)                      what the program sees of it
    value, ∇  =  loss and its gradients there          `subitize.gradients.expectation`
    model     ←  model + s · optimizer(∇ model)        s scales the learning rate of a run that starts again
    state     ←  state + optimizer'(∇ state)           of the estimators: baselines and control variates
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.interfaces import Batch, Metrics
from subitize.gradients.expectation import Expectation
from subitize.gradients.registry import estimator_optimizer

ESTIMATOR_LR_FACTOR = 10.0  # learning rate of estimators' state over the model's (Tucker et al. 2017)


class BatchTransform(NamedTuple):
    """How a batch becomes the examples of a program, from one step to the next.

    Attributes:
        init: batch -> buffer, before the first step.
        examples: (buffer, batch, step, key) -> examples, along their first axis, those of the batch first.
        update: (buffer, batch, info) -> buffer; info is what the program reported of the batch's examples.
    """

    init: Callable[[Batch], PyTree]
    examples: Callable[[PyTree, Batch, Array, PRNGKeyArray], PyTree]
    update: Callable[[PyTree, Batch, PyTree], PyTree]


def view_of_images(view: Callable[[Array], PyTree]) -> BatchTransform:
    """The transform of a program whose examples are images, seen in some way."""
    return BatchTransform(lambda batch: (), lambda buffer, batch, *_: view(batch.image), lambda *_: ())


IMAGES = view_of_images(lambda images: images)  # as they are


def labelled_view(view: Callable[[Array, PRNGKeyArray], PyTree]) -> BatchTransform:
    """The transform of a supervised program, whose examples are (image seen in some way, its label).

    Args:
        view: (images, key) -> what the program sees of them.
    """

    def examples(buffer: tuple, batch: Batch, step: Array, key: PRNGKeyArray) -> tuple[PyTree, Array]:
        assert batch.labels is not None, "a supervised learner is given labels"
        return view(batch.image, key), batch.labels

    return BatchTransform(lambda batch: (), examples, lambda *_: ())


LABELLED = labelled_view(lambda images, key: images)  # as they are


class GradientState(NamedTuple):
    """All that the next step needs."""

    step: Int[Array, ""]  # completed updates
    model: PyTree
    estimator_state: PyTree  # of the estimators
    optimizer: PyTree
    estimator_optimizer: PyTree
    buffer: PyTree  # of the batch transform
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False, kw_only=True)  # equal only to itself: functions cannot be compared
class GradientLearner:
    """A learner that follows the gradient of an expectation.

    Args:
        build: (key, first batch) -> model.
        loss: the expectation over the program.
        optimizer: of the model.
        learning_rate: the model's first, from which that of the estimators' state follows.
        transform: makes the program's examples of a batch.
    """

    build: Callable[[PRNGKeyArray, Batch], PyTree]
    loss: Expectation
    optimizer: optax.GradientTransformation
    learning_rate: float
    transform: BatchTransform = IMAGES

    @property
    def estimator_optimizer(self) -> optax.GradientTransformation:
        """The optimizer of the estimators' state."""
        return estimator_optimizer(ESTIMATOR_LR_FACTOR * self.learning_rate)

    def init(
        self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0
    ) -> GradientState:
        """The state before the first step."""
        model_key, estimator_key = jr.split(key)
        model, buffer = self.build(model_key, batch), self.transform.init(batch)
        step = jnp.zeros((), jnp.int32)
        examples = self.transform.examples(buffer, batch, step, key)
        estimator_state = self.loss.init(model, jax.tree.map(lambda x: x[0], examples), estimator_key)
        optimizers = self.optimizer.init(model), self.estimator_optimizer.init(estimator_state)
        scale = jnp.asarray(learning_rate_scale, batch.image.dtype)
        return GradientState(step, model, estimator_state, *optimizers, buffer, scale)

    def step(self, state: GradientState, batch: Batch, key: PRNGKeyArray) -> tuple[GradientState, Metrics]:
        """The state after one update.

        Metrics are the loss, the norm of its gradient, and what the program reported, averaged.
        """
        examples_key, noise_key = jr.split(key)
        examples = self.transform.examples(state.buffer, batch, state.step, examples_key)
        differentiate = jax.value_and_grad(self.loss, argnums=(0, 1), has_aux=True)
        (value, info), gradients = differentiate(state.model, state.estimator_state, examples, noise_key)
        info = jax.tree.map(lambda x: x[: batch.image.shape[0]], info)
        state = self._updated(state, *gradients)
        buffer = self.transform.update(state.buffer, batch, info)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradients)} | means_of(info)
        return state._replace(step=state.step + 1, buffer=buffer), metrics

    def _updated(self, state: GradientState, for_model: PyTree, for_estimators: PyTree) -> GradientState:
        """The state with its model and its estimators' state moved."""
        change, optimizer = self.optimizer.update(for_model, state.optimizer, state.model)
        change = optax.tree.scale(state.learning_rate_scale, change)
        update, optimizer_state = self.estimator_optimizer.update(
            for_estimators, state.estimator_optimizer, state.estimator_state
        )
        return state._replace(
            model=optax.apply_updates(state.model, change),
            estimator_state=optax.apply_updates(state.estimator_state, update),
            optimizer=optimizer,
            estimator_optimizer=optimizer_state,
        )

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> PyTree:
        """The model before the first step."""
        return self.build(jr.split(key)[0], batch)

    def params(self, state: GradientState) -> PyTree:
        """The model."""
        return state.model

    def score(self, params: PyTree, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """The loss and what the program reports, averaged over examples that it may not have seen."""
        examples = self.transform.examples(self.transform.init(batch), batch, jnp.zeros((), jnp.int32), key)
        estimator_state = self.loss.init(params, jax.tree.map(lambda x: x[0], examples), key)
        value, info = self.loss(params, estimator_state, examples, key)
        return {"loss": value} | means_of(info)


@dataclass(frozen=True, eq=False, kw_only=True)
class GenerativeLearner(GradientLearner):
    """A gradient learner whose model can make images up.

    Args:
        draw_image: (model, key) -> one image.
    """

    draw_image: Callable[[PyTree, PRNGKeyArray], Array]

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """N images that the model draws."""
        return jax.vmap(lambda k: self.draw_image(params, k))(jr.split(key, n))


def means_of(info: PyTree) -> dict[str, Array]:
    """What a program reports of a batch, averaged; nothing if it reports no mapping."""
    return jax.tree.map(lambda x: x.mean(0), dict(info)) if isinstance(info, Mapping) else {}

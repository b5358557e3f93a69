"""A learner follows its gradient, as fast as it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from subitize.core.interfaces import Batch, HasParams, Learner, Sampler, Scorer
from subitize.gradients import expectation
from subitize.gradients.learner import BatchTransform, GenerativeLearner, GradientLearner

TARGET = Batch(jnp.arange(4.0).reshape(1, 2, 2, 1), jnp.arange(1))


@pytest.fixture
def learner():
    return GenerativeLearner(
        build=lambda key, batch: jnp.zeros((2, 2, 1)),
        loss=expectation(lambda model, image, draw: (jnp.sum((model - image) ** 2), {})),
        optimizer=optax.sgd(0.25),
        learning_rate=0.25,
        draw_image=lambda model, key: model,
    )


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.0])
def test_a_step_is_as_long_as_the_learning_rate_says(learner, scale):
    state = learner.init(jax.random.key(0), TARGET, learning_rate_scale=scale)
    for step in (1, 2):
        state, metrics = learner.step(state, TARGET, jax.random.key(step))
    np.testing.assert_allclose(state.model, (1 - (1 - 0.5 * scale) ** 2) * TARGET.image[0])
    np.testing.assert_allclose(metrics["loss"], 14 * (1 - 0.5 * scale) ** 2)
    np.testing.assert_allclose(metrics["gradient_norm"], 2 * 14**0.5 * (1 - 0.5 * scale))


def test_metrics_are_means_over_the_batch_and_not_over_what_is_made_of_it():
    """Of two pictures and their sum."""
    light = jnp.array([1.0, 3.0])
    summed = BatchTransform(
        init=lambda batch: (),
        examples=lambda buffer, batch, *_: jnp.concatenate([batch.image, batch.image.sum(0, keepdims=True)]),
        update=lambda *_: (),
    )
    learner = GradientLearner(
        build=lambda key, batch: jnp.zeros(()),
        loss=expectation(lambda model, image, draw: (0 * model, {"light": image.sum()})),
        optimizer=optax.sgd(1.0),
        learning_rate=1.0,
        transform=summed,
    )
    batch = Batch(light.reshape(2, 1, 1, 1), jnp.arange(2))
    _, metrics = learner.step(learner.init(jax.random.key(0), batch), batch, jax.random.key(1))
    assert metrics["light"] == 2


def test_it_is_what_its_protocols_say(learner):
    assert isinstance(learner, Learner)
    assert isinstance(learner, HasParams)
    assert isinstance(learner, Sampler)
    assert isinstance(learner, Scorer)
    state = learner.init(jax.random.key(0), TARGET)
    assert learner.sample(learner.params(state), jax.random.key(1), 3).shape == (3, 2, 2, 1)
    assert learner.score(learner.params(state), TARGET, jax.random.key(1))["loss"] == 14

"""A structured learner follows its gradient, as fast as it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from subitize.gradients import expectation
from subitize.training.learner import as_they_are, structured

TARGET = jnp.arange(4.0).reshape(1, 2, 2, 1)


@pytest.mark.parametrize("pace", [1.0, 0.5, 0.0])
def test_a_step_is_as_long_as_the_pace_says(pace):
    learner = structured(
        build=lambda key: jnp.zeros((2, 2, 1)),
        loss=expectation(lambda model, image, draw: (jnp.sum((model - image) ** 2), {})),
        lesson=as_they_are(),
        optimizer=optax.sgd(0.25),
        learning_rate=0.25,
        dream=lambda model, key: model,
    )
    state = learner.init(jax.random.key(0), TARGET, pace)
    for step in (1, 2):
        state, _ = learner.step(state, TARGET, jax.random.key(step))
    np.testing.assert_allclose(state.model, (1 - (1 - 0.5 * pace) ** 2) * TARGET[0])

"""Chains of trained models, on pictures of three bits whose distribution is known."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.dae import DAEOptions
from subitize.zoo.gsn import GSNOptions

P = np.array([0.3, 0.02, 0.02, 0.2, 0.02, 0.2, 0.2, 0.04])  # of the eight pictures
BITS = np.arange(8)[:, None] >> np.arange(3)[::-1] & 1
STEPS = 3000
MODELS = {  # little is corrupted: reconstructions are independent bits, which keeps chains from being exact
    "dae": DAEOptions(hidden=64, corruption=0.1, walkback=1, burn_in=100),
    "gsn": GSNOptions(hidden=(32, 4), corruption=0.05, noise=2.0, updates=2, burn_in=100),
}


def batch(key):
    drawn = jr.choice(key, jnp.asarray(BITS, jnp.float32), (200,), p=jnp.asarray(P))
    return Batch(drawn.reshape(200, 1, 3, 1), jnp.arange(200))


def distance(means):
    """Of the distribution of pictures with such means from P, over that of independent bits from P."""
    v = np.random.default_rng(0).random(means.shape) < means
    found = np.bincount(v @ np.array([4, 2, 1]), minlength=8) / len(v)
    independent = np.prod(np.where(BITS > 0, P @ BITS, 1 - P @ BITS), 1)
    return abs(found - P).sum() / abs(independent - P).sum()


@pytest.mark.parametrize("name", MODELS)
def test_the_chain_of_a_trained_model_has_nearly_the_distribution_of_the_data(name):
    learner = MODELS[name].learner(DataSpec(1, 3, 1), Optimizer(learning_rate=5e-3), STEPS)

    def step(state, key):
        keys = jr.split(key)
        return learner.step(state, batch(keys[0]), keys[1])[0], None

    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    model = train(learner.init(jr.key(0), batch(jr.key(1))), jr.split(jr.key(2), STEPS)).model
    means = jax.jit(learner.sample, static_argnums=2)(model, jr.key(3), 20_000)
    assert distance(np.asarray(means).reshape(-1, 3)) < 0.4

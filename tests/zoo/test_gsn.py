"""A generative stochastic network and its chain."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.gsn import GSN, GSNOptions, walkback_loss

P = np.array([0.3, 0.02, 0.02, 0.2, 0.02, 0.2, 0.2, 0.04])  # of the eight pictures of three bits
BITS = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
STATES = jnp.asarray(BITS, jnp.float32)


def gsn(**options) -> GSN:
    return GSN(GSNOptions(**{"hidden": (4, 5)} | options), Batch(STATES, jnp.arange(8)), key=jr.key(0))


def test_without_noise_an_update_is_odd_layers_then_even_ones():
    model = gsn(noise=0.0, corruption=0.0)
    h0, h1, h2 = STATES[3], jnp.zeros(4), jnp.linspace(-1, 1, 5)
    state = model.start(h0, jr.key(1))._replace(layers=(h0, h1, h2))
    after = model.update(state, jr.key(2))
    new_h1 = jnp.tanh(h0 @ model.W[0] + h2 @ model.W[1].T + model.b[1])
    np.testing.assert_allclose(after.layers[1], new_h1, rtol=1e-6)
    np.testing.assert_allclose(after.logits, new_h1 @ model.W[0].T + model.b[0], rtol=1e-5)
    np.testing.assert_allclose(after.layers[2], jnp.tanh(new_h1 @ model.W[1] + model.b[2]), rtol=1e-6)


def test_noise_enters_above_the_first_layer_before_and_after_tanh():
    model = gsn(noise=2.0, corruption=0.0)
    zeros = [jnp.zeros((50_000, n)) for n in (3, 4, 5)]
    after = model.update(model.start(zeros[0], jr.key(1))._replace(layers=tuple(zeros)), jr.key(2))
    assert after.layers[1].std(0).max() < 1e-6
    spread = np.var(np.tanh(2 * np.random.default_rng(0).normal(size=200_000))) + 4
    np.testing.assert_allclose(after.layers[2].var(0), spread, rtol=0.05)


def test_the_loss_is_the_sum_over_all_reconstructions_of_the_clean_picture():
    model, x, key = gsn(updates=3), STATES[6], jr.key(4)
    state, total = model.start(x, jr.fold_in(key, 0)), 0.0
    for n in range(3):
        state = model.update(state, jr.fold_in(key, n + 1))
        total += (jax.nn.softplus(state.logits) - x * state.logits).sum()
    np.testing.assert_allclose(walkback_loss(model, (x, key), Samples(jr.key(0))), total, rtol=1e-5)


def test_the_chain_of_a_trained_one_has_nearly_the_distribution_of_the_data():
    options = GSNOptions(hidden=(32, 4), corruption=0.05, noise=2.0, updates=2, burn_in=100)
    learner = options.learner(DataSpec(1, 3, 1), Optimizer(learning_rate=5e-3), 2000)

    def batch(key):
        return Batch(jr.choice(key, STATES, (200,), p=jnp.asarray(P)).reshape(200, 1, 3, 1), jnp.arange(200))

    def step(state, key):
        keys = jr.split(key)
        return learner.step(state, batch(keys[0]), keys[1])[0], None

    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    model = train(learner.init(jr.key(0), batch(jr.key(1))), jr.split(jr.key(2), 2000)).model
    update = lambda i, state: model.update(state, jr.fold_in(jr.key(5), i))  # noqa: E731
    start = model.start(jnp.zeros((20_000, 3)), jr.key(6))
    logits = jax.jit(lambda s: jax.lax.fori_loop(0, 100, update, s))(start).logits
    v = jr.uniform(jr.key(7), logits.shape) < jax.nn.sigmoid(logits)
    found = np.bincount(np.asarray(v) @ np.array([4, 2, 1]), minlength=8) / len(v)
    independent = np.prod(np.where(BITS > 0, P @ BITS, 1 - P @ BITS), 1)
    assert abs(found - P).sum() < 0.4 * abs(independent - P).sum()

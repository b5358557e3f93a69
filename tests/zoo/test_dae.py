"""A denoising autoencoder and its chain."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.dae import DAE, DAEOptions, walkback_loss

P = np.array([0.3, 0.02, 0.02, 0.2, 0.02, 0.2, 0.2, 0.04])  # of the eight pictures of three bits
BITS = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
STATES = jnp.asarray(BITS, jnp.float32)


def dae(**options) -> DAE:
    return DAE(DAEOptions(hidden=4, **options), Batch(STATES, jnp.arange(8)), key=jr.key(0))


def test_corruption_replaces_a_share_of_pixels_by_either_with_equal_chance():
    x = jnp.tile(jnp.array([0.0, 1.0]), (50_000, 1))
    corrupted = dae(corruption=0.4).corrupt(x, jr.key(1))
    np.testing.assert_allclose(corrupted.mean(0), [0.2, 0.8], atol=0.01)
    np.testing.assert_array_equal(dae(corruption=0.0).corrupt(x, jr.key(1)), x)


def test_without_corruption_the_loss_is_that_of_the_reconstruction():
    model, x = dae(corruption=0.0, walkback=1), STATES[5]
    logits = model.reconstruct(x)
    expected = (jax.nn.softplus(logits) - x * logits).sum()
    np.testing.assert_allclose(walkback_loss(model, (x, jr.key(3)), Samples(jr.key(0))), expected, rtol=1e-5)


def test_every_step_of_the_walkback_has_to_lead_back_to_the_clean_picture():
    model, x, key = dae(walkback=3), STATES[6], jr.key(4)
    v, total = x, 0.0
    for n in range(3):
        logits, v = model.chain_step(v, jr.fold_in(key, n))
        total += (jax.nn.softplus(logits) - x * logits).sum() / 3
    np.testing.assert_allclose(walkback_loss(model, (x, key), Samples(jr.key(0))), total, rtol=1e-5)


def test_the_chain_of_a_trained_one_has_nearly_the_distribution_of_the_data():
    """With one pixel in ten corrupted; factorised reconstructions keep it from being exact."""
    options = DAEOptions(hidden=64, corruption=0.1, walkback=1, burn_in=100)
    learner = options.learner(DataSpec(1, 3, 1), Optimizer(learning_rate=5e-3), 3000)

    def batch(key):
        return Batch(jr.choice(key, STATES, (200,), p=jnp.asarray(P)).reshape(200, 1, 3, 1), jnp.arange(200))

    def step(state, key):
        keys = jr.split(key)
        return learner.step(state, batch(keys[0]), keys[1])[0], None

    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    model = train(learner.init(jr.key(0), batch(jr.key(1))), jr.split(jr.key(2), 3000)).model

    def many(i, v):
        return model.chain_step(v, jr.fold_in(jr.key(5), i))[1]

    v = jax.jit(lambda v: jax.lax.fori_loop(0, 100, many, v))(jnp.zeros((50_000, 3)))
    found = np.bincount(np.asarray(v @ jnp.array([4.0, 2, 1])).astype(int), minlength=8) / len(v)
    independent = np.prod(np.where(BITS > 0, P @ BITS, 1 - P @ BITS), 1)
    assert abs(found - P).sum() / 2 < 0.4 * abs(independent - P).sum() / 2

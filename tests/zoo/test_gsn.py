"""A generative stochastic network and its chain."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch
from subitize.zoo.gsn import GSN, GSNOptions, walkback_loss

STATES = (jnp.arange(8)[:, None] >> jnp.arange(3)[::-1] & 1).astype(jnp.float32)  # all pictures of three bits


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

"""A denoising autoencoder and its chain."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch
from subitize.zoo.dae import DAE, DAEOptions, walkback_loss

STATES = (jnp.arange(8)[:, None] >> jnp.arange(3)[::-1] & 1).astype(jnp.float32)  # all pictures of three bits


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

"""Generative latent optimization against what is known of it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy.linalg import subspace_angles

from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.networks import Linear
from subitize.core.optimizer import Optimizer
from subitize.zoo.glo import GLOLearner, GLOOptions, laplacian, squared

PICTURES, PIXELS, LATENTS = 60, 8, 2


def test_a_linear_generator_finds_the_principal_components():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(PICTURES, PIXELS)) * np.array([3, 2, *[0.3] * (PIXELS - 2)])
    x = x @ np.linalg.qr(rng.normal(size=(PIXELS, PIXELS)))[0]
    x -= x.mean(0)
    learner = GLOLearner(
        build=lambda key, batch: Linear(LATENTS, PIXELS, key=key),
        paint=lambda generator, z: generator(z),
        loss=squared,
        latents=(PICTURES, LATENTS),
        optimizer=optax.adam(optax.cosine_decay_schedule(0.05, 4000)),
        latent_rate=0.3,
    )
    batch = Batch(jnp.asarray(x, jnp.float32), jnp.arange(PICTURES))
    step = lambda state, _: (learner.step(state, batch, jr.key(0))[0], None)  # noqa: E731
    state = jax.jit(lambda s: jax.lax.scan(step, s, length=4000)[0])(learner.init(jr.key(0), batch))
    components = np.linalg.svd(x, full_matrices=False)[2][:LATENTS]
    assert subspace_angles(np.asarray(state.generator.weight).T, components.T).max() < 1e-3


def test_only_the_latents_of_the_batch_move_and_stay_in_the_ball():
    learner = GLOOptions(latent_dim=3, features=4).learner(
        DataSpec(8, 8, 1, size=10), Optimizer(learning_rate=1.0), 10
    )
    batch = Batch(jr.uniform(jr.key(0), (2, 8, 8, 1)), jnp.array([7, 2]))
    before = learner.init(jr.key(1), batch)
    after, _ = learner.step(before, batch, jr.key(2))
    moved = np.flatnonzero((before.latents != after.latents).any(1))
    assert moved.tolist() == [2, 7]
    assert np.linalg.norm(after.latents, axis=1).max() <= 1 + 1e-6


def test_a_sample_follows_the_gaussian_that_fits_the_latents():
    learner = GLOLearner(
        build=lambda key, batch: jnp.zeros(()),
        paint=lambda generator, z: z,
        loss=squared,
        latents=(5000, 2),
        optimizer=optax.sgd(1.0),
        latent_rate=1.0,
    )
    state = learner.init(jr.key(0), Batch(jnp.zeros((1, 2)), jnp.zeros(1, int)))
    own = 0.1 * jr.normal(jr.key(3), (5000, 2)) @ jnp.array([[1.0, 0.5], [0.0, 0.5]]) + jnp.array([0.2, -0.3])
    drawn = learner.sample(learner.params(state._replace(latents=own)), jr.key(4), 20_000)
    np.testing.assert_allclose(drawn.mean(0), own.mean(0), atol=0.005)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(own.T), atol=5e-4)


def test_a_laplacian_pyramid_weighs_coarse_levels_less_and_sees_a_shift_of_brightness():
    x = jr.uniform(jr.key(0), (8, 8, 1))
    assert laplacian(x, x) == 0
    np.testing.assert_allclose(
        laplacian(x + 0.25, x), 4.0**-2 * 0.25 * 2 * 2, rtol=1e-4
    )  # in the last level alone
    assert laplacian(x.at[3, 3].add(1.0), x) > 1.0


def test_scenes_that_never_come_again_are_refused():
    with pytest.raises(UsageError, match="a latent for every training picture"):
        GLOOptions().learner(DataSpec(8, 8, 1), Optimizer(), 10)

"""Bounds by trajectories, on pictures of three bits where the whole chain can be enumerated."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.infusion import InfusionOptions
from subitize.zoo.walkback import WalkbackOptions

STATES = np.arange(8)[:, None] >> np.arange(3)[::-1] & 1  # all pictures
IMAGES = jnp.asarray(STATES.reshape(8, 1, 3, 1), jnp.float32)
P = np.array([0.3, 0.02, 0.02, 0.2, 0.02, 0.2, 0.2, 0.04])  # their distribution where one is learned
MODELS = {
    "infusion": InfusionOptions(T=3, infusion=0.1, growth=0.2, hidden=(8,)),
    "infusion without": InfusionOptions(T=3, infusion=0.0, growth=0.0, hidden=(8,)),
    "walkback": WalkbackOptions(walk=3, temperature=0.8, heating=1.5, step_size=0.5, hidden=(8,)),
}


def learner_of(options, steps=1):
    return options.learner(DataSpec(1, 3, 1), Optimizer(learning_rate=5e-3, lr_hold_fraction=0.3), steps)


def made(name):
    """A learner, and a model of it with weights that matter."""
    learner = learner_of(MODELS[name])
    leaves, structure = jax.tree.flatten(learner.init_params(jr.key(0), Batch(IMAGES, jnp.arange(8))))
    keys = jr.split(jr.key(7), len(leaves))
    moved = [x + jr.normal(key, x.shape) for x, key in zip(leaves, keys, strict=True)]
    return learner, jax.tree.unflatten(structure, moved)


def probabilities(logits):
    """Of all pictures, from log-odds of their pixels [..., pixels]."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))[..., None, :]
    return np.where(STATES > 0, p, 1 - p).prod(-1)


def exact(learner, model, held=lambda p: p):
    """The distribution of the chain's last picture, by multiplication of matrices."""
    p = probabilities(model.prior)
    for i in range(learner.steps):
        rows = jax.vmap(lambda z, i=i: model.towards_data(i, z))(jnp.asarray(STATES, jnp.float32))
        p = held(p) @ probabilities(rows)
    return p


def log_weights(learner, model, x, n):
    """Of so many trajectories that end at x."""
    keys = jr.split(jr.key(1), n)
    return np.asarray(jax.jit(jax.vmap(lambda key: learner.log_weight(model, x.ravel(), key)))(keys), float)


@pytest.mark.parametrize("name", MODELS)
def test_the_mean_weight_is_the_probability_and_the_mean_of_its_logarithm_a_bound(name):
    learner, model = made(name)
    gaps = []
    for x, p in zip(IMAGES, exact(learner, model), strict=True):
        log_weight = log_weights(learner, model, x, 20_000)
        weight = np.exp(log_weight) / p
        assert abs(weight.mean() - 1) < 4.5 * weight.std() / len(weight) ** 0.5
        gaps.append(np.log(p) - log_weight.mean())
    assert min(gaps) > -0.01
    assert np.mean(gaps) > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_the_bound_rises_with_the_trajectories_and_ends_at_the_likelihood(name):
    learner, model = made(name)
    log_p = np.log(exact(learner, model))
    for x, exactly in zip(IMAGES[:3], log_p, strict=False):
        log_weight = log_weights(learner, model, x, 40_000)
        bounds = [np.logaddexp.reduce(log_weight.reshape(-1, k), 1).mean() - np.log(k) for k in (1, 10, 400)]
        assert bounds[0] < bounds[1] < bounds[2] < exactly + 0.01
        assert bounds[2] > exactly - 0.05


@pytest.mark.parametrize("name", MODELS)
def test_the_likelihood_is_the_bound_of_a_hundred_trajectories(name):
    learner, model = made(name)
    found = learner.log_likelihood(model, jnp.tile(IMAGES, (50, 1, 1, 1)), jr.key(2))
    assert (found.direction, found.kind) == ("lower", "chain bound, 100 trajectories")
    log_p = np.log(exact(learner, model))
    means = np.asarray(found.value).reshape(50, 8).mean(0)
    assert (means < log_p + 0.03).all()
    assert (means > log_p - 0.3).all()


@pytest.mark.parametrize("name", MODELS)
def test_samples_have_the_distribution_of_the_enumerated_chain(name):
    learner, model = made(name)
    means = np.asarray(learner.sample(model, jr.key(3), 40_000)).reshape(-1, 3)
    found = probabilities(np.log(means / (1 - means))).mean(0)
    np.testing.assert_allclose(found, exact(learner, model), atol=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_inpainting_holds_known_pixels_at_every_step_of_the_chain(name):
    learner, model = made(name)
    mask = jnp.array([True, False, True]).reshape(1, 3, 1)
    images = jnp.tile(IMAGES[4], (40_000, 1, 1, 1))  # 1 at the first pixel, 0 at the last
    found = np.asarray(learner.inpaint(model, images, mask, jr.key(4))).reshape(-1, 3)
    np.testing.assert_array_equal(found[:, [0, 2]], np.asarray(images).reshape(-1, 3)[:, [0, 2]])

    def held(p):  # the mass of all pictures moves to those with the known pixels
        middle = p @ STATES[:, 1]
        return np.eye(8)[4] * (1 - middle) + np.eye(8)[6] * middle

    np.testing.assert_allclose(found[:, 1].mean(), exact(learner, model, held) @ STATES[:, 1], atol=0.01)


TRAINED = {
    "infusion": InfusionOptions(T=10, infusion=0.0, growth=0.1, hidden=(32,)),
    "walkback": WalkbackOptions(walk=15, temperature=0.3, heating=1.25, step_size=0.5, hidden=(32,)),
}
STEPS = 3000


@pytest.mark.parametrize("name", TRAINED)
def test_training_brings_the_cross_entropy_near_the_entropy(name):
    learner = learner_of(TRAINED[name], STEPS)

    def batch(key):
        return Batch(jr.choice(key, IMAGES, (200,), p=jnp.asarray(P)), jnp.arange(200))

    def step(state, key):
        keys = jr.split(key)
        return learner.step(state, batch(keys[0]), keys[1])[0], None

    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    model = train(learner.init(jr.key(0), batch(jr.key(1))), jr.split(jr.key(2), STEPS)).model
    p, means = exact(learner, model), P @ STATES
    independent = np.where(STATES > 0, means, 1 - means).prod(1)
    entropy, found, worst = (-P @ np.log(q) for q in (P, p, independent))
    assert entropy < found < entropy + 0.15 * (worst - entropy)

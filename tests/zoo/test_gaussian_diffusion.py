"""Diffusion of real vectors, beside closed forms and integrals."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.gaussian_diffusion import GaussianDiffusion, GaussianDiffusionOptions, dequantized

T = 6


def diffusion(strength: float = 0.0, pixels: int = 2, mean: float = 0.0) -> GaussianDiffusion:
    """Chains for data of variance one whose network is random, and as strong as this."""
    batch = Batch(mean + jnp.array([[1.0], [-1.0]]) * jnp.ones(pixels), jnp.arange(2))
    options = GaussianDiffusionOptions(T=T, hidden=(8,), beta_1=0.1, levels=0)
    model = GaussianDiffusion(options, batch, key=jr.key(0))
    last = lambda m: m.network.layers[-1].weight  # noqa: E731
    noise = strength * jr.normal(jr.key(1), last(model).shape)
    return jax.tree.map(lambda x: noise if x is last(model) else x, model)


def variances() -> np.ndarray:
    """β_1 … β_T before training."""
    return np.array([0.1, *(1 / (T - t + 2) for t in range(2, T + 1))])


def log_normal(x, mean, variance):
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def test_noise_is_what_the_steps_add_up_to():
    model, x_0 = diffusion(), jnp.array([1.5, -0.5])
    mean, variance = np.asarray(x_0), 0.0
    for t, β in enumerate(variances(), 1):
        mean, variance = np.sqrt(1 - β) * mean, (1 - β) * variance + β
        found = model.forward(x_0, jnp.asarray(t))
        np.testing.assert_allclose(found.loc, mean, rtol=1e-4)
        np.testing.assert_allclose(found.scale**2, variance, rtol=1e-4)
        one = model.onward(x_0, jnp.asarray(t))
        np.testing.assert_allclose(one.loc, np.sqrt(1 - β) * x_0, rtol=1e-4)
        np.testing.assert_allclose(one.scale**2, β, rtol=1e-4)


@pytest.mark.parametrize("t", [2, 4, 6])
def test_the_posterior_is_the_conditional_of_a_joint_normal(t):
    model, x_0, x_t = diffusion(), jnp.array([1.5, -0.5]), jnp.array([0.3, 2.0])
    β, before = variances()[t - 1], model.forward(x_0, jnp.asarray(t - 1))
    prior = before.scale**2
    covariance, total = np.sqrt(1 - β) * prior, (1 - β) * prior + β
    found = model.posterior(x_t, x_0, jnp.asarray(t))
    mean = before.loc + covariance / total * (x_t - np.sqrt(1 - β) * before.loc)
    np.testing.assert_allclose(found.loc, mean, rtol=1e-4)
    np.testing.assert_allclose(found.scale**2, prior - covariance**2 / total, rtol=1e-4)


def test_without_a_network_the_bound_is_the_density_of_one_gaussian():
    """The terms are quadratic in the noise, so the noise -1 and 1 of each pixel gives their mean exactly."""
    model = diffusion()
    for x_0 in jnp.array([[0.0, 0.0], [1.5, -0.5], [3.0, 2.0]]):
        bound = -model.constant(x_0)
        for t in jnp.arange(1, T + 1):
            q = model.forward(x_0, t)
            bound -= np.mean([model.term(x_0, q.from_noise(jnp.full(2, ε)), t) for ε in (-1.0, 1.0)])
        np.testing.assert_allclose(bound, log_normal(np.asarray(x_0), 0, 1).sum(), rtol=1e-3)


def test_the_last_step_back_is_the_first_step_onward_whatever_the_network_says():
    model, x = diffusion(strength=1.0), jnp.array([0.7, -2.0])
    back, onward = model.reverse(x, jnp.asarray(1)), model.onward(x, jnp.asarray(1))
    np.testing.assert_allclose([back.loc, back.scale], [onward.loc, onward.scale], rtol=1e-5)
    assert jnp.abs(model.reverse(x, jnp.asarray(2)).loc - model.onward(x, jnp.asarray(2)).loc).max() > 0.01


GRID = np.linspace(-9, 9, 901, dtype=np.float32)[:, None]
WIDTH = 0.02  # of its cells


def exact_density(model: GaussianDiffusion) -> np.ndarray:
    """p(x_0) of one real number at the points of the grid, by integrating over the chain."""
    one = lambda x_t, x, t: model.reverse(x_t, t).log_prob(x)  # noqa: E731
    table = jax.jit(jax.vmap(jax.vmap(one, (None, 0, None)), (0, None, None)))
    p, grid = np.exp(log_normal(GRID[:, 0], 0, 1)), jnp.asarray(GRID)
    for t in range(model.T, 0, -1):
        p = WIDTH * p @ np.exp(np.asarray(table(grid, grid, jnp.asarray(t))))
    np.testing.assert_allclose(WIDTH * p.sum(), 1, rtol=0.01)
    return p


def test_the_bound_is_below_the_exact_density():
    model = diffusion(strength=0.2, pixels=1)
    exact, keys = np.log(exact_density(model)), jr.split(jr.key(3), 4000)
    bound = jax.jit(jax.vmap(model.bound, (None, 0)))
    for place in (400, 450, 520):  # -1, 0 and 1.4
        found = np.asarray(bound(jnp.asarray(GRID[place]), keys))
        error = found.std() / 4000**0.5
        assert exact[place] - 2 < found.mean() < exact[place] - 4 * error


@pytest.fixture(scope="module")
def two_heaps():
    """A learner of one number which is near 2 or near 4, and its weights."""
    steps, options = 1500, GaussianDiffusionOptions(T=20, hidden=(32, 32), beta_1=0.01, levels=0)
    learner = options.learner(DataSpec(1, 1, 1), Optimizer(learning_rate=1e-2), steps)

    def step(state, key):
        return learner.step(state, Batch(heaps(jr.fold_in(key, 0), 100), jnp.arange(100)), key)[0], None

    with jax.enable_x64(False):
        train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
        state = learner.init(jr.key(0), Batch(heaps(jr.key(1), 1000), jnp.arange(1000)))
        return learner, state.model, train(state, jr.split(jr.key(2), steps)).model


def heaps(key, n):
    keys = jr.split(key)
    centres = jnp.where(jr.uniform(keys[0], (n, 1, 1, 1)) < 0.3, 2.0, 4.0)
    return centres + 0.25 * jr.normal(keys[1], (n, 1, 1, 1))


def test_a_mixture_is_learned_to_nearly_its_entropy(two_heaps):
    learner, before, model = two_heaps
    x = heaps(jr.key(3), 4000)
    parts = [np.log(w) + log_normal(np.asarray(x), c, 0.25**2) for w, c in ((0.3, 2.0), (0.7, 4.0))]
    exact, bound = np.logaddexp(*parts).mean(), jax.jit(learner.bound)
    assert bound(before, x, jr.key(4)).mean() < exact - 0.5
    assert exact - 0.12 < bound(model, x, jr.key(4)).mean() < exact + 0.03


def test_samples_have_the_shares_and_places_of_the_heaps(two_heaps):
    learner, _, model = two_heaps
    drawn = np.asarray(jax.jit(learner.sample, static_argnums=2)(model, jr.key(5), 4000)).ravel()
    low = drawn < 3
    assert abs(low.mean() - 0.3) < 0.06
    np.testing.assert_allclose([drawn[low].mean(), drawn[~low].mean()], [2, 4], atol=0.06)
    np.testing.assert_allclose([drawn[low].std(), drawn[~low].std()], 0.25, atol=0.06)


def test_training_moves_all_noise_but_the_first_and_not_the_mean_of_the_data(two_heaps):
    _, before, model = two_heaps
    times = jnp.arange(1, 21)
    moved = np.asarray(jnp.abs(jax.vmap(model.β)(times) - jax.vmap(before.β)(times)))
    assert moved[0] == 0
    assert moved[1:].max() > 1e-3
    assert (model.mean, model.scale) == (before.mean, before.scale)


def test_denoising_begins_where_the_noise_is_and_shrinks_as_the_best_guess_does():
    """Of data N(1, 1) with noise of deviation σ the best guess is 1 + (y - 1) / (1 + σ²)."""
    model = diffusion(pixels=1, mean=1.0)
    learner = GaussianDiffusionOptions(T=T, levels=0).learner(DataSpec(1, 1, 1), Optimizer(), 1)
    α = np.prod(1 - variances()[:3])
    σ = float(np.sqrt((1 - α) / α))
    x_t, t = model.enter(jnp.array([2.0]), jnp.asarray(σ))
    assert t == 3
    np.testing.assert_allclose(x_t, 2 * np.sqrt(α), rtol=1e-4)
    y = jnp.full((20_000, 1, 1, 1), 3.0)
    np.testing.assert_allclose(learner.denoise(model, y, σ, jr.key(0)).mean(), 1 + 2 / (1 + σ**2), atol=0.03)


def test_shades_are_filled_within_their_share_of_the_range():
    images = jnp.tile(jnp.array([0.0, 1.0, 2.0, 3.0]) / 3, (1000, 1))
    filled = np.asarray(dequantized(images, 4, jr.key(0)))
    np.testing.assert_array_equal(np.floor(4 * filled), np.tile(np.arange(4), (1000, 1)))
    np.testing.assert_allclose(filled.mean(0), (np.arange(4) + 0.5) / 4, atol=0.02)
    np.testing.assert_array_equal(dequantized(images, 0, jr.key(0)), images)

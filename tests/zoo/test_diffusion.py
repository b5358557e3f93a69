"""Diffusion of black-and-white pictures, on chains that are small enough to sum over all of their states."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients.diffusion_learner import at_random_times, estimate
from subitize.zoo.diffusion import BinomialDiffusion, DiffusionOptions

STATES = np.arange(4)[:, None] >> np.arange(2)[::-1] & 1  # all pictures of two bits
TIMES = np.arange(1, 4)  # of a chain of three steps


def diffusion(T: int, pixels: int = 2, strength: float = 0.0, mean: float = 0.3) -> BinomialDiffusion:
    """A chain whose network is random, and as strong as this; without strength it is the mean picture."""
    batch = Batch(jnp.full((2, pixels), mean), jnp.arange(2))
    model = BinomialDiffusion(DiffusionOptions(T=T, hidden=(8,)), batch, key=jr.key(0))
    last = lambda m: m.network.layers[-1].weight  # noqa: E731
    noise = strength * jr.normal(jr.key(1), last(model).shape)
    return jax.tree.map(lambda x: noise if x is last(model) else x, model)


def flips(T: int, t: int) -> np.ndarray:
    """q(x_t | x_{t-1}) of one pixel, [x_{t-1}, x_t]."""
    β = 1 / (T - t + 1)
    return (1 - β) * np.eye(2) + β / 2 * np.ones((2, 2))


def marginal(T: int, t: int) -> np.ndarray:
    """q(x_t | x_0) of one pixel by multiplying all steps, [x_0, x_t]."""
    return np.linalg.multi_dot([np.eye(2), np.eye(2), *(flips(T, s) for s in range(1, t + 1))])


def of_pictures(pixel: np.ndarray) -> np.ndarray:
    """A transition of pictures of two independent pixels."""
    return np.kron(pixel, pixel)


def reverse_table(model: BinomialDiffusion, t: int) -> np.ndarray:
    """p(x_{t-1} | x_t), [x_t, x_{t-1}]."""
    one = lambda x_t, x: model.reverse(x_t, jnp.asarray(t)).log_prob(x)  # noqa: E731
    every = jnp.asarray(STATES, jnp.float32)
    return np.exp(jax.vmap(jax.vmap(one, (None, 0)), (0, None))(every, every))


def exact_terms(model: BinomialDiffusion) -> np.ndarray:
    """L_t of every picture, expected over x_t, [pictures, times]."""
    every = jnp.asarray(STATES, jnp.float32)
    of_times = jax.vmap(model.term, (None, None, 0))
    terms = jax.vmap(jax.vmap(of_times, (None, 0, None)), (0, None, None))(every, every, jnp.asarray(TIMES))
    q = np.stack([of_pictures(marginal(model.T, t)) for t in TIMES], -1)
    return (q * np.asarray(terms)).sum(1)


def exact_log_p(model: BinomialDiffusion) -> np.ndarray:
    """Log p(x_0) of every picture, by summing over all reverse chains."""
    p = np.full(4, 0.25)
    for t in range(model.T, 0, -1):
        p = p @ reverse_table(model, t)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    return np.log(p)


@pytest.mark.parametrize("t", [2, 3, 6])
def test_the_posterior_is_that_of_bayes(t):
    model, T = diffusion(6), 6
    for x_0 in (0, 1):
        for x_t in (0, 1):
            joint = marginal(T, t - 1)[x_0] * flips(T, t)[:, x_t]
            found = model.posterior(jnp.full(2, float(x_t)), jnp.full(2, float(x_0)), jnp.asarray(t)).mean()
            np.testing.assert_allclose(found, joint[1] / joint.sum(), rtol=1e-5)


def test_noise_is_what_many_small_steps_add_up_to_and_at_last_nothing_is_left():
    model, x_0 = diffusion(5), jnp.array([1.0, 0.0])
    x = jnp.tile(x_0, (40_000, 1))
    for t in map(jnp.asarray, range(1, 6)):
        keys = jr.split(jr.fold_in(jr.key(0), t), len(x))
        x = jax.vmap(lambda x, key, t=t: model.onward(x, t).sample(key))(x, keys)
        mean = model.forward(x_0, t).mean()
        np.testing.assert_allclose(mean, x.mean(0), atol=0.01)
        np.testing.assert_allclose(mean, marginal(5, int(t))[::-1, 1], rtol=1e-5)
    assert model.constant(x_0) == 0


def test_the_chain_begins_as_that_of_independent_pixels_and_its_bound_is_their_likelihood():
    expected = np.log(np.where(STATES, 0.3, 0.7)).sum(1)
    np.testing.assert_allclose(exact_log_p(diffusion(3)), expected, rtol=1e-4)
    np.testing.assert_allclose(-exact_terms(diffusion(3)).sum(1), expected, rtol=1e-4)


def test_the_bound_is_the_expected_log_ratio_of_both_chains_and_below_the_exact_likelihood():
    model = diffusion(3, strength=1.0)
    forward = [of_pictures(flips(3, t)) for t in TIMES]
    back = [reverse_table(model, t) for t in TIMES]
    q = np.einsum("ai,ij,jk->aijk", *forward)
    p = np.einsum("ia,ji,kj->aijk", *back) / 4
    bound = (q * np.log(p / np.maximum(q, 1e-12))).sum((1, 2, 3))
    np.testing.assert_allclose(-exact_terms(model).sum(1), bound, rtol=1e-4)
    gap = exact_log_p(model) - bound
    assert (gap > 0.003).all(), gap
    assert gap.max() > 0.05, "the network is strong enough for the bound to be no equality"


def test_one_time_drawn_at_random_tells_the_bound_on_average_and_so_does_the_sum_over_a_chain():
    model, x_0 = diffusion(3, strength=1.0), jnp.array([1.0, 0.0])
    exact = exact_terms(model)[2].sum()
    keys = jr.split(jr.key(2), 40_000)
    one = lambda u, key: estimate(model, (x_0, u, key), Samples(jr.key(0)))  # noqa: E731
    chains = -jax.vmap(lambda key: model.bound(x_0, key))(keys[:10_000])
    for found in (jax.vmap(one)(jr.uniform(jr.key(3), (40_000,)), keys), chains):
        error = found.std() / len(found) ** 0.5
        assert 0 < error < 0.02
        assert abs(found.mean() - exact) < 4 * error


def test_the_times_of_a_batch_are_spread_and_each_is_uniform():
    transform = at_random_times(lambda images, key: images)
    batch = Batch(jnp.zeros((8, 2)), jnp.arange(8))
    draw = lambda key: transform.examples((), batch, jnp.asarray(0), key)[1]  # noqa: E731
    u = np.asarray(jax.vmap(draw)(jr.split(jr.key(0), 2000)))
    np.testing.assert_array_equal(np.sort(np.floor(8 * u), 1), np.tile(np.arange(8), (2000, 1)))
    np.testing.assert_allclose([u[:, 3].mean(), u[:, 3].var()], [1 / 2, 1 / 12], atol=0.02)


HEARTBEATS = (jnp.arange(20) % 5 == jnp.arange(5)[:, None]).astype(jnp.float32).reshape(5, 1, 20, 1)


@pytest.fixture(scope="module")
def heartbeat():
    """A learner of sequences with a one in every fifth place, at a random phase; and its weights."""
    steps = 1500
    options = DiffusionOptions(T=100, hidden=(50, 50))
    learner = options.learner(DataSpec(1, 20, 1), Optimizer(learning_rate=1e-2), steps)

    def step(state, key):
        index = jr.randint(jr.fold_in(key, 0), (50,), 0, 5)
        return learner.step(state, Batch(HEARTBEATS[index], index), key)[0], None

    with jax.enable_x64(False):
        train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
        state = learner.init(jr.key(0), Batch(HEARTBEATS, jnp.arange(5)))
        return learner, train(state, jr.split(jr.key(1), steps)).model


def test_heartbeats_are_learned_to_nearly_their_entropy(heartbeat):
    learner, model = heartbeat
    found = learner.log_likelihood(model, jnp.tile(HEARTBEATS, (40, 1, 1, 1)), jr.key(2))
    bits = -found.value.mean() / jnp.log(2)
    assert found.kind == "chain bound, 100 steps"
    assert found.direction == "lower"
    assert np.log2(5) - 0.1 < bits < np.log2(5) + 0.35, "independent bits would take 14.4"


def test_samples_are_heartbeats_of_all_phases(heartbeat):
    learner, model = heartbeat
    drawn = jax.jit(learner.sample, static_argnums=2)(model, jr.key(4), 200).round()
    same = np.asarray((drawn[:, None] == HEARTBEATS).all((2, 3, 4)))
    assert same.any(1).mean() > 0.9
    assert (same.mean(0) > 0.1).all()


def test_inpainting_keeps_what_is_known_and_completes_the_rest_to_fit(heartbeat):
    learner, model = heartbeat
    images = jnp.tile(HEARTBEATS, (20, 1, 1, 1))
    mask = jnp.zeros(images.shape, bool).at[:, :, 7:12].set(True)
    torn = jnp.where(mask, images, 0.5)
    whole = jax.jit(learner.inpaint)(model, torn, mask, jr.key(5))
    np.testing.assert_array_equal(whole[:, :, 7:12], images[:, :, 7:12])
    assert (whole.round() == images).all((1, 2, 3)).mean() > 0.8


def test_a_chain_that_begins_among_noise_takes_it_off(heartbeat):
    learner, model = heartbeat
    images = jnp.tile(HEARTBEATS, (20, 1, 1, 1))
    noisy = jnp.abs(images - (jr.uniform(jr.key(6), images.shape) < 0.05))
    clean = jax.jit(learner.denoise)(model, noisy, 0.05, jr.key(7))
    assert jnp.abs(noisy - images).mean() > 0.04
    assert jnp.abs(clean.round() - images).mean() < 0.01


def test_the_time_of_noise_has_that_share_of_flipped_pixels():
    model = diffusion(50)
    for share in (0.02, 0.1, 0.4):
        _, t = model.enter(jnp.zeros(2), jnp.asarray(share))
        np.testing.assert_allclose(model.forward(jnp.zeros(2), t).mean(), share, rtol=1e-4)
    assert model.enter(jnp.zeros(2), jnp.asarray(0.0))[1] == 1

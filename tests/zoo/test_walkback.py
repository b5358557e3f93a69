"""Variational walkback against what its algorithm says, word by word."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float

from subitize.core.draws import Samples, bernoulli
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.zoo.walkback import Walkback, WalkbackOptions, walkback_loss

STATES = (jnp.arange(8)[:, None] >> jnp.arange(3)[::-1] & 1).astype(jnp.float32)  # all pictures of three bits
X, BATCH = STATES[5], Batch(STATES, jnp.arange(8))
PLACES = jnp.array([4, 2, 1], jnp.float32)


class Table(eqx.Module):
    """F as one row for each of the eight states, so that a gradient tells where F was evaluated."""

    rows: Float[Array, "states pixels"]

    def __call__(self, s: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        return self.rows[(s @ PLACES).astype(int)]


def walkback(**options) -> Walkback:
    """A model whose F is a table."""
    model = Walkback(WalkbackOptions(**options), BATCH, key=jr.key(0))
    return eqx.tree_at(lambda m: m.F, model, Table(2 * jr.normal(jr.key(1), (8, 3))))


def log_bernoulli(logits, x):
    return -(jax.nn.softplus(logits) - x * logits).sum(-1)


def walk_of(model, key, x=X):
    """States s_0 … s_K of a walk, and its temperatures."""
    states, T = [x], [model.options.temperature * model.options.heating**t for t in range(model.options.walk)]
    for t in range(model.options.walk):
        p = jax.nn.sigmoid(model.operator(states[t]) / T[t])
        states.append(bernoulli(jr.fold_in(key, t), p))
    return states, T


def test_every_state_is_scored_under_the_operator_at_the_next_one():
    model, key = walkback(walk=4, temperature=0.7, heating=1.3), jr.key(2)
    s, T = walk_of(model, key)
    expected = -log_bernoulli(model.prior, s[4])
    for t in range(4):
        expected -= log_bernoulli(model.operator(s[t + 1]) / T[t], s[t])
    loss, info = walkback_loss(model, (X, key), Samples(jr.key(0)))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    forward = sum(log_bernoulli(model.operator(s[t]) / T[t], s[t + 1]) for t in range(4))
    np.testing.assert_allclose(info["chain_bound"], -expected - forward, rtol=1e-5)


def test_the_gradient_reaches_the_network_at_next_states_and_not_at_the_first():
    model = walkback(walk=2)
    walks = [[int(s @ PLACES) for s in walk_of(model, jr.key(seed))[0]] for seed in range(20)]
    seed = next(seed for seed, walk in enumerate(walks) if len(set(walk)) == 3)
    gradient = jax.grad(lambda model: model.walk(X, jr.key(seed))[0])(model).F.rows
    reached = np.flatnonzero(jnp.abs(gradient).sum(1))
    np.testing.assert_array_equal(reached, sorted(walks[seed][1:]))


@pytest.mark.parametrize("T", [0.3, 1.0, 5.0])
def test_one_step_has_the_moments_of_its_temperature(T):
    model = walkback(walk=1, temperature=T, step_size=0.25)
    logits = (0.75 * X + 0.25 * (model.F(X) + model.bias)) / T
    m = np.asarray(1 / (1 + jnp.exp(-logits)))
    np.testing.assert_allclose(jax.nn.sigmoid(model.towards_data(0, X)), m, rtol=1e-5)
    following = jax.vmap(lambda key: walk_of(model, key)[0][1])(jr.split(jr.key(3), 40_000))
    np.testing.assert_allclose(following.mean(0), m, atol=0.01)
    np.testing.assert_allclose(following.var(0), m * (1 - m), atol=0.01)


def test_the_way_back_cools_down_and_goes_on_at_the_first_temperature():
    model = walkback(walk=3, temperature=0.5, heating=2.0, extra=2)
    found = [model.operator(X) / model.towards_data(i, X) for i in range(5)]
    np.testing.assert_allclose(jnp.stack(found)[:, 0], [2.0, 1.0, 0.5, 0.5, 0.5], rtol=1e-5)


def test_the_broad_distribution_takes_on_the_mean_of_the_last_states():
    options = WalkbackOptions(walk=2, temperature=0.5, heating=2.0, step_size=0.5, hidden=(8,))
    learner = options.learner(DataSpec(1, 3, 1), Optimizer(learning_rate=1e-2), 1000)
    batch = Batch(STATES[jnp.array([1, 1, 1, 3, 4])].reshape(5, 1, 3, 1), jnp.arange(5))
    step = lambda state, key: (learner.step(state, batch, key)[0], None)  # noqa: E731
    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    model = train(learner.init(jr.key(0), batch), jr.split(jr.key(1), 1000)).model
    pictures = jnp.tile(batch.image.reshape(5, 3), (4000, 1))
    last = jax.vmap(lambda x, key: walk_of(model, key, x)[0][-1])(pictures, jr.split(jr.key(2), 20_000))
    np.testing.assert_allclose(jax.nn.sigmoid(model.prior), last.mean(0), atol=0.03)
    first = learner.init_params(jr.key(0), batch)
    assert np.abs(jax.nn.sigmoid(first.prior) - last.mean(0)).max() > 0.06

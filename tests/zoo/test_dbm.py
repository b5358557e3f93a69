"""Deep Boltzmann machines against sums over all of their states."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy.stats import chi2

from subitize.core.draws import bernoulli
from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec, HasLikelihood
from subitize.core.optimizer import Optimizer
from subitize.models.boltzmann_machine import BoltzmannMachine
from subitize.registry import trainable
from subitize.zoo import dbm as module
from subitize.zoo.dbm import DBM, DBMOptions, log_partition

VISIBLE, FIRST, SECOND = 4, 3, 2
UNITS = VISIBLE + FIRST + SECOND


def states(n: int) -> np.ndarray:
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


STATES = states(UNITS)
PICTURES = jnp.asarray(states(VISIBLE), jnp.float32)


@pytest.fixture(scope="module")
def dbm():
    """A machine whose units depend on each other."""
    dbm = DBM(jnp.linspace(0.2, 0.7, VISIBLE), (FIRST, SECOND), key=jr.key(0))
    keys = jr.split(jr.key(1), 4)
    strong = 1.5 * jr.normal(keys[0], dbm.W.shape), 1.5 * jr.normal(keys[1], dbm.U.shape)
    centred = dbm.centred[0], jr.normal(keys[2], (FIRST,)), jr.normal(keys[3], (SECOND,))
    return eqx.tree_at(lambda m: (m.W, m.U, m.centred), dbm, (*strong, centred))


def weights(dbm) -> np.ndarray:
    """exp(-E) of all states by sums over single units and connected pairs."""
    v, h, g = np.split(STATES, [VISIBLE, VISIBLE + FIRST], axis=1)
    W, U = np.asarray(dbm.W, float), np.asarray(dbm.U, float)
    b, c, d = (np.asarray(x, float) for x in dbm.biases)
    pairs = sum(W[i, j] * v[:, i] * h[:, j] for i in range(VISIBLE) for j in range(FIRST))
    pairs = pairs + sum(U[j, k] * h[:, j] * g[:, k] for j in range(FIRST) for k in range(SECOND))
    return np.exp(v @ b + h @ c + g @ d + pairs)


def probabilities(dbm) -> np.ndarray:
    return weights(dbm) / weights(dbm).sum()


def visible_log_p(dbm) -> np.ndarray:
    """Log p(v) of all v, by a sum over hidden units."""
    return np.log(probabilities(dbm).reshape(2**VISIBLE, -1).sum(1))


def exact_log_z(dbm):
    """Log Z by enumeration, as a function that can be differentiated."""
    return jax.scipy.special.logsumexp(-dbm.energy(jnp.asarray(STATES, jnp.float32)))


def drawn_from(dbm, number: int, seed: int = 0):
    rows = np.random.default_rng(seed).choice(len(STATES), number, p=probabilities(dbm))
    return jnp.asarray(STATES[rows], jnp.float32)


def small_learner(optimizer=None, **options):
    settings = DBMOptions(**({"hidden": (FIRST, SECOND), "weight_decay": 0.0} | options))
    learner = settings.learner(DataSpec(2, 2, 1), Optimizer(learning_rate=0.01), 10)
    return learner if optimizer is None else dataclasses.replace(learner, optimizer=optimizer)


def batch_of(v) -> Batch:
    return Batch(v.reshape(len(v), 2, 2, 1), jnp.arange(len(v)))


def test_energies_are_those_of_connected_pairs(dbm):
    s = jnp.asarray(STATES, jnp.float32)
    np.testing.assert_allclose(jnp.exp(-dbm.energy(s)), weights(dbm), rtol=1e-4)


def test_learned_biases_are_the_fields_of_units_whose_neighbours_are_at_their_offsets(dbm):
    first, second = jnp.full(FIRST, 0.5), jnp.full(SECOND, 0.5)
    visible_means, second_means = dbm.outer_means(first)
    found = visible_means, dbm.first_means(dbm.offset, second), second_means
    for means, field in zip(found, dbm.centred, strict=True):
        np.testing.assert_allclose(means, jax.nn.sigmoid(field), rtol=1e-4)


def general(dbm) -> BoltzmannMachine:
    """The same machine as one in which any two units may be connected."""
    W = np.zeros((UNITS, UNITS), np.float32)
    W[:VISIBLE, VISIBLE:-SECOND], W[VISIBLE:-SECOND, -SECOND:] = dbm.W, dbm.U
    b = jnp.concatenate(dbm.biases)
    return BoltzmannMachine(jnp.asarray(W + W.T), b, jnp.zeros_like(b), VISIBLE)


def test_it_is_a_general_boltzmann_machine_without_connections_within_layers(dbm):
    s, other = jnp.asarray(STATES, jnp.float32), general(dbm)
    np.testing.assert_allclose(dbm.energy(s), other.energy(s), rtol=1e-4, atol=1e-5)
    v, h, g = dbm.layers(s)
    means = jnp.concatenate([dbm.outer_means(h)[0], dbm.first_means(v, g), dbm.outer_means(h)[1]], 1)
    np.testing.assert_allclose(means, other.conditional_means(s), rtol=1e-4)
    np.testing.assert_allclose(dbm.mean_field(PICTURES, 100), other.mean_field(PICTURES), atol=1e-3)


def test_a_long_chain_draws_what_the_machine_says(dbm):
    chains = 20_000
    noise = bernoulli(jr.key(0), jnp.full((chains, UNITS), 0.5))
    s, means = jax.jit(lambda s: dbm.gibbs(s, 100, jr.key(1)))(noise)
    codes = np.asarray(s) @ (2 ** np.arange(UNITS)[::-1])
    counts = np.bincount(codes.astype(int), minlength=2**UNITS)
    expected = chains * probabilities(dbm)
    rare = expected < 5  # chi-square needs more in each class
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(1 - 1e-4, len(counts) - 1)
    np.testing.assert_allclose(means.mean(0), probabilities(dbm) @ STATES, atol=0.02)


def test_annealing_forward_and_backward_agree_with_the_exact_partition_function(dbm):
    exact = float(np.log(weights(dbm).sum()))
    forward = log_partition(dbm, jr.key(0), temperatures=20, chains=10_000)
    _, samples, _ = dbm.layers(drawn_from(dbm, 10_000))
    backward = log_partition(dbm, jr.key(1), temperatures=20, chains=10_000, samples=samples)
    for found in (forward, backward):
        assert 0 < found.error < 0.05
        assert abs(found.value - exact) < 3 * found.error
    assert forward.bound < exact < backward.bound


def test_mean_field_is_a_lower_bound_that_no_update_lowers(dbm):
    log_z, log_p = np.log(weights(dbm).sum()), visible_log_p(dbm)
    bounds = np.array([dbm.unnormalised(PICTURES, updates) - log_z for updates in (0, 1, 2, 3, 10, 50)])
    assert (bounds < log_p).all()
    assert (np.diff(bounds, axis=0) > -1e-5).all()
    assert (np.diff(bounds, axis=0)[0] > 0.01).any()
    assert (bounds[-1] > log_p - 0.5).all()


def test_without_the_second_layers_weights_mean_field_is_exact(dbm):
    alone = eqx.tree_at(lambda m: m.U, dbm, jnp.zeros((FIRST, SECOND)))
    bound = alone.unnormalised(PICTURES) - np.log(weights(alone).sum())
    np.testing.assert_allclose(bound, visible_log_p(alone), atol=1e-4)


def test_chains_at_the_machines_distribution_give_the_gradient_of_the_bound(dbm):
    """At its fixed point mean field is a maximum of the bound, so the gradient holds the means fixed."""
    learner = small_learner(optax.sgd(1.0), mean_field=50)
    v = jnp.asarray(np.random.default_rng(1).integers(0, 2, (50, VISIBLE)), jnp.float32)
    state = learner.init(jr.key(0), batch_of(v))._replace(machine=dbm, chains=drawn_from(dbm, 80_000))
    after, _ = jax.jit(learner.step)(state, batch_of(v), jr.key(1))
    exact = jax.grad(lambda m: exact_log_z(m) - m.unnormalised(v).mean())(dbm)
    found = jax.tree.map(lambda a, b: a - b, dbm, after.machine)
    for a, b in zip(*map(jax.tree.leaves, (found, exact)), strict=True):
        np.testing.assert_allclose(a, b, atol=0.006)
    assert jnp.abs(exact.U).max() > 0.05
    np.testing.assert_array_equal(after.machine.offset, dbm.offset)


def test_a_small_machine_learns_the_distribution_of_its_data():
    """Two patterns with every bit flipped in 15 % of cases: in the end log p is near minus the entropy."""
    away = np.abs(states(VISIBLE)[:, None] - np.array([[1, 1, 0, 0], [0, 0, 1, 1]])).sum(-1)
    p = (0.15**away * 0.85 ** (VISIBLE - away)).mean(1)
    learner = small_learner(optax.adam(optax.cosine_decay_schedule(0.02, 3000)))

    def step(state, key):
        v = PICTURES[jr.choice(key, len(p), (100,), p=jnp.asarray(p))]
        return learner.step(state, batch_of(v), key)[0], None

    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    first = batch_of(jnp.full((100, VISIBLE), 0.5))
    dbm = train(learner.init(jr.key(0), first), jr.split(jr.key(1), 3000)).machine
    divergence = float(p @ (np.log(p) - visible_log_p(dbm)))
    independent = VISIBLE * np.log(2) + p @ np.log(p)  # of independent units
    assert divergence < 0.05 * independent


def test_a_likelihood_is_the_mean_field_bound_less_log_z(dbm, monkeypatch):
    monkeypatch.setattr(module, "TEMPERATURES", 300)
    learner = small_learner()
    assert isinstance(learner, HasLikelihood)
    found = learner.log_likelihood(dbm, PICTURES.reshape(-1, 2, 2, 1), jr.key(0))
    assert found.kind.startswith("mean field, ais")
    assert found.direction == "stochastic"
    bound = dbm.unnormalised(PICTURES) - np.log(weights(dbm).sum())
    np.testing.assert_allclose(found.value, bound, atol=float(4 * found.error))


def test_chains_go_on_from_where_they_were(dbm):
    learner = small_learner(k=1)
    batch = batch_of(drawn_from(dbm, 16)[:, :VISIBLE])
    state = learner.init(jr.key(0), batch)._replace(machine=dbm)
    strange = state._replace(chains=1 - state.chains)
    a, b = (learner.step(s, batch, jr.key(4))[0].chains for s in (state, strange))
    assert (a != b).any()


def test_a_machine_of_three_hidden_layers_is_refused():
    with pytest.raises(UsageError, match="hidden"):
        trainable("dbm(hidden=(3, 2, 1))")

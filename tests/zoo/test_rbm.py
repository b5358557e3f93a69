"""Restricted Boltzmann machines against sums over all of their states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from subitize.core.draws import bernoulli
from subitize.core.interfaces import Batch
from subitize.models.boltzmann import RBM, log_partition, log_partition_exactly
from subitize.zoo.rbm import RBMOptions, rbm_learner

VISIBLE, HIDDEN = 6, 4


@pytest.fixture(scope="module")
def rbm():
    """A machine whose units depend on each other."""
    rbm = RBM(jnp.linspace(0.2, 0.7, VISIBLE), HIDDEN, key=jr.key(0))
    keys = jr.split(jr.key(1))
    strong = 1.5 * jr.normal(keys[0], rbm.W.shape), jr.normal(keys[1], rbm.c.shape)
    return eqx.tree_at(lambda m: (m.W, m.c), rbm, strong)


def states(n: int) -> np.ndarray:
    return np.array(np.meshgrid(*[[0.0, 1.0]] * n, indexing="ij")).reshape(n, -1).T


def probabilities(rbm) -> np.ndarray:
    """p(v) of all v, from the energies of all (v, h)."""
    v, h = states(VISIBLE), states(HIDDEN)
    W, b, c = (np.asarray(x, float) for x in (rbm.W, rbm.b, rbm.c))
    weights = np.exp(v @ b[:, None] + (h @ c)[None] + v @ W @ h.T)
    return weights.sum(1) / weights.sum()


def test_the_free_energy_and_the_partition_function_are_those_of_the_energies(rbm):
    log_p = -rbm.free_energy(jnp.asarray(states(VISIBLE))) - log_partition_exactly(rbm)
    np.testing.assert_allclose(np.exp(log_p), probabilities(rbm), rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_the_smaller_layer_is_summed_over(shape):
    visible, hidden = shape
    rbm = RBM(jnp.full(visible, 0.3), hidden, key=jr.key(3))
    by_visible = jax.scipy.special.logsumexp(-rbm.free_energy(jnp.asarray(states(visible))))
    np.testing.assert_allclose(log_partition_exactly(rbm), by_visible, rtol=1e-5)
    with pytest.raises(ValueError, match="at most 20 units"):
        log_partition_exactly(RBM(jnp.full(21, 0.5), 21, key=jr.key(0)))


def test_annealing_forward_and_backward_agree_with_the_exact_partition_function(rbm):
    exact = float(log_partition_exactly(rbm))
    base = jnp.zeros(VISIBLE)
    forward = log_partition(rbm, base, jr.key(0), temperatures=300, chains=2000)
    p = probabilities(rbm)
    drawn = np.random.default_rng(0).choice(len(p), 2000, p=p / p.sum())
    samples = jnp.asarray(states(VISIBLE)[drawn], jnp.float32)
    backward = log_partition(rbm, base, jr.key(1), temperatures=300, chains=2000, samples=samples)
    for found in (forward, backward):
        assert 0 < found.error < 0.05
        assert abs(found.value - exact) < 4 * found.error
    assert forward.bound < exact < backward.bound


def test_a_long_chain_draws_what_the_machine_says(rbm):
    v, _ = jax.jit(lambda key: rbm.gibbs(bernoulli(key, jnp.full((20_000, VISIBLE), 0.5)), 50, key))(
        jr.key(2)
    )
    codes = np.asarray(v) @ (2 ** np.arange(VISIBLE)[::-1])
    counts = np.bincount(codes.astype(int), minlength=2**VISIBLE)
    expected = 20_000 * probabilities(rbm)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < 63 + 5 * (2 * 63) ** 0.5, "five deviations of chi-square with 63 degrees of freedom"


def exact_gradient(rbm, v):
    """Of the mean of -log p(v), by the exact partition function."""
    return jax.grad(lambda m: m.free_energy(v).mean() + log_partition_exactly(m))(rbm)


def learned_gradient(rbm, v, chains, k, key):
    """By the learner: gradient descent with a rate of one moves the machine by it."""
    learner = rbm_learner(
        RBMOptions(hidden=HIDDEN, k=k, chains="persistent"), (1, VISIBLE, 1), optax.sgd(1.0)
    )
    batch = Batch(v.reshape(len(v), 1, VISIBLE, 1), jnp.arange(len(v)))
    state = learner.init(key, batch)._replace(machine=rbm, chains=chains)
    after, _ = learner.step(state, batch, key)
    return jax.tree.map(lambda a, b: a - b, rbm, after.machine)


def test_chains_at_the_machines_distribution_give_the_exact_gradient(rbm):
    rng, p = np.random.default_rng(1), probabilities(rbm)
    v = jnp.asarray(rng.integers(0, 2, (50, VISIBLE)), jnp.float32)
    chains = jnp.asarray(states(VISIBLE)[rng.choice(len(p), 200_000, p=p / p.sum())], jnp.float32)
    found, exact = learned_gradient(rbm, v, chains, 1, jr.key(0)), exact_gradient(rbm, v)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(a, b, atol=0.006)


@pytest.mark.parametrize("k", [1, 20])
def test_contrastive_divergence_is_biased_and_less_so_with_more_steps(rbm, k):
    v = jnp.asarray(np.random.default_rng(2).integers(0, 2, (50, VISIBLE)), jnp.float32)
    many = jnp.tile(v, (4000, 1))
    found, exact = learned_gradient(rbm, many, many, k, jr.key(5)), exact_gradient(rbm, v)
    bias = max(float(abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (found, exact)), strict=True))
    assert (bias > 0.02) == (k == 1)


def test_a_small_machine_learns_the_distribution_of_its_data():
    """Two patterns with every bit flipped in 15 % of cases: in the end log p is near minus the entropy."""
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    away = np.abs(states(6)[:, None] - patterns).sum(-1)
    p = (0.15**away * 0.85 ** (6 - away)).mean(1)
    learner = rbm_learner(
        RBMOptions(hidden=3, k=5), (1, 6, 1), optax.adam(optax.cosine_decay_schedule(0.02, 3000))
    )

    def step(state, key):
        v = jnp.asarray(states(6), jnp.float32)[jr.choice(key, len(p), (100,), p=jnp.asarray(p))]
        return learner.step(state, Batch(v.reshape(100, 1, 6, 1), jnp.arange(100)), key)[0], None

    first = Batch(jnp.full((100, 1, 6, 1), 0.5), jnp.arange(100))
    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    rbm = train(learner.init(jr.key(0), first), jr.split(jr.key(1), 3000)).machine
    log_p = -rbm.free_energy(jnp.asarray(states(6))) - log_partition_exactly(rbm)
    divergence = float(p @ (np.log(p) - log_p))
    independent = 6 * np.log(2) + p @ np.log(p)  # of six independent units
    assert divergence < 0.05 * independent


def test_persistent_chains_go_on_and_others_begin_at_the_data(rbm):
    v = jnp.asarray(np.random.default_rng(3).integers(0, 2, (8, VISIBLE)), jnp.float32)
    batch = Batch(v.reshape(8, 1, VISIBLE, 1), jnp.arange(8))
    frozen = []
    for chains in ("data", "persistent"):
        options = RBMOptions(hidden=HIDDEN, k=1, chains=chains)
        learner = rbm_learner(options, (1, VISIBLE, 1), optax.sgd(0.0))
        state = learner.init(jr.key(0), batch)._replace(machine=rbm)
        strange = state._replace(chains=1 - state.chains)
        a, b = (learner.step(s, batch, jr.key(4))[0].chains for s in (state, strange))
        frozen.append(bool((a == b).all()))
    assert frozen == [True, False], "those at the data forget where they were"

"""General Boltzmann machines against sums over all of their states."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy.stats import chi2

from subitize.core.draws import bernoulli
from subitize.core.interfaces import Batch, DataSpec, HasLikelihood, Sampler, Scorer
from subitize.core.optimizer import Optimizer
from subitize.models.boltzmann_machine import (
    BoltzmannMachine,
    all_states,
    log_partition,
    log_partition_exactly,
    moments_exactly,
)
from subitize.models.hopfield import Hopfield, hebb
from subitize.zoo.boltzmann_machine import BoltzmannMachineOptions, boltzmann_machine_learner

UNITS = 6


def random_machine(units: int = UNITS, visible: int | None = None, seed: int = 0):
    """A machine whose units depend on each other."""
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(units, units)), rng.normal(size=units)
    W, b = jnp.asarray(W, jnp.float32), jnp.asarray(b, jnp.float32)
    visible = units if visible is None else visible
    return BoltzmannMachine(1.5 * W, b, jnp.zeros(units), visible).symmetric()


def states(n: int) -> np.ndarray:
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def weights(machine) -> np.ndarray:
    """exp(-E(s)) of all s, by sums over pairs of units."""
    W, b, s = np.asarray(machine.W, float), np.asarray(machine.b, float), states(len(machine.b))
    pairs = itertools.combinations(range(len(b)), 2)
    return np.exp(s @ b + sum(W[i, j] * s[:, i] * s[:, j] for i, j in pairs))


def probabilities(machine) -> np.ndarray:
    return weights(machine) / weights(machine).sum()


def drawn_from(machine, number: int, seed: int = 0):
    p = probabilities(machine)
    rows = np.random.default_rng(seed).choice(len(p), number, p=p)
    return jnp.asarray(states(len(machine.b))[rows], jnp.float32)


def test_exact_sums_are_those_of_the_energies():
    machine, s = random_machine(), states(UNITS)
    p = probabilities(machine)
    np.testing.assert_allclose(log_partition_exactly(machine), np.log(weights(machine).sum()), rtol=1e-5)
    np.testing.assert_allclose(
        jnp.exp(-machine.energy(jnp.asarray(s, jnp.float32))), weights(machine), rtol=1e-4
    )
    first, second = moments_exactly(machine)
    np.testing.assert_allclose(first, p @ s, atol=1e-5)
    np.testing.assert_allclose(second, np.einsum("n,ni,nj->ij", p, s, s), atol=1e-5)
    assert sorted(map(tuple, np.asarray(all_states(4)))) == sorted(map(tuple, states(4)))
    with pytest.raises(ValueError, match="at most 20 units; there are 21"):
        all_states(21)


def test_conditional_means_are_those_of_pairs_of_states():
    machine = random_machine()
    s = jnp.asarray(states(UNITS), jnp.float32)
    for i in range(UNITS):
        on, off = (weights_of(machine, s.at[:, i].set(value)) for value in (1.0, 0.0))
        np.testing.assert_allclose(machine.conditional_means(s)[:, i], on / (on + off), rtol=1e-4)


def weights_of(machine, s):
    return jnp.exp(-machine.energy(s))


@pytest.mark.parametrize("visible", [UNITS, 4])
def test_annealing_forward_and_backward_agree_with_the_exact_partition_function(visible):
    machine = random_machine(visible=visible, seed=1)
    exact = float(np.log(weights(machine).sum()))
    forward = log_partition(machine, jr.key(0), temperatures=300, chains=2000)
    samples = drawn_from(machine, 2000)
    backward = log_partition(machine, jr.key(1), temperatures=300, chains=2000, samples=samples)
    for found in (forward, backward):
        assert 0 < found.error < 0.05
        assert abs(found.value - exact) < 3 * found.error
    assert forward.bound < exact < backward.bound


def test_the_base_of_annealing_does_not_change_what_is_found():
    machine = random_machine(seed=2)
    exact = float(np.log(weights(machine).sum()))
    elsewhere = BoltzmannMachine(machine.W, machine.b, jnp.linspace(-1, 1, UNITS), UNITS)
    found = log_partition(elsewhere, jr.key(2), temperatures=300, chains=2000)
    assert abs(found.value - exact) < 3 * found.error < 0.15


def test_the_error_of_annealing_is_that_of_repeated_estimates():
    machine = random_machine(seed=3)
    exact = float(np.log(weights(machine).sum()))
    many = jax.vmap(lambda key: log_partition(machine, key, temperatures=30, chains=200))(
        jr.split(jr.key(0), 200)
    )
    deviations = (many.value - exact) / many.error
    assert 0.8 < float(jnp.sqrt((deviations**2).mean())) < 1.25


def test_a_long_chain_draws_what_the_machine_says():
    machine, chains = random_machine(), 20_000
    noise = bernoulli(jr.key(0), jnp.full((chains, UNITS), 0.5))
    s, means = jax.jit(lambda s: machine.gibbs(s, 60, jr.key(1)))(noise)
    codes = np.asarray(s) @ (2 ** np.arange(UNITS)[::-1])
    counts = np.bincount(codes.astype(int), minlength=2**UNITS)
    expected = chains * probabilities(machine)
    rare = expected < 5  # chi-square needs more in each class
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(1 - 1e-4, len(counts) - 1)
    np.testing.assert_allclose(means.mean(0), probabilities(machine) @ states(UNITS), atol=0.02)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("diagonal", [0.0, 0.7])
def test_energies_of_a_hopfield_network_are_kept_but_for_a_constant(temperature, diagonal):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        W = hebb(jnp.asarray(rng.choice([-1.0, 1.0], (4, 10)))) + diagonal * jnp.eye(10)
        network = Hopfield(W, jnp.asarray(rng.normal(size=10)))
        machine = BoltzmannMachine.from_hopfield(network, temperature)
        s = jnp.asarray(states(10))
        difference = np.asarray(machine.energy(s) - network.energy(2 * s - 1) / temperature)
        assert np.ptp(np.asarray(machine.energy(s))) > 1
        np.testing.assert_allclose(difference, difference[0], atol=1e-10)


def test_a_cold_machine_recalls_as_its_hopfield_network():
    patterns = jnp.asarray(np.random.default_rng(1).choice([-1.0, 1.0], (4, 100)), jnp.float32)
    network = Hopfield(hebb(patterns), jnp.zeros(100))
    cold, hot = (BoltzmannMachine.from_hopfield(network, temperature) for temperature in (1e-3, 10.0))
    flipped = np.random.default_rng(2).random(patterns.shape) < 0.1
    cue = (jnp.where(flipped, -patterns, patterns) + 1) / 2
    np.testing.assert_array_equal(2 * cold.gibbs(cue, 5, jr.key(0))[0] - 1, patterns)
    assert ((2 * hot.gibbs(cue, 5, jr.key(0))[0] - 1) * patterns).mean() < 0.5


def test_with_exact_gradients_the_moments_become_those_of_the_data():
    """Of all distributions with these first and second moments, the machine has the largest entropy."""
    data = np.random.default_rng(5).dirichlet(np.ones(2**UNITS))
    s = jnp.asarray(states(UNITS), jnp.float32)
    p = jnp.asarray(data, jnp.float32)

    def cost(machine):
        return p @ machine.energy(s) + log_partition_exactly(machine)

    def step(machine, _):
        gradient = jax.grad(cost)(machine).symmetric()
        return jax.tree.map(lambda θ, g: θ - 0.5 * g, machine, gradient), None

    start = BoltzmannMachine.from_mean(p @ s, 0, key=jr.key(0))
    machine, _ = jax.jit(lambda m: jax.lax.scan(step, m, length=2000))(start)
    first, second = moments_exactly(machine)
    np.testing.assert_allclose(first, p @ s, atol=1e-3)
    np.testing.assert_allclose(second, (p[:, None] * s).T @ s, atol=1e-3)


def trained(data: np.ndarray, k: int, steps: int) -> BoltzmannMachine:
    """A machine that learned from draws of a distribution over all states of its units."""
    n = int(np.log2(len(data)))
    schedule = optax.cosine_decay_schedule(0.02, steps)
    learner = boltzmann_machine_learner(BoltzmannMachineOptions(k=k), (1, n, 1), optax.adam(schedule))
    s, p = jnp.asarray(states(n), jnp.float32), jnp.asarray(data, jnp.float32)

    def drawn(key):
        return Batch(s[jr.choice(key, len(p), (500,), p=p)].reshape(500, 1, n, 1), jnp.arange(500))

    train = jax.jit(
        lambda state, keys: jax.lax.scan(
            lambda state, key: (learner.step(state, drawn(key), key)[0], None), state, keys
        )[0]
    )
    return train(learner.init(jr.key(0), drawn(jr.key(1))), jr.split(jr.key(2), steps)).machine


def test_with_persistent_chains_the_moments_become_those_of_the_data():
    known = random_machine(seed=4)
    machine = trained(probabilities(known), 2, 2000)
    np.testing.assert_array_equal(machine.W, machine.W.T)
    np.testing.assert_array_equal(jnp.diag(machine.W), 0.0)
    for found, expected in zip(moments_exactly(machine), moments_exactly(known), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-2)


def visible_log_p(machine) -> np.ndarray:
    """Log p(v) of all v, by a sum over hidden units."""
    p = probabilities(machine).reshape(2**machine.visible, -1)
    return np.log(p.sum(1))


def test_mean_field_is_a_lower_bound_and_exact_without_hidden_units():
    for visible in (UNITS, 4):
        machine = random_machine(visible=visible, seed=6)
        bound = machine.unnormalised(jnp.asarray(states(visible), jnp.float32))
        found = np.asarray(bound) - np.log(weights(machine).sum())
        if visible == UNITS:
            np.testing.assert_allclose(found, visible_log_p(machine), atol=1e-4)
        else:
            assert (found < visible_log_p(machine)).all()
            assert (found > visible_log_p(machine) - 0.5).all()


def test_mean_field_is_a_fixed_point():
    machine = random_machine(visible=4, seed=6)
    s = machine.mean_field(jnp.asarray(states(4), jnp.float32))
    np.testing.assert_array_equal(s[:, :4], states(4))
    np.testing.assert_allclose(machine.conditional_means(s)[:, 4:], s[:, 4:], atol=1e-4)


@pytest.mark.parametrize("visible", [UNITS, 4])
def test_chains_at_the_machines_distribution_give_the_gradient_of_the_bound(visible):
    """At its fixed point mean field is a maximum of the bound, so the gradient holds μ fixed."""
    machine = random_machine(visible=visible, seed=6)
    options = BoltzmannMachineOptions(hidden=UNITS - visible)
    learner = boltzmann_machine_learner(options, (1, visible, 1), optax.sgd(1.0))
    v = jnp.asarray(np.random.default_rng(1).integers(0, 2, (50, visible)), jnp.float32)
    batch = Batch(v.reshape(50, 1, visible, 1), jnp.arange(50))
    state = learner.init(jr.key(0), batch)._replace(machine=machine, chains=drawn_from(machine, 80_000))
    after, _ = jax.jit(learner.step)(state, batch, jr.key(1))
    exact = jax.grad(lambda m: log_partition_exactly(m) - m.unnormalised(v).mean())(machine).symmetric()
    np.testing.assert_allclose(machine.W - after.machine.W, exact.W, atol=0.006)
    np.testing.assert_allclose(machine.b - after.machine.b, exact.b, atol=0.006)
    assert jnp.abs(exact.W).max() > 0.05


def small_learner(**options):
    optimizer = Optimizer(learning_rate=0.01)
    return BoltzmannMachineOptions(**options).learner(DataSpec(2, 3, 1), optimizer, 10)


@pytest.mark.parametrize("hidden", [0, 2])
def test_a_learner_makes_pictures_and_scores_them(hidden):
    learner = small_learner(hidden=hidden, k=2, burn_in=20)
    for protocol in (Sampler, Scorer, HasLikelihood):
        assert isinstance(learner, protocol)
    batch = Batch(jnp.asarray(states(6)[::2].reshape(32, 2, 3, 1), jnp.float32), jnp.arange(32))
    state, step = learner.init(jr.key(0), batch), jax.jit(learner.step)
    for i in range(3):
        state, metrics = step(state, batch, jr.key(i))
        assert all(jnp.isfinite(value) for value in metrics.values())
    sample = jax.jit(learner.sample, static_argnums=2)(learner.params(state), jr.key(3), 17)
    assert sample.shape == (17, 2, 3, 1)
    assert ((sample >= 0) & (sample <= 1)).all()
    machine = learner.params(state)
    likelihood = learner.log_likelihood(machine, batch.image, jr.key(4))
    exact = visible_log_p(machine)[::2]
    assert likelihood.kind.startswith("mean field" if hidden else "ais")
    np.testing.assert_allclose(likelihood.value, exact, atol=float(3 * likelihood.error) + 0.01)


def test_the_score_is_the_log_pseudo_likelihood():
    learner, machine = small_learner(hidden=0), random_machine(seed=7)
    s = jnp.asarray(states(6), jnp.float32)
    log_p = np.log(probabilities(machine)).reshape((2,) * 6)
    conditionals = sum(log_p - np.logaddexp.reduce(log_p, axis=i, keepdims=True) for i in range(6))
    found = learner.score(machine, Batch(s.reshape(64, 2, 3, 1), jnp.arange(64)), jr.key(0))
    np.testing.assert_allclose(found["loss"], -conditionals.mean(), rtol=1e-4)


def test_chains_go_on_from_where_they_were():
    learner = small_learner(hidden=0, k=1)
    batch = Batch(drawn_from(random_machine(), 16).reshape(16, 2, 3, 1), jnp.arange(16))
    state = learner.init(jr.key(0), batch)._replace(machine=random_machine())
    strange = state._replace(chains=1 - state.chains)
    a, b = (learner.step(s, batch, jr.key(4))[0].chains for s in (state, strange))
    assert (a != b).any()

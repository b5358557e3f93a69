"""Hopfield networks: energies that fall, patterns that stay, and how many of them a rule can hold."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.interfaces import Batch, DataSpec, Sampler, Scorer
from subitize.core.optimizer import Optimizer
from subitize.models.hopfield import Hopfield, ModernHopfield, hebb, pseudo_inverse, storkey
from subitize.zoo.hopfield import HopfieldOptions

RULES = {"hebb": hebb, "storkey": storkey, "pseudo_inverse": pseudo_inverse}


def random_patterns(number: int, units: int, seed: int = 0):
    """Patterns of independent units, each sign as likely."""
    return jnp.asarray(np.random.default_rng(seed).choice([-1.0, 1.0], (number, units)), jnp.float32)


def correlated_patterns(number: int, units: int, seed: int = 0):
    """Patterns that agree with one and the same prototype in about 80 % of their units."""
    rng = np.random.default_rng(seed)
    flips = rng.choice([-1.0, 1.0], (number, units), p=[0.2, 0.8])
    return jnp.asarray(flips * rng.choice([-1.0, 1.0], units), jnp.float32)


def unbiased(W):
    return Hopfield(W, jnp.zeros(len(W)))


def random_network(units: int, seed: int = 0):
    """Symmetric weights without a diagonal, and biases, from normal distributions."""
    rng = np.random.default_rng(seed)
    W = np.triu(rng.normal(size=(units, units)), 1)
    return Hopfield(jnp.asarray(W + W.T, jnp.float32), jnp.asarray(rng.normal(size=units), jnp.float32))


@pytest.mark.parametrize("rule", RULES)
def test_weights_are_symmetric_with_a_zero_diagonal(rule):
    W = RULES[rule](random_patterns(7, 30))
    np.testing.assert_array_equal(jnp.diag(W), 0.0)
    np.testing.assert_allclose(W, W.T, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_a_row_of_zeros_stores_nothing(rule):
    patterns = random_patterns(5, 40)
    padded = jnp.concatenate([patterns, jnp.zeros((3, 40))])
    np.testing.assert_allclose(RULES[rule](padded), RULES[rule](patterns), atol=1e-6)


def test_storkeys_rule_is_that_of_sums_over_units():
    patterns = np.asarray(random_patterns(3, 6), float)
    N, W = 6, np.zeros((6, 6))
    for ξ in patterns:
        h = np.array(
            [[sum(W[i, k] * ξ[k] for k in range(N) if k not in (i, j)) for j in range(N)] for i in range(N)]
        )
        pairs = itertools.permutations(range(N), 2)
        change = {(i, j): (ξ[i] * ξ[j] - ξ[i] * h[j, i] - h[i, j] * ξ[j]) / N for i, j in pairs}
        for (i, j), value in change.items():
            W[i, j] += value
    np.testing.assert_allclose(storkey(jnp.asarray(patterns, jnp.float32)), W, atol=1e-6)


@pytest.mark.parametrize("rule", [*RULES, "none"])
def test_the_energy_never_rises_under_asynchronous_updates(rule):
    units = 60
    network = random_network(units) if rule == "none" else unbiased(RULES[rule](random_patterns(20, units)))
    units_in_turn = jr.randint(jr.key(1), (600,), 0, units)

    def update(s, i):
        s = network.update_unit(s, i)
        return s, (s, network.energy(s))

    s = random_patterns(50, units, seed=1)
    last, (_, energies) = jax.lax.scan(update, s, units_in_turn)
    energies = np.concatenate([network.energy(s)[None], energies])
    scale = np.abs(energies).max()
    assert np.diff(energies, axis=0).max() <= 1e-6 * scale, "but for rounding"
    assert (energies[-1] < energies[0] - 0.1 * scale).any()
    recalled = network.recall(last, 50, jr.key(2))
    assert (network.energy(recalled) <= energies[-1] + 1e-6 * scale).all()
    fields = recalled @ network.W + network.b
    assert (recalled * fields >= -1e-6 * scale).all(), "a local minimum: no unit would go against its field"


def test_the_energy_is_that_of_a_sum_over_pairs():
    network = random_network(5)
    W, b = np.asarray(network.W, float), np.asarray(network.b, float)
    s = np.array(list(itertools.product([-1.0, 1.0], repeat=5)))
    pairs = list(itertools.combinations(range(5), 2))
    expected = [-sum(W[i, j] * x[i] * x[j] for i, j in pairs) - b @ x for x in s]
    np.testing.assert_allclose(network.energy(jnp.asarray(s, jnp.float32)), expected, atol=1e-5)


def test_all_units_at_once_can_alternate_where_one_after_the_other_ends():
    network = unbiased(jnp.array([[0.0, -1.0], [-1.0, 0.0]]))
    s = jnp.array([1.0, 1.0])
    np.testing.assert_array_equal(network.synchronous_step(s), -s)
    np.testing.assert_array_equal(network.synchronous_step(-s), s)
    recalled = network.recall(s, 1, jr.key(0))
    np.testing.assert_array_equal(network.synchronous_step(recalled), recalled)


def test_a_unit_without_a_field_stays_as_it_is():
    network, s = unbiased(jnp.zeros((4, 4))), jnp.array([1.0, -1.0, -1.0, 1.0])
    np.testing.assert_array_equal(network.recall(s, 2, jr.key(0)), s)
    np.testing.assert_array_equal(network.synchronous_step(s), s)


@pytest.mark.parametrize("rule", RULES)
def test_few_random_patterns_are_fixed_points(rule):
    units = 400
    patterns = random_patterns(units // 20, units)
    network = unbiased(RULES[rule](patterns))
    np.testing.assert_array_equal(network.synchronous_step(patterns), patterns)
    np.testing.assert_array_equal(network.recall(patterns, 1, jr.key(0)), patterns)


@jax.jit
def overlap_after_recall(W, patterns):
    """Mean of ξ·s/N, over the first patterns ξ and what recall makes of them."""
    cue = patterns[:30]
    return (cue * unbiased(W).recall(cue, 15, jr.key(0))).mean()


def test_hebbs_rule_forgets_everything_between_a_tenth_and_a_fifth_of_its_units():
    """In theory the overlap falls from 0.97 to about 0.35 at 0.138 N (Amit et al. 1985)."""
    units = 500
    few, many = random_patterns(units // 10, units), random_patterns(units // 5, units)
    assert overlap_after_recall(hebb(few), few) > 0.97
    assert overlap_after_recall(hebb(many), many) < 0.6


def test_storkeys_rule_holds_more_than_hebbs():
    units = 300
    patterns = random_patterns(int(0.18 * units), units)
    by_rule = {rule: overlap_after_recall(RULES[rule](patterns), patterns) for rule in ("hebb", "storkey")}
    assert by_rule["storkey"] > 0.97 > 0.8 > by_rule["hebb"]


def test_the_pseudo_inverse_holds_correlated_patterns_and_hebbs_rule_does_not():
    units = 200
    patterns = correlated_patterns(units // 2, units)
    recalled = unbiased(pseudo_inverse(patterns)).synchronous_step(patterns)
    np.testing.assert_array_equal(recalled, patterns)
    kept = (unbiased(hebb(patterns)).synchronous_step(patterns) == patterns).all(1)
    assert not kept.any()


def test_an_update_with_a_large_beta_returns_the_nearest_pattern():
    patterns, units = random_patterns(300, 50), 50
    ξ = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (200, units)), jnp.float32)
    nearest = patterns[((ξ[:, None] - patterns) ** 2).sum(-1).argmin(1)]
    np.testing.assert_allclose(ModernHopfield(patterns, jnp.array(1e4)).update(ξ), nearest, atol=1e-4)
    vague = ModernHopfield(patterns, jnp.array(1e-6)).update(ξ)
    np.testing.assert_allclose(vague, jnp.broadcast_to(patterns.mean(0), vague.shape), atol=1e-4)


def test_the_modern_energy_falls_and_its_gradient_is_what_an_update_moves():
    """By ∂E/∂ξ = ξ - X' softmax(β X ξ), an update is a step of gradient descent with a rate of one."""
    network = ModernHopfield(random_patterns(20, 10), jnp.array(0.3))
    ξ = jnp.asarray(np.random.default_rng(2).normal(size=(30, 10)), jnp.float32)
    gradient = jax.vmap(jax.grad(network.energy))(ξ)
    np.testing.assert_allclose(network.update(ξ), ξ - gradient, atol=1e-5)
    energies = []
    for _ in range(20):
        energies.append(np.asarray(network.energy(ξ)))
        ξ = network.update(ξ)
    assert np.diff(energies, axis=0).max() <= 1e-5
    assert min(map(np.min, energies)) >= -1e-5, "Ramsauer et al. (2021), theorem 1 of the appendix: E ≥ 0"


def test_an_empty_place_of_a_modern_network_attracts_nothing():
    patterns, ξ = random_patterns(4, 12), random_patterns(9, 12, seed=1)
    padded = ModernHopfield(jnp.concatenate([patterns, jnp.zeros((5, 12))]), jnp.array(0.1))
    full = ModernHopfield(patterns, jnp.array(0.1))
    np.testing.assert_allclose(padded.update(ξ), full.update(ξ), atol=1e-6)
    np.testing.assert_allclose(padded.energy(ξ), full.energy(ξ), rtol=1e-5)
    nothing = ModernHopfield(jnp.zeros((5, 12)), jnp.array(0.1))
    np.testing.assert_array_equal(nothing.update(ξ), 0.0)


SHAPE = (8, 8, 1)


def pictures(number: int, seed: int = 0) -> Batch:
    bits = (random_patterns(number, 64, seed) + 1) / 2
    return Batch(bits.reshape(number, *SHAPE), jnp.arange(number))


def learner_of(**options):
    return HopfieldOptions(**options).learner(DataSpec(*SHAPE), Optimizer(), 10)


@pytest.mark.parametrize("rule", [*RULES, "modern"])
def test_a_learner_recalls_what_it_stored_and_makes_pictures(rule):
    learner = learner_of(rule=rule, patterns=5)
    assert isinstance(learner, Sampler)
    assert isinstance(learner, Scorer)
    batch, step = pictures(3), jax.jit(learner.step)
    state = learner.init(jr.key(0), batch)
    jax.tree.map(np.testing.assert_array_equal, learner.params(state), learner.init_params(jr.key(0), batch))
    state, metrics = step(state, batch, jr.key(1))
    assert metrics["stored"] == 3
    assert metrics["loss"] < 0.02
    strange = learner.score(learner.params(state), pictures(50, seed=9), jr.key(2))
    assert strange["loss"] > 0.2
    sample = jax.jit(learner.sample, static_argnums=2)(learner.params(state), jr.key(3), 6)
    assert sample.shape == (6, *SHAPE)
    assert ((sample >= 0) & (sample <= 1)).all()


def test_a_full_memory_keeps_the_first_pictures():
    learner = learner_of(rule="pseudo_inverse", patterns=5)
    first, second, third = (pictures(3, seed) for seed in range(3))
    state = learner.init(jr.key(0), first)
    for batch in (first, second):
        state, metrics = learner.step(state, batch, jr.key(1))
    assert metrics["stored"] == 5
    shown = jnp.concatenate([first.image, second.image[:2]]).reshape(5, -1)
    np.testing.assert_array_equal(state.patterns, 2 * shown - 1)
    np.testing.assert_allclose(state.network.W, pseudo_inverse(2 * shown - 1), atol=1e-5)
    after, metrics = learner.step(state, third, jr.key(2))
    jax.tree.map(np.testing.assert_array_equal, after, state)
    assert metrics["loss"] > 0.1


def test_the_samples_of_a_modern_memory_are_pictures_that_it_stored():
    learner, batch = learner_of(rule="modern", patterns=20, beta=20.0), pictures(20)
    state, _ = learner.step(learner.init(jr.key(0), batch), batch, jr.key(1))
    sample = learner.sample(learner.params(state), jr.key(2), 100).reshape(100, 1, -1)
    distances = jnp.abs(sample - batch.image.reshape(1, 20, -1)).sum(-1)
    assert (distances.min(1) < 1e-2).mean() > 0.75, "the rest began just as near to two of them"
    assert len(set(distances.argmin(1).tolist())) > 10

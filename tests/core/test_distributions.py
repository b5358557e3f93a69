"""Distributions agree with scipy, with quadrature, and with themselves."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import integrate, stats

from subitize.core.counts import COUNT_PRIORS, Binomial, Geometric, Sticks
from subitize.core.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Gamma,
    Logistic,
    Normal,
    Stopping,
)

LOGITS = jnp.array([0.3, -1.2, 2.0])
FINITE = [Bernoulli(LOGITS), Categorical(LOGITS), Stopping(LOGITS)]


def test_normal_is_scipys():
    dist, x = Normal(jnp.array([0.2, -1.0]), jnp.array([0.5, 2.0])), np.array([0.7, 0.1])
    assert np.isclose(dist.log_prob(jnp.asarray(x)), stats.norm(dist.loc, dist.scale).logpdf(x).sum())


def test_normal_divergence_is_its_integral():
    p, q = Normal(jnp.array(0.3), jnp.array(0.5)), Normal(jnp.array(-0.4), jnp.array(1.5))
    density = stats.norm(0.3, 0.5)
    integral, _ = integrate.quad(
        lambda x: density.pdf(x) * (density.logpdf(x) - stats.norm(-0.4, 1.5).logpdf(x)), -8, 8
    )
    assert np.isclose(p.kl(q), integral)


@pytest.mark.parametrize("dist", FINITE, ids=lambda d: type(d).__name__)
def test_a_finite_distribution_sums_to_one_over_its_support(dist):
    support = dist.support()
    assert len(support) == dist.support_size == len(np.unique(np.asarray(support), axis=0))
    assert np.isclose(dist.probs().sum(), 1)
    assert np.allclose(jnp.log(dist.probs()), jax.vmap(dist.log_prob)(support))


CONTINUOUS = [
    (Logistic(jnp.array(0.3), jnp.array(1.4)), stats.logistic(0.3, 1.4)),
    (Gamma(jnp.array(1.7), jnp.array(0.6)), stats.gamma(1.7, scale=1 / 0.6)),
    (Beta(jnp.array(0.8), jnp.array(2.5)), stats.beta(0.8, 2.5)),
]


@pytest.mark.parametrize(("ours", "theirs"), CONTINUOUS, ids=lambda d: type(d).__name__)
def test_a_continuous_family_is_scipys(ours, theirs):
    value = theirs.ppf(0.3)
    assert np.isclose(ours.log_prob(jnp.asarray(value)), theirs.logpdf(value))
    assert np.isclose(ours.mean(), theirs.mean())
    draws = jax.vmap(ours.sample)(jr.split(jr.key(0), 4000))
    assert stats.kstest(np.asarray(draws), theirs.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("ours", "theirs"), CONTINUOUS, ids=lambda d: type(d).__name__)
def test_the_derivative_of_a_draw_is_the_implicit_one(ours, theirs):
    """∂z/∂φ = -(∂F/∂φ) / p(z), with scipy's cumulative distribution differenced."""
    family = {
        "Logistic": lambda a, b: stats.logistic(a, b),
        "Gamma": lambda a, b: stats.gamma(a, scale=1 / b),
    }
    of = family.get(type(ours).__name__, stats.beta)
    noise, parameters = ours.noise(jr.key(2)), [float(x) for x in jax.tree.leaves(ours)]
    z, slopes = ours.from_noise(noise), jax.grad(lambda dist: dist.from_noise(noise))(ours)
    if type(ours).__name__ == "Beta":  # two variables make one, so only the mean of the derivative is fixed
        keys = jr.split(jr.key(0), 20_000)
        cubes = jax.vmap(jax.grad(lambda dist, key: dist.sample(key) ** 3), in_axes=(None, 0))(ours, keys)
        third = lambda a, b: a * (a + 1) * (a + 2) / ((a + b) * (a + b + 1) * (a + b + 2))  # noqa: E731
        for leaf, wanted in zip(jax.tree.leaves(cubes), jax.grad(third, (0, 1))(*parameters), strict=True):
            assert abs(leaf.mean() - wanted) < 4 * leaf.std() / len(keys) ** 0.5
        return
    for i, slope in enumerate(jax.tree.leaves(slopes)):
        up, down = [[p + s * (j == i) for j, p in enumerate(parameters)] for s in (1e-5, -1e-5)]
        change = (of(*up).cdf(z) - of(*down).cdf(z)) / 2e-5
        assert np.isclose(slope, -change / theirs.pdf(z), rtol=1e-4)


def test_dirichlet_is_scipys_and_its_mean_moves_as_it_should():
    a = jnp.array([0.7, 2.0, 1.3])
    dist, value = Dirichlet(a), np.array([0.2, 0.5, 0.3])
    assert np.isclose(dist.log_prob(jnp.asarray(value)), stats.dirichlet(a).logpdf(value))
    keys = jr.split(jr.key(0), 20_000)
    slopes = jax.vmap(jax.jacobian(lambda a, key: Dirichlet(a).sample(key)), in_axes=(None, 0))(a, keys)
    wanted = jax.jacobian(lambda a: a / a.sum())(a)
    assert (jnp.abs(slopes.mean(0) - wanted) < 4.5 * slopes.std(0) / len(keys) ** 0.5).all()


def every_fall(dist):
    """Each way the coins can fall: bits, their probability, and a noise under which they fall so."""
    p = np.asarray(jax.nn.sigmoid(dist.coins().logits))
    for bits in itertools.product([0.0, 1.0], repeat=p.size):
        bits = np.array(bits)
        noise = np.where(bits == 1, 1 - p / 2, (1 - p) / 2)
        rest = np.full(jax.eval_shape(dist.noise, jr.key(0)).size - p.size, 0.5)
        yield jnp.asarray(bits), np.where(bits == 1, p, 1 - p).prod(), jnp.asarray(np.append(noise, rest))


@pytest.mark.parametrize("dist", FINITE, ids=lambda d: type(d).__name__)
def test_a_value_follows_from_its_coins_with_the_right_probability(dist):
    shares = dict.fromkeys(map(tuple, dist.support().tolist()), 0.0)
    for bits, probability, noise in every_fall(dist):
        value = dist.from_bits(bits)
        assert np.array_equal(dist.from_noise(noise), value)
        shares[tuple(value.tolist())] += probability
    assert np.allclose(list(shares.values()), dist.probs(), atol=1e-12)
    assert np.allclose(dist.mean(), dist.probs() @ dist.support(), atol=1e-12)


@pytest.mark.parametrize("dist", FINITE, ids=lambda d: type(d).__name__)
def test_a_coin_that_is_not_reached_changes_nothing(dist):
    for bits, _, _ in every_fall(dist):
        turned = [dist.from_bits(bits.at[i].set(1 - bits[i])) for i in range(bits.size)]
        changes = [float(not np.array_equal(value, dist.from_bits(bits))) for value in turned]
        assert np.array_equal(dist.active_bits(bits), changes)


@pytest.mark.parametrize("dist", FINITE, ids=lambda d: type(d).__name__)
def test_a_relaxed_value_becomes_the_value(dist):
    noise = dist.noise(jr.key(1))
    assert np.allclose(dist.relaxed(noise, jnp.asarray(1e-4)), dist.from_noise(noise), atol=1e-6)


def test_a_logistic_is_the_log_odds_of_a_relaxed_coin_of_the_same_noise():
    noise, temperature = jnp.array([0.1, 0.55, 0.8]), 0.7
    logistic = Logistic(LOGITS / temperature, jnp.full(3, 1 / temperature))
    relaxed = Bernoulli(LOGITS).relaxed(noise, jnp.asarray(temperature))
    assert np.allclose(jax.nn.sigmoid(logistic.from_noise(noise)), relaxed)


def test_the_logarithm_of_a_stopping_code_is_linear_in_it():
    a, b = FINITE[2].support()[1:3]
    halfway = FINITE[2].log_prob((a + b) / 2)
    assert np.isclose(halfway, (FINITE[2].log_prob(a) + FINITE[2].log_prob(b)) / 2)


def test_coins_are_independent_and_fair_to_their_odds():
    draws = jax.vmap(lambda key: Bernoulli(LOGITS).sample(key))(jr.split(jr.key(0), 40_000))
    assert np.allclose(draws.mean(0), jax.nn.sigmoid(LOGITS), atol=0.01)
    assert np.allclose(np.corrcoef(np.asarray(draws).T), np.eye(3), atol=0.02)


def test_stopping_is_the_product_of_its_steps():
    go = np.asarray(jax.nn.sigmoid(LOGITS))
    by_hand = [1 - go[0], go[0] * (1 - go[1]), go[0] * go[1] * (1 - go[2]), go.prod()]
    assert np.allclose(Stopping(LOGITS).probs(), by_hand)
    assert np.array_equal(Stopping(LOGITS).support()[2], [1, 1, 0])


@pytest.mark.parametrize("word", COUNT_PRIORS)
def test_a_count_prior_is_normalised(word):
    log_probs = COUNT_PRIORS[word]().log_probs(5)
    assert log_probs.shape == (6,)
    assert np.isclose(jnp.exp(log_probs).sum(), 1)


@pytest.mark.parametrize(
    ("prior", "value"), [(Geometric, 0.0), (Geometric, 1.5), (Binomial, 0.0), (Binomial, 1.0)]
)
def test_a_prior_needs_a_probability(prior, value):
    with pytest.raises(ValueError, match="lies in"):
        prior(value)


def test_breaking_sticks_leaves_what_the_prior_says():
    α, most = 1.7, 4
    shares = np.random.default_rng(0).beta(1, α, (200_000, most))
    left = np.cumprod(1 - shares, 1)
    pieces = np.column_stack([shares[:, 0], shares[:, 1:] * left[:, :-1], left[:, -1]])
    error = pieces.std(0) / len(pieces) ** 0.5
    assert np.all(np.abs(pieces.mean(0) - np.exp(Sticks(α).log_probs(most))) < 5 * error)


def test_the_likeliest_concentration_is_the_mean_count():
    counts = np.array([0, 1, 1, 5, 2])

    def surprise(log_concentration):
        prior = eqx.tree_at(lambda p: p.log_concentration, Sticks(1.0, learned=True), log_concentration)
        return -prior.log_probs(50)[counts].sum()

    slope = jax.grad(surprise)
    assert abs(slope(jnp.log(counts.mean()))) < 1e-4
    assert slope(jnp.log(counts.mean() * 1.1)) > 0 > slope(jnp.log(counts.mean() / 1.1))


@pytest.mark.parametrize("learned", [False, True])
def test_a_concentration_follows_the_gradient_only_if_it_is_learned(learned):
    slopes = jax.grad(lambda prior: prior.log_probs(4)[2])(Sticks(1.7, learned))
    assert bool(slopes.log_concentration != 0) == learned


@pytest.mark.parametrize("concentration", [0, -1.0])
def test_a_stick_needs_a_concentration(concentration):
    with pytest.raises(ValueError, match="above 0"):
        Sticks(concentration)


def test_count_priors_are_what_they_are_called():
    assert np.allclose(jnp.exp(Binomial(0.3).log_probs(4)), stats.binom(4, 0.3).pmf(range(5)))
    assert np.allclose(jnp.diff(Geometric(0.01).log_probs(4)), np.log(0.01))

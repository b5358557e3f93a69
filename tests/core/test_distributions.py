"""Distributions agree with scipy, with quadrature, and with themselves."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import integrate, stats

from subitize.core.counts import COUNT_PRIORS, Binomial, Geometric
from subitize.core.distributions import Bernoulli, Categorical, Normal, Stopping

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


@pytest.mark.parametrize("dist", FINITE[1:], ids=lambda d: type(d).__name__)
def test_transport_of_even_noise_has_the_right_shares(dist):
    noise = (jnp.arange(40_000) + 0.5) / 40_000
    values = jax.vmap(dist.transport)(noise)
    shares = [float((values == value).all(-1).mean()) for value in dist.support()]
    assert np.allclose(shares, dist.probs(), atol=1e-4)


def test_coins_are_independent_and_fair_to_their_odds():
    draws = jax.vmap(lambda key: Bernoulli(LOGITS).sample(key))(jr.split(jr.key(0), 40_000))
    assert np.allclose(draws.mean(0), jax.nn.sigmoid(LOGITS), atol=0.01)
    assert np.allclose(np.corrcoef(np.asarray(draws).T), np.eye(3), atol=0.02)


def test_a_relaxed_coin_becomes_the_coin():
    noise = Bernoulli(LOGITS).noise(jr.key(1))
    cold = Bernoulli(LOGITS).relaxed(noise, jnp.asarray(1e-4))
    assert np.allclose(cold, Bernoulli(LOGITS).transport(noise), atol=1e-6)


def test_stopping_is_the_product_of_its_steps():
    go = np.asarray(jax.nn.sigmoid(LOGITS))
    by_hand = [1 - go[0], go[0] * (1 - go[1]), go[0] * go[1] * (1 - go[2]), go.prod()]
    assert np.allclose(Stopping(LOGITS).probs(), by_hand)
    assert np.array_equal(Stopping(LOGITS).support()[2], [1, 1, 0])


@pytest.mark.parametrize("word", COUNT_PRIORS)
def test_a_count_prior_is_normalised(word):
    assert np.isclose(jnp.exp(COUNT_PRIORS[word]().log_probs(5)).sum(), 1)


def test_count_priors_are_what_they_are_called():
    assert np.allclose(jnp.exp(Binomial(0.3).log_probs(4)), stats.binom(4, 0.3).pmf(range(5)))
    assert np.allclose(jnp.diff(Geometric(0.01).log_probs(4)), np.log(0.01))

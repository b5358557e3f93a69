"""Infusion training against closed forms."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.draws import Samples, bernoulli
from subitize.core.interfaces import Batch
from subitize.zoo.infusion import Infusion, InfusionOptions, infused, infusion_loss

STATES = (jnp.arange(8)[:, None] >> jnp.arange(3)[::-1] & 1).astype(jnp.float32)  # all pictures of three bits
X = STATES[5]


def infusion(**options) -> Infusion:
    """A model whose weights matter."""
    model = Infusion(InfusionOptions(hidden=(4,), **options), Batch(STATES, jnp.arange(8)), key=jr.key(0))
    return jax.tree.map(lambda w: w + 0.5 * jr.normal(jr.key(w.size), w.shape), model)


def log_bernoulli(logits, x):
    return -(jax.nn.softplus(logits) - x * logits).sum(-1)


@pytest.mark.parametrize("α", [0.0, 0.3, 1.0])
def test_pixels_are_mixed_with_those_of_the_picture(α):
    p = jnp.array([1e-30, 0.2, 0.7, 0.99, 0.5])
    x = jnp.array([1.0, 0.0, 1.0, 0.0, 1.0])
    q = infused(jnp.log(p) - jnp.log1p(-p), x, α)
    np.testing.assert_allclose(jax.nn.sigmoid(q.logits), α * x + (1 - α) * p, atol=1e-6)


def test_a_rate_of_one_gives_the_picture_itself_and_all_terms_in_closed_form():
    model = infusion(T=3, infusion=1.0)
    log_p = [log_bernoulli(model.prior, X)] + [log_bernoulli(model.towards_data(i, X), X) for i in range(3)]
    loss, info = infusion_loss(model, (X, jr.key(1)), Samples(jr.key(0)))
    np.testing.assert_allclose(info["chain_bound"], sum(log_p), rtol=1e-5)
    weighted = log_p[0] + (1 * log_p[1] + 2 * log_p[2] + 3 * log_p[3]) / 3
    np.testing.assert_allclose(loss, -weighted, rtol=1e-5)


def test_a_rate_of_zero_is_the_plain_chain():
    model, key = infusion(T=4, infusion=0.0, growth=0.0), jr.key(2)
    logits = model.prior
    for i in range(4):
        logits = model.towards_data(i, bernoulli(jr.fold_in(key, i), jax.nn.sigmoid(logits)))
    _, log_weight = model.infuse(X, key)
    np.testing.assert_allclose(log_weight, log_bernoulli(logits, X), rtol=1e-5)


def test_the_rate_grows_with_every_step():
    """At 0, ½, 1 the last state before the picture is the picture, and the first is not."""
    model = infusion(T=3, infusion=0.0, growth=0.5)
    model = jax.tree.map(jnp.zeros_like, model)  # every p_t is a half
    log_weights = jax.vmap(lambda key: model.infuse(X, key)[1])(jr.split(jr.key(3), 20_000))
    agree = 3 * (0.75 * np.log(0.5 / 0.75) + 0.25 * np.log(0.5 / 0.25))  # of z_1: the rate is ½
    expected = agree + 3 * np.log(0.5 / 1.0) + 3 * np.log(0.5)
    np.testing.assert_allclose(log_weights.mean(), expected, atol=0.02)


def test_at_fixed_q_the_gradient_of_the_bound_is_that_of_the_loss_with_the_rate_as_weight():
    logits, α = jnp.array([0.3, -2.0, 1.0]), 0.3
    q = jnp.exp(jax.vmap(infused(logits, X, α).log_prob)(STATES))
    np.testing.assert_allclose(q.sum(), 1, rtol=1e-5)
    of_bound = jax.grad(lambda logits: q @ log_bernoulli(logits, STATES))(logits)
    np.testing.assert_allclose(of_bound, α * jax.grad(log_bernoulli)(logits, X), rtol=1e-4)


def test_draws_have_no_gradient():
    """The gradient at the prior is that of -log p(x) alone, whatever it does to the chain."""
    model = infusion(T=3, infusion=0.3)
    gradient = jax.grad(lambda model: model.infuse(X, jr.key(4))[0])(model)
    np.testing.assert_allclose(gradient.prior, jax.nn.sigmoid(model.prior) - X, rtol=1e-4, atol=1e-6)

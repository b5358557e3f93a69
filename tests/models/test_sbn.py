"""A sigmoid belief network small enough to sum over: its joint is one, its gradients are those of the sum."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Bernoulli
from subitize.gradients import expectation
from subitize.models.sbn import SBN, negative_concrete_elbo, negative_elbo, negative_mean_elbo

MODEL = SBN(jnp.array([0.2, 0.7, 0.0]), (2, 2), key=jr.key(0))
X = jnp.array([1.0, 0.0, 1.0])
PATTERNS = [jnp.array(p, float) for p in itertools.product([0, 1], repeat=2)]


def test_the_joint_sums_to_one():
    images = [jnp.array(p, float) for p in itertools.product([0, 1], repeat=3)]
    total = sum(
        jnp.exp(MODEL.log_joint(x, [a, b])) for x in images for a, b in itertools.product(PATTERNS, repeat=2)
    )
    assert np.isclose(total, 1)


def outcomes(model):
    """Log-probabilities under q of all hidden values, and their costs, nothing held fixed."""
    found = []
    for a, b in itertools.product(PATTERNS, repeat=2):
        first, second = Bernoulli(model.up[0](model.centred(X))), Bernoulli(model.up[1](2 * a - 1))
        log_q = first.log_prob(a) + second.log_prob(b)
        found.append((log_q, log_q - model.log_joint(X, [a, b])))
    return map(jnp.array, zip(*found, strict=True))


def summed(model, objective):
    """The objective by summing over all hidden values, of two particles where it weighs them."""
    log_q, costs = outcomes(model)
    if objective == "mean":
        return jnp.exp(log_q) @ costs
    pairs = -jnp.logaddexp(-costs[:, None], -costs) + jnp.log(2)
    return jnp.exp(log_q) @ pairs @ jnp.exp(log_q)


MEAN = ("exact", "disarm", "rebar", "muprop", "local", "rloo(k=2)")
CASES = [(negative_mean_elbo, word, "mean") for word in MEAN]
CASES += [(negative_elbo, "exact", "mean"), (negative_elbo, "vimco", "iwae(k=2)")]


@pytest.mark.parametrize(("cost", "word", "objective"), CASES)
def test_estimators_agree_with_the_sum(cost, word, objective):
    loss = expectation(cost, word, objective)
    memory = loss.init(MODEL, X, jr.key(0))
    batch = jnp.broadcast_to(X, (4000, 3))
    run = jax.jit(jax.value_and_grad(lambda model, key: loss(model, memory, batch, key)[0]))
    found = [run(MODEL, key) for key in jr.split(jr.key(1), 12)]
    wanted = jax.value_and_grad(summed)(MODEL, objective)
    for leaves in zip(*map(jax.tree.leaves, [wanted, *found]), strict=True):
        draws = jnp.stack(leaves[1:])
        error = draws.std(0, ddof=1) / len(found) ** 0.5
        assert (jnp.abs(draws.mean(0) - leaves[0]) < 6 * error + 1e-9).all()


def test_the_concrete_bound_is_one_of_its_own_and_reaches_every_weight():
    loss = expectation(negative_concrete_elbo)
    batch = jnp.broadcast_to(X, (64, 3))
    gradient = jax.grad(lambda model: loss(model, {"h1": None, "h2": None}, batch, jr.key(0))[0])(MODEL)
    for name, leaf in zip(("up", "down"), (gradient.up, gradient.down), strict=True):
        assert all(bool(jnp.any(part != 0)) for part in jax.tree.leaves(leaf)), name
    assert not jnp.any(gradient.pixel_means)


def test_a_dream_has_the_shape_of_an_image():
    assert MODEL.dream(jr.key(0)).shape == (3,)

"""A sigmoid belief network small enough to sum over: its joint is one, its gradients are those of the sum."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Bernoulli
from subitize.gradients import expectation
from subitize.models.sbn import SBN, negative_concrete_elbo, negative_elbo, negative_mean_elbo

MODEL = eqx.tree_at(
    lambda model: model.prior,
    jax.jit(lambda key: SBN(jnp.array([0.2, 0.7, 0.0]), (2, 2), key=key))(jr.key(0)),
    jnp.array([0.4, -0.9]),
)
X = jnp.array([1.0, 0.0, 1.0])
PATTERNS = [jnp.array(p, float) for p in itertools.product([0, 1], repeat=2)]


def test_the_joint_sums_to_one():
    images = [jnp.array(p, float) for p in itertools.product([0, 1], repeat=3)]
    hidden = list(itertools.product(PATTERNS, repeat=2))
    joint = eqx.filter_jit(MODEL.log_joint)
    assert np.isclose(sum(np.exp(joint(x, [a, b])) for x in images for a, b in hidden), 1)


def test_pixels_of_which_nothing_is_said_are_lit_as_often_as_in_the_mean_picture():
    mute = eqx.tree_at(lambda m: m.down, MODEL, replace_fn=lambda down: jax.tree.map(jnp.zeros_like, down))
    np.testing.assert_allclose(jax.nn.sigmoid(mute.pixels_given(PATTERNS[1]).logits), [0.2, 0.7, 0.001])


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
    state = loss.init(MODEL, X, jr.key(0))
    batch = jnp.broadcast_to(X, (4000, 3))
    run = jax.jit(jax.value_and_grad(lambda model, key: loss(model, state, batch, key)[0]))
    found = [run(MODEL, key) for key in jr.split(jr.key(1), 12)]
    wanted = jax.jit(jax.value_and_grad(summed), static_argnums=1)(MODEL, objective)
    for leaves in zip(*map(jax.tree.leaves, [wanted, *found]), strict=True):
        draws = np.stack(leaves[1:])
        error = draws.std(0, ddof=1) / len(found) ** 0.5
        assert (np.abs(draws.mean(0) - leaves[0]) < 6 * error + 1e-9).all()


class Given:
    """A draw of these values, whatever they are drawn from."""

    def __init__(self, first, second):
        self.values = {"h1": jnp.array(first), "h2": jnp.array(second)}

    def __call__(self, name, dist):
        return self.values[name]

    def at(self, step):
        return self


def test_the_mean_bound_is_the_bound_without_the_direct_gradient_of_q():
    draw = Given([1.0, 0.0], [0.0, 1.0])
    costs = negative_elbo, negative_mean_elbo
    whole, less = (jax.jit(jax.value_and_grad(lambda m, c=cost: c(m, X, draw)))(MODEL) for cost in costs)
    assert whole[0] == less[0]
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(whole[1].up))
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(less[1].up))
    assert eqx.tree_equal((whole[1].down, whole[1].prior), (less[1].down, less[1].prior))


def test_the_concrete_bound_of_a_draw_is_that_of_the_paper():
    """λ e^(a - λz) / (1 + e^(a - λz))² is the density of z = (a + logistic noise) / λ."""

    def log_density(z, a, temperature):
        z, a = np.asarray(z), np.asarray(a)
        return np.sum(np.log(temperature) + a - temperature * z - 2 * np.logaddexp(0, a - temperature * z))

    first, second = [0.3, -1.2], [2.1, 0.4]
    codes = [jnp.tanh(jnp.array(z) / 2) for z in (first, second)]  # 2 σ(z) - 1
    log_q = log_density(first, MODEL.up[0](MODEL.centred(X)), 2 / 3)
    log_q += log_density(second, MODEL.up[1](codes[0]), 2 / 3)
    log_p = log_density(first, MODEL.down[1](codes[1]), 1 / 2) + log_density(second, MODEL.prior, 1 / 2)
    log_p += MODEL.pixels_given((codes[0] + 1) / 2).log_prob(X)
    assert np.isclose(negative_concrete_elbo(MODEL, X, Given(first, second)), log_q - log_p)


def test_the_concrete_bound_is_one_of_its_own_and_reaches_every_weight():
    loss = expectation(negative_concrete_elbo)
    batch = jnp.broadcast_to(X, (64, 3))
    cost = lambda model: loss(model, {"h1": None, "h2": None}, batch, jr.key(0))[0]  # noqa: E731
    gradient = jax.jit(jax.grad(cost))(MODEL)
    for name, leaf in zip(("up", "down"), (gradient.up, gradient.down), strict=True):
        assert all(bool(jnp.any(part != 0)) for part in jax.tree.leaves(leaf)), name
    assert not jnp.any(gradient.pixel_means)


def test_a_sample_has_the_shape_of_an_image():
    assert MODEL.sample_prior(jr.key(0)).shape == (3,)

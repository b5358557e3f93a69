"""Laws of the estimators: what one promises is checked exactly, by integrating over its own noise.

No Monte Carlo: every noise that a site consumes is a uniform or a standard normal, so its expectation is a
sum over cells of the unit interval (between the points where a draw changes its value) or over the nodes
of a Gauss rule. Estimators that are smooth inside a cell, rather than constant, get many nodes per cell.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Bernoulli, Categorical, Normal, Stopping
from subitize.gradients import ESTIMATORS, OBJECTIVES, expectation
from subitize.gradients.draw import KeyNoise
from subitize.gradients.estimator import AbstractEstimator, Estimate
from subitize.gradients.toys import HERMITE_NODES, TOYS, assignments, exact

X = jnp.asarray(0.7)
PRECISION = 1e-10
LEGENDRE_NODES = 28
TOY = {toy.name: toy for toy in TOYS}
OPTIONS = {"rloo": "rloo(k=2)", "nvil": "nvil(hidden=3)"}  # small enough to integrate over
WORDS = [OPTIONS.get(word, word) for word in ESTIMATORS if word != "pathwise"]


class TableNoise(eqx.Module):
    """Noise given in advance: for each site an array [particles, samples, *noise]."""

    table: dict

    def split(self, particles):
        return self

    def __call__(self, name, dist, samples, step=None):
        noise = self.table[name]
        return noise if step is None else noise[:, step]


def cumulative(dist):
    """Where the noise of each coordinate makes the draw change, as a list per coordinate."""
    if isinstance(dist, Bernoulli):
        return [[float(q)] for q in np.ravel(jax.nn.sigmoid(-dist.logits))]
    assert isinstance(dist, Categorical | Stopping)
    return [list(np.cumsum(dist.probs())[:-1])]


def rule(breaks, nodes):
    """Nodes and weights on (0, 1), Gauss-Legendre in each cell."""
    edges = np.concatenate([[0.0], np.unique(breaks), [1.0]])
    x, w = np.polynomial.legendre.leggauss(nodes)
    t, width = (x + 1) / 2, np.diff(edges)[:, None]
    step, slope = t**3 * (10 - 15 * t + 6 * t**2), 30 * t**2 * (1 - t) ** 2  # tames powers at the ends
    if nodes == 1:
        step, slope = t, np.ones(1)
    return (edges[:-1, None] + width * step).ravel(), (width * slope * w / 2).ravel()


def site_rules(toy, nodes):
    """For each site, a quadrature rule for every coordinate of its noise, and the noise's shape."""
    dists = {}
    for draw in assignments(toy, X):
        for name, dist in draw.dists.items():
            dists.setdefault(name, []).append(dist)
    rules = {}
    for name, seen in dists.items():
        shape = jax.eval_shape(seen[0].noise, jr.key(0)).shape
        if isinstance(seen[0], Normal):
            x, w = np.polynomial.hermite_e.hermegauss(HERMITE_NODES)
            rules[name] = [(x, w / w.sum())], shape
        else:
            breaks = zip(*map(cumulative, seen), strict=True)
            rules[name] = [rule(np.concatenate(b), nodes) for b in breaks], shape
    return rules


def all_noise(toy, loss, memory, nodes=1):
    """Every combination of nodes of every noise, stacked, with the product of the weights."""
    estimators, _ = loss.sites(toy.model, X)
    axes, places = [], {}
    for name, (rules, shape) in site_rules(toy, nodes).items():
        samples = getattr(estimators[name], "samples", 1)
        start = len(axes)
        axes += rules * (loss.objective.k * samples)
        places[name] = slice(start, len(axes)), (loss.objective.k, samples, *shape)
    points = np.array(list(itertools.product(*(x for x, _ in axes))))
    weights = np.array(list(itertools.product(*(w for _, w in axes)))).prod(1)
    table = {name: jnp.asarray(points[:, s].reshape(-1, *shape)) for name, (s, shape) in places.items()}
    return TableNoise(table), jnp.asarray(weights)


def integrated(toy, policy, objective="mean", nodes=1, cost=None):
    """Exact expectation of an estimator's value and gradient, and all its gradients with their weights."""
    loss = expectation(cost or toy.cost, policy, objective)
    memory = jax.tree.map(lambda leaf: leaf + 0.1, loss.init(toy.model, X, jr.key(0)))
    noise, weights = all_noise(toy, loss, memory, nodes)

    def one(noise):
        batch = jax.tree.map(lambda leaf: leaf[None], (X, noise))
        run = jax.value_and_grad(lambda m: loss.with_noise(m, memory, *batch), has_aux=True)
        (value, _), gradient = run(toy.model)
        return value, gradient

    values, gradients = jax.jit(jax.vmap(one))(noise)
    return weights @ values, weights @ gradients, (weights, gradients)


def truth(toy, objective="mean(k=1)"):
    name, k = objective.rstrip(")").split("(k=")
    return jax.value_and_grad(exact(toy, X, OBJECTIVES[name](k=int(k))))(toy.model)


def serves(word, toy):
    """Whether an estimator can serve every finite site of a toy, and all that follow it."""
    try:
        expectation(toy.cost, word, "iwae(k=2)").init(toy.model, X, jr.key(0))
    except Exception:
        return False
    return True


def nodes_of(word):
    return LEGENDRE_NODES if ESTIMATORS[word.split("(")[0]]().relaxes else 1


PAIRS = [(w, t) for w in WORDS for t in TOY if serves(w, TOY[t]) and w != "vimco"]
PAIRS = [(w, t) for w, t in PAIRS if not (nodes_of(w) > 1 and t == "mixed")]


def test_every_estimator_is_under_the_law():
    assert {word.split("(")[0] for word, _ in PAIRS} | {"vimco", "pathwise"} == set(ESTIMATORS)


@pytest.mark.parametrize(("word", "name"), PAIRS)
def test_unbiased_means_the_mean_is_right(word, name):
    value, gradient, _ = integrated(TOY[name], word, nodes=nodes_of(word))
    true_value, true_gradient = truth(TOY[name])
    assert abs(value - true_value) < PRECISION
    assert jnp.abs(gradient - true_gradient).max() < PRECISION


@pytest.mark.parametrize("word", ["exact", "score", "rloo(k=2)", "vimco", "vimco(mean='arithmetic')"])
@pytest.mark.parametrize("objective", ["iwae(k=2)", "iwae(k=3)", "mean(k=2)"])
@pytest.mark.parametrize("name", ["coins", "two dependent"])
def test_any_estimator_serves_any_objective(word, objective, name):
    if "rloo" in word and "k=3" in objective:
        objective = "iwae(k=2)"
    value, gradient, _ = integrated(TOY[name], word, objective)
    true_value, true_gradient = truth(TOY[name], objective)
    assert abs(value - true_value) < PRECISION
    assert jnp.abs(gradient - true_gradient).max() < PRECISION


@pytest.mark.parametrize(
    "policy",
    [
        {"first": "exact", "second": "rloo(k=2)", "third": "nvil(hidden=3)"},
        {"first": "score", "*": "exact"},
        {"first": "rloo(k=3)", "second": "exact", "third": "ema"},
    ],
    ids=str,
)
def test_estimators_mix(policy):
    value, gradient, _ = integrated(TOY["three dependent"], policy)
    true_value, true_gradient = truth(TOY["three dependent"])
    assert abs(value - true_value) < PRECISION
    assert jnp.abs(gradient - true_gradient).max() < PRECISION


@pytest.mark.parametrize(
    "policy", [{"first": "exact", "second": "rebar"}, {"first": "rebar", "second": "score"}], ids=str
)
def test_rebar_mixes(policy):
    value, gradient, _ = integrated(TOY["two dependent"], policy, nodes=LEGENDRE_NODES)
    true_value, true_gradient = truth(TOY["two dependent"])
    assert abs(value - true_value) < PRECISION
    assert jnp.abs(gradient - true_gradient).max() < PRECISION


def test_a_continuous_site_may_be_scored():
    policy = {"z": "score", "b": "exact", "w": "pathwise"}

    def polynomial(θ, x, draw):
        z = draw("z", Normal(θ[0], jnp.exp(0.3 * θ[1])))
        b = draw("b", Bernoulli(θ[2] + 0.1))
        w = draw("w", Normal(θ[1] * b, 1.0 + b))
        return (z - b + 0.3 * w) ** 2

    toy = TOY["mixed"]._replace(cost=polynomial)
    _, gradient, _ = integrated(toy, policy)
    assert jnp.abs(gradient - truth(toy)[1]).max() < PRECISION


def test_exact_has_no_variance_and_leave_one_out_less_than_none():
    def variance(word):
        _, mean, (weights, gradients) = integrated(TOY["coins"], word)
        return float(weights @ jnp.sum((gradients - mean) ** 2, -1))

    assert variance("exact") < 1e-20
    assert variance("rloo(k=2)") < variance("score")


@pytest.mark.parametrize(("t", "score", "rloo"), [(0.45, 1.594e-2, 6.25e-4), (0.499, 1.5625e-2, 2.5e-7)])
def test_closed_form_variances_of_one_coin(t, score, rloo):
    """One coin at p = 1/2 with cost (b - t)²: variances derived by hand for one draw and for two."""
    toy = TOY["coins"]._replace(
        cost=lambda θ, x, draw: (draw("b", Bernoulli(θ)) - t) ** 2, model=jnp.asarray(0.0), sites=("b",)
    )
    for word, expected in [("score", score), ("rloo(k=2)", rloo)]:
        _, mean, (weights, gradients) = integrated(toy, word)
        assert np.isclose(weights @ (gradients - mean) ** 2, expected, rtol=2e-3)


@pytest.mark.parametrize("word", ["rloo(k=2)", "vimco", "exact"])
def test_a_constant_in_the_cost_changes_nothing(word):
    toy, objective = TOY["two dependent"], "mean(k=2)" if word == "vimco" else "mean"
    shifted = lambda θ, x, draw: toy.cost(θ, x, draw) + 5.0  # noqa: E731
    _, _, (_, gradients) = integrated(toy, word, objective)
    _, _, (_, moved) = integrated(toy, word, objective, cost=shifted)
    assert jnp.allclose(gradients, moved, atol=1e-10)


def test_the_memory_of_rebar_descends_its_own_variance():
    toy = TOY["coins"]
    loss = expectation(toy.cost, "rebar")
    memory = loss.init(toy.model, X, jr.key(0))
    noise, _ = all_noise(toy, loss, memory, LEGENDRE_NODES)

    def coins(φ, x, draw):
        return toy.cost(jax.lax.stop_gradient(φ), x, lambda name, _: draw(name, Bernoulli(φ)))

    def local_square(memory, noise):
        """|g|², without the direct gradient of the cost in the model."""
        bare = expectation(coins, "rebar")
        return jnp.sum(jax.grad(lambda φ: bare.with_noise(φ, memory, X[None], noise)[0])(toy.model) ** 2)

    def difference(noise, name, step=1e-5):
        moved = [
            eqx.tree_at(lambda m: getattr(m["b"], name), memory, replace_fn=lambda x, s=s: x + s)
            for s in (step, -step)
        ]
        return (local_square(moved[0], noise) - local_square(moved[1], noise)) / (2 * step)

    def library(noise):
        return jax.grad(lambda m: loss.with_noise(toy.model, m, X[None], noise)[0])(memory)["b"]

    noise = jax.tree.map(lambda leaf: leaf[::97, None], noise)
    found = jax.vmap(library)(noise)
    for name in ("log_temperature", "coefficient"):
        wanted = jax.vmap(lambda noise, name=name: difference(noise, name))(noise)
        assert jnp.abs(wanted).max() > 1e-3
        assert jnp.allclose(wanted, getattr(found, name), atol=1e-8)


def test_canary_a_biased_estimator_breaks_the_law(monkeypatch):
    class StraightThrough(AbstractEstimator):
        word, unbiased, needs_slopes = "st", False, True

        def estimate(self, memory, site):
            p = jax.nn.sigmoid(site.dist.logits)
            return Estimate(Bernoulli(site.slopes[0] * p * (1 - p)), jnp.ones(1))

    monkeypatch.setitem(ESTIMATORS, "st", StraightThrough)
    _, gradient, _ = integrated(TOY["coins"], "st")
    assert jnp.abs(gradient - truth(TOY["coins"])[1]).max() > 1e-3


@pytest.mark.parametrize("word", [*WORDS, "vimco"])
def test_jit_and_batch_change_nothing(word):
    toy = TOY["coins"]
    loss = expectation(toy.cost, word, "iwae(k=3)") if word == "vimco" else expectation(toy.cost, word)
    if not serves(word, toy):
        pytest.skip("not defined on coins")
    memory = loss.init(toy.model, X, jr.key(0))
    batch, key = jnp.linspace(-1, 1, 5), jr.key(3)
    run = jax.value_and_grad(lambda m: loss(m, memory, batch, key)[0])
    plain, jitted = run(toy.model), jax.jit(run)(toy.model)
    assert jnp.allclose(plain[1], jitted[1], atol=1e-12)
    singles = [
        jax.grad(
            lambda m, i=i: loss.with_noise(m, memory, batch[i : i + 1], KeyNoise(jr.fold_in(key, i)[None]))[0]
        )(toy.model)
        for i in range(5)
    ]
    assert jnp.allclose(jnp.stack(singles).mean(0), plain[1], atol=1e-12)

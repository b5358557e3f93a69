"""Laws of the estimators: what one promises is checked exactly, by integrating over its own noise.

No Monte Carlo: every noise that a site consumes is a uniform or a standard normal, so its expectation is a
sum over cells of the unit interval (between the points where a draw changes its value) or over the nodes
of a Gauss rule. Estimators that are smooth inside a cell, rather than constant, get many nodes per cell.
"""

import dataclasses
import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import expit

from subitize.core.distributions import Bernoulli, Categorical, Normal
from subitize.core.errors import UsageError
from subitize.core.specs import from_spec
from subitize.gradients import ESTIMATORS, OBJECTIVES, Rebar, expectation
from subitize.gradients.draw import KeyNoise
from subitize.gradients.expectation import discover
from subitize.gradients.policy import assign
from subitize.gradients.toys import HERMITE_NODES, TOYS, Toy, assignments, exact, forced

X = jnp.asarray(0.7)
PRECISION = 1e-10
LEGENDRE_NODES = 28
TOY = {toy.name: toy for toy in TOYS}
SMALL = {  # small enough to integrate over
    "rloo": "rloo(k=2)",
    "nvil": "nvil(hidden=3)",
    "muprop": "muprop(hidden=3)",
    "relax": "relax(hidden=3)",
    "black_box": "black_box(hidden=3)",
    "gumbel_rao": "gumbel_rao(k=2)",
}
MORE = ["rebar(coupled=False)", "sum_sample(k=2)", "unordered(k=3)", "vimco(mean='arithmetic')"]
WORDS = [SMALL.get(word, word) for word in ESTIMATORS] + MORE
UNBIASED = [word for word in WORDS if from_spec(word, ESTIMATORS, "estimator").unbiased]
BIASED = [word for word in WORDS if word not in UNBIASED]
SMOOTH = ("rebar", "relax", "black_box")  # in their uniforms; others are constant there, or linear


class TableNoise(eqx.Module):
    """Noise given in advance: for each site an array [particles, samples, *noise]."""

    table: dict

    def split(self, particles):
        return self

    def __call__(self, name, dist, samples, step=None):
        noise = self.table[name]
        return noise if step is None else noise[:, step]


def named(word):
    """The word without its options."""
    return word.split("(")[0]


def breaks_of(dist, words):
    """Where each coordinate of a site's noise makes something change, as a list per coordinate."""
    p = expit(np.ravel(dist.coins().logits))
    breaks = [[1 - q] for q in p]
    if any(named(word) in ("arm", "disarm") for word in words):  # the mirror image changes too
        breaks = [[1 - q, q] for q in p]
    for word in words:
        if named(word) == "sum_sample":
            k = from_spec(word, ESTIMATORS, "estimator").k
            rest = np.array(dist.probs())
            rest[np.argsort(-rest)[:k]] = 0
            breaks[0] = [*breaks[0], *(np.cumsum(rest) / rest.sum())[:-1]]
        if named(word) == "unordered":
            k = from_spec(word, ESTIMATORS, "estimator").k
            breaks[0] = [*breaks[0], *breaks_without_replacement(np.array(dist.probs()), k)]
    gumbels = dist.support_size if isinstance(dist, Categorical) else 0
    return breaks + [None] * gumbels


def breaks_without_replacement(probs, draws):
    """Where the inverse of the distribution function jumps, whichever of the values were drawn before."""
    total = probs.sum()
    if draws == 0 or total < PRECISION:
        return []
    later = [
        point
        for i in np.flatnonzero(probs)
        for point in breaks_without_replacement(np.where(np.arange(len(probs)) == i, 0, probs), draws - 1)
    ]
    return [*(np.cumsum(probs) / total)[:-1], *later]


def rule(breaks, nodes):
    """Nodes and weights on (0, 1), Gauss-Legendre in each cell; `None` for a coordinate nobody looks at."""
    if any(b is None for b in breaks):
        return np.array([0.5]), np.ones(1)
    inner = np.unique(np.concatenate(breaks).round(14))
    edges = np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])
    x, w = np.polynomial.legendre.leggauss(nodes)
    t, width = (x + 1) / 2, np.diff(edges)[:, None]
    step, slope = t**3 * (10 - 15 * t + 6 * t**2), 30 * t**2 * (1 - t) ** 2  # tames powers at the ends
    if nodes <= 2:
        step, slope = t, np.ones(nodes)
    return (edges[:-1, None] + width * step).ravel(), (width * slope * w / 2).ravel()


def once_per_toy(function):
    """The function, but computed once for a toy and what else it is given."""
    found = {}

    @functools.wraps(function)
    def remembered(toy, *rest):
        key = toy.cost, np.asarray(toy.model).tobytes(), *rest
        if key not in found:
            found[key] = function(toy, *rest)
        return found[key]

    return remembered


@once_per_toy
def site_dists(toy):
    """For each site, its distributions after all that may have been drawn before, each once."""
    run = lambda indices: forced(toy, toy.model, X, indices)[2]  # noqa: E731
    dists = jax.jit(jax.vmap(run))(assignments(toy, X))
    return {name: apart(dist) for name, dist in dists.items()}


def apart(stacked):
    """The different ones of a stack of distributions."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, stacked))
    rows = {tuple(leaf[i].tobytes() for leaf in leaves): i for i in range(len(leaves[0]))}
    return [structure.unflatten([leaf[i] for leaf in leaves]) for i in rows.values()]


@once_per_toy
def site_rules(toy, words, nodes):
    """For each site, a quadrature rule for every coordinate of its noise, and the noise's shape."""
    rules = {}
    for name, seen in site_dists(toy).items():
        shape = jax.eval_shape(seen[0].noise, jr.key(0)).shape
        if isinstance(seen[0], Normal):
            x, w = np.polynomial.hermite_e.hermegauss(HERMITE_NODES)
            rules[name] = [(x, w / w.sum())], shape
        else:
            breaks = zip(*(breaks_of(dist, words) for dist in seen), strict=True)
            rules[name] = [rule(b, nodes) for b in breaks], shape
    return rules


def all_noise(toy, loss, state, nodes=1):
    """Every combination of nodes of every noise, stacked, with the product of the weights."""
    estimators, _ = loss.sites(toy.model, X)
    axes, places = [], {}
    words = (loss.policy,) if isinstance(loss.policy, str) else tuple(loss.policy.values())
    for name, (rules, shape) in site_rules(toy, words, nodes).items():
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
    state = jax.tree.map(lambda leaf: leaf + 0.1, beginning(loss, toy))
    noise, weights = all_noise(toy, loss, state, nodes)

    def one(noise):
        batch = jax.tree.map(lambda leaf: leaf[None], (X, noise))
        run = jax.value_and_grad(lambda m: loss.with_noise(m, state, *batch), has_aux=True)
        (value, _), gradient = run(toy.model)
        return value, gradient

    values, gradients = jax.jit(jax.vmap(one))(noise)
    return weights @ values, weights @ gradients, (weights, gradients)


def beginning(loss, toy):
    """The state before the first step."""
    return jax.jit(lambda key: loss.init(toy.model, X, key))(jr.key(0))


@once_per_toy
def truth(toy, objective="mean(k=1)"):
    """The exact value and gradient."""
    name, k = objective.rstrip(")").split("(k=")
    return jax.jit(jax.value_and_grad(exact(toy, X, OBJECTIVES[name](k=int(k)))))(toy.model)


@once_per_toy
def discovered(toy):
    """The sites of a toy."""
    return discover(toy.cost, toy.model, X)


def serves(word, toy):
    """Whether an estimator can serve every finite site of a toy, and all that follow it."""
    found = discovered(toy)
    try:
        assign(word, ESTIMATORS, found.sites, found.looped, particles=2)
    except UsageError:
        return False
    return True


def nodes_of(word):
    if named(word) in SMOOTH:
        return LEGENDRE_NODES
    return 2 if named(word) == "arm" else 1


def affordable(word, name, objective="mean"):
    """Whether the noise of a toy has few enough combinations of nodes."""
    loss = expectation(TOY[name].cost, word, objective)
    points = 1
    for rules, _ in site_rules(TOY[name], (word,), nodes_of(word)).values():
        samples = from_spec(word, ESTIMATORS, "estimator").samples
        points *= np.prod([float(len(x)) for x, _ in rules]) ** (loss.objective.k * samples)
    return points < 400_000


PAIRS = [(w, t) for w in UNBIASED for t in TOY if named(w) not in ("vimco", "arsm") and serves(w, TOY[t])]
PAIRS = [(w, t) for w, t in PAIRS if affordable(w, t) and (w != "unordered(k=3)" or t == "classes")]


def test_every_unbiased_estimator_is_under_the_law():
    with_own_tests = {"vimco", "mvd", "pathwise", "arsm"}
    under = {named(word) for word, _ in PAIRS}
    assert under | with_own_tests == {named(word) for word in UNBIASED}
    for word in under:
        names = {name for w, name in PAIRS if named(w) == word}
        assert {"coin", "coins", "classes", "count", "two dependent", "mixed"} - names <= {"mixed"}


@pytest.mark.parametrize(("word", "name"), PAIRS)
def test_unbiased_means_the_mean_is_right(word, name):
    value, gradient, _ = integrated(TOY[name], word, nodes=nodes_of(word))
    true_value, true_gradient = truth(TOY[name])
    assert abs(value - true_value) < PRECISION
    assert jnp.abs(gradient - true_gradient).max() < PRECISION


def test_objectives_are_their_formulas():
    """What the truths of these laws are made of: mean f_k, and -log mean exp(-f_k)."""
    costs = np.array([0.3, -1.2, 2.0])
    assert np.isclose(OBJECTIVES["mean"](k=3)(jnp.asarray(costs)), costs.mean())
    assert np.isclose(OBJECTIVES["iwae"](k=3)(jnp.asarray(costs)), -np.log(np.exp(-costs).mean()))


@pytest.mark.parametrize("word", ["exact", "score", "rloo(k=2)", "vimco", "vimco(mean='arithmetic')"])
@pytest.mark.parametrize("objective", ["iwae(k=2)", "iwae(k=3)", "mean(k=2)"])
@pytest.mark.parametrize("name", ["coins", "two dependent"])
def test_any_estimator_serves_any_objective(word, objective, name):
    toy = TOY["coin" if "rloo" in word and "k=3" in objective else name]  # which has few enough nodes
    value, gradient, _ = integrated(toy, word, objective)
    true_value, true_gradient = truth(toy, objective)
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


@pytest.mark.parametrize("word", ["rebar", "relax(hidden=3)", "muprop(hidden=3)"])
@pytest.mark.parametrize("later", ["st", "reinmax", "gumbel"])
def test_a_smooth_site_stays_unbiased_before_a_direct_one(word, later):
    """Only the first site depends on θ, so the later one's own bias cannot enter."""

    def cost(θ, x, draw):
        a = draw("a", Bernoulli(θ))
        b = draw("b", Bernoulli(a - 0.3))
        return (a + 2 * b - 0.8) ** 2 * (1 + b)

    toy = Toy("smooth, then direct", cost, jnp.asarray(0.4), ("a", "b"))
    nodes = LEGENDRE_NODES
    _, plain, _ = integrated(toy, {"a": "score", "b": later}, nodes=nodes)
    _, smooth, _ = integrated(toy, {"a": word, "b": later}, nodes=nodes)
    assert abs(plain - smooth) < 1e-8


@pytest.mark.parametrize("word", WORDS)
def test_an_impossible_class_does_no_harm(word):
    """A logit of minus infinity: the value is finite, and no gradient is not a number."""
    cost = lambda θ, x, draw: draw("z", Categorical(jnp.stack([θ, -jnp.inf, 1.0, -jnp.inf]))) @ COSTS  # noqa: E731
    if not serves(word, Toy("masked", cost, jnp.asarray(0.3), ("z",))):
        return
    loss = expectation(cost, word, "mean(k=2)" if named(word) == "vimco" else "mean")
    θ = jnp.asarray(0.3)
    state = loss.init(θ, X, jr.key(0))
    batch = jnp.full(2000, X)
    run = jax.value_and_grad(lambda θ, state: loss(θ, state, batch, jr.key(1))[0], argnums=(0, 1))
    value, (gradient, update) = jax.jit(run)(θ, state)
    p = jax.nn.sigmoid(θ - 1.0)
    if word in UNBIASED:
        assert np.isclose(value, p * COSTS[0] + (1 - p) * COSTS[2], atol=0.2)
        assert np.isclose(gradient, p * (1 - p) * (COSTS[0] - COSTS[2]), atol=0.3)
    assert np.isfinite(value)
    assert np.isfinite(gradient)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(update))


COSTS = jnp.array([1.0, 7.0, 3.0, 9.0])


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


def one_coin(cost, logit):
    """A toy of one coin, with a cost of its face."""
    toy_cost = lambda θ, x, draw: cost(draw("b", Bernoulli(θ)))  # noqa: E731
    return Toy("one coin", toy_cost, jnp.asarray(logit), ("b",))


def closed_form(word, p, t):
    """Variance of the gradient of E[(b - t)²] in the coin's logit, derived by hand."""
    q, f0, f1, s = p * (1 - p), t**2, (1 - t) ** 2, abs(p - 0.5)
    D, most = f1 - f0, max(p, 1 - p)
    if word == "score":
        return q * ((1 - p) * f1**2 + p * f0**2) - (D * q) ** 2
    if word == "arm":
        return D**2 * (1 / 12 - 2 / 3 * s**3 - (0.25 - s**2) ** 2)
    if word == "disarm":
        return D**2 * most**2 * (1 - most) * (0.5 - (1 - most))
    k = from_spec(word, ESTIMATORS, "estimator").k
    return D**2 * (q * (1 - 3 * q) - q**2 * (k - 3) / (k - 1)) / k


@pytest.mark.parametrize("word", ["score", "rloo(k=2)", "rloo(k=3)", "arm", "disarm"])
@pytest.mark.parametrize("logit", [0.0, 0.8, -1.7])
@pytest.mark.parametrize("t", [0.45, 0.499])
def test_closed_form_variances_of_one_coin(word, logit, t):
    toy = one_coin(lambda b: (b - t) ** 2, logit)
    _, mean, (weights, gradients) = integrated(toy, word, nodes=nodes_of(word))
    p = float(jax.nn.sigmoid(logit))
    assert np.isclose(mean, (1 - 2 * t) * p * (1 - p), atol=1e-12)
    assert np.isclose(weights @ (gradients - mean) ** 2, closed_form(word, p, t), rtol=1e-9, atol=1e-15)


IMPORTANCE_WEIGHTED = [w for w in UNBIASED if serves(w, TOY["coin"]) and affordable(w, "coin", "iwae(k=2)")]


@pytest.mark.parametrize("word", IMPORTANCE_WEIGHTED)
def test_every_estimator_serves_the_importance_weighted_bound(word):
    toy = TOY["coin"]
    value, gradient, _ = integrated(toy, word, "iwae(k=2)", nodes=nodes_of(word))
    true_value, true_gradient = truth(toy, "iwae(k=2)")
    assert abs(value - true_value) < PRECISION
    assert abs(gradient - true_gradient) < PRECISION


@pytest.mark.parametrize("word", BIASED)
def test_what_is_called_biased_is(word):
    toy = one_coin(lambda b: jnp.exp(2 * b), 0.3)
    _, gradient, _ = integrated(toy, word, nodes=LEGENDRE_NODES)
    assert abs(gradient - truth(toy)[1]) > 1e-2


SURPRISE = Toy(
    "surprise",
    lambda θ, x, draw: Categorical(jnp.array([0.2, -1.0, 0.9])).log_prob(draw("z", Categorical(θ))),
    jnp.array([0.5, -0.4, 0.1]),
    ("z",),
)
QUADRATIC = (one_coin(lambda b: (b - 0.3) ** 2, 0.4), TOY["classes"], SURPRISE)


@pytest.mark.parametrize("toy", QUADRATIC, ids=lambda t: t.name)
def test_reinmax_is_right_for_quadratic_costs(toy):
    _, gradient, _ = integrated(toy, "reinmax")
    assert jnp.abs(gradient - truth(toy)[1]).max() < PRECISION


LINEAR = TOY["classes"]._replace(cost=lambda θ, x, draw: draw("z", Categorical(θ)) @ jnp.array([0.3, -1, 2]))


@pytest.mark.parametrize("toy", [one_coin(lambda b: 3 * b - 1, 0.4), LINEAR], ids=["coin", "classes"])
def test_straight_through_is_right_for_linear_costs(toy):
    _, gradient, _ = integrated(toy, "st")
    assert jnp.abs(gradient - truth(toy)[1]).max() < PRECISION


@pytest.mark.parametrize("word", ["gumbel", "st_gumbel"])
@pytest.mark.parametrize("temperature", [0.5, 1.6])
def test_of_a_linear_cost_relaxed_estimators_have_the_slope_of_the_relaxed_value(word, temperature):
    """∂y/∂ℓ = y (1 - y) / τ, y = σ((ℓ + logit u) / τ), averaged over u."""
    toy, word = one_coin(lambda b: 3 * b - 1, 0.4), f"{word}(temperature={temperature})"
    _, found, _ = integrated(toy, word, nodes=LEGENDRE_NODES)
    u, w = rule([[expit(-0.4)]], LEGENDRE_NODES)
    y = expit((0.4 + np.log(u / (1 - u))) / temperature)
    assert np.isclose(found, w @ (3 * y * (1 - y) / temperature), rtol=1e-9)


def test_gumbel_rao_has_the_bias_of_straight_through_gumbel_and_less_variance():
    toy = one_coin(lambda b: jnp.exp(2 * b), 0.3)
    _, once, (w1, g1) = integrated(toy, "st_gumbel", nodes=LEGENDRE_NODES)
    _, twice, (w2, g2) = integrated(toy, "gumbel_rao(k=2)", nodes=LEGENDRE_NODES)
    assert np.isclose(once, twice, atol=1e-9)
    assert w2 @ (g2 - twice) ** 2 < 0.95 * (w1 @ (g1 - once) ** 2)


def test_measure_valued_derivatives_are_right():
    """Integrated in polar coordinates of the two noises that lengthen the draw."""
    cost = lambda z: z**3 - 0.5 * z**2 + 2 * z  # noqa: E731
    loss = expectation(lambda θ, x, draw: cost(draw("z", Normal(θ[0], θ[1]))), {"z": "mvd"})
    θ = jnp.array([0.4, 1.3])
    x, w = np.polynomial.legendre.leggauss(200)
    ε, radius = 9 * x, 4.5 * (x + 1)
    noise = np.stack(np.meshgrid(ε, radius, indexing="ij"), -1).reshape(-1, 2)
    weight = np.outer(
        9 * w * np.exp(-(ε**2) / 2) / np.sqrt(2 * np.pi), 4.5 * w * radius * np.exp(-(radius**2) / 2)
    )

    def one(noise):
        table = jnp.stack([noise[0], noise[1], 0.0])[None, None]
        return jax.grad(lambda θ: loss.with_noise(θ, {"z": None}, X[None], TableNoise({"z": table}))[0])(θ)

    found = weight.ravel() @ jax.jit(jax.vmap(one))(noise)
    μ, σ = θ
    wanted = jnp.array([3 * μ**2 + 3 * σ**2 - μ + 2, 6 * μ * σ - σ])
    assert jnp.allclose(found, wanted, rtol=0, atol=1e-10)


def simplex_rule(logits):
    """Nodes and weights for ϖ uniform on the triangle of three classes, exact for what ARSM makes of it.

    That is a linear function in each of the pieces into which the lines ϖ_a = r ϖ_c cut the triangle, where
    two swapped draws are level. The outer coordinate breaks where lines cross, the inner one at the lines.
    """
    ratios = np.exp(np.subtract.outer(logits, logits))[~np.eye(3, dtype=bool)]
    sides = np.eye(3)
    lines = np.array(
        [*sides, *(sides[a] - r * sides[c] for a, c in ((0, 1), (0, 2), (1, 2)) for r in ratios)]
    )
    crossings = np.cross(lines[:, None], lines[None]).reshape(-1, 3)
    crossings = crossings[np.abs(crossings.sum(1)) > 1e-12]
    across = crossings[:, 0] / crossings.sum(1)
    points, weights = [], []
    for ϖ1, w1 in zip(*cells(across, 1.0, nodes=3), strict=True):
        slopes = lines[:, 1] - lines[:, 2]
        level = -(lines[:, 0] * ϖ1 + lines[:, 2] * (1 - ϖ1))[slopes != 0] / slopes[slopes != 0]
        for ϖ2, w2 in zip(*cells(level, 1 - ϖ1, nodes=2), strict=True):
            points.append((ϖ1, ϖ2, 1 - ϖ1 - ϖ2))
            weights.append(2 * w1 * w2)
    return np.array(points), np.array(weights)


def cells(breaks, end, nodes):
    """Gauss-Legendre in each cell of (0, end)."""
    edges = np.unique(np.concatenate([[0.0, end], breaks[(breaks > 0) & (breaks < end)]]).round(14))
    x, w = np.polynomial.legendre.leggauss(nodes)
    width = np.diff(edges)[:, None]
    return (edges[:-1, None] + width * (x + 1) / 2).ravel(), (width * w / 2).ravel()


def _class_then_coin(θ, x, draw):
    """A class of three, and a coin depending on it."""
    z = draw("z", Categorical(θ))
    b = draw("b", Bernoulli(z @ jnp.array([0.5, -1.0, 2.0]) * θ[1] - x))
    return (z @ jnp.array([0.3, -1.0, 2.0]) - b) ** 2 + x * θ @ z * b


@pytest.mark.parametrize(
    "toy",
    [TOY["classes"], TOY["classes"]._replace(cost=_class_then_coin, sites=("z", "b"))],
    ids=["alone", "then a coin"],
)
def test_arsm_is_unbiased(toy):
    """Integrated over the triangle, piece by piece; its uniforms are those whose exponentials are ϖ.

    Its base draw, which only the lanes of other sites see, is that of its coins.
    """
    loss = expectation(toy.cost, {"z": "arsm", "*": "exact"})
    state = beginning(loss, toy)
    ϖ, over_ϖ = simplex_rule(np.asarray(toy.model))
    other, over_other = all_noise(toy, loss, state)
    which, at = (index.ravel() for index in np.indices((len(ϖ), len(over_other))))
    weights = over_ϖ[which] * np.asarray(over_other)[at]
    table = {name: noise[at] for name, noise in other.table.items()}
    table["z"] = table["z"].at[..., 2:].set(jnp.exp(-jnp.asarray(ϖ[which]))[:, None, None])

    def one(noise):
        given = TableNoise(jax.tree.map(lambda leaf: leaf[None], noise))
        value = lambda m: loss.with_noise(m, state, X[None], given)[0]  # noqa: E731
        return jax.value_and_grad(value)(toy.model)

    values, gradients = jax.jit(jax.vmap(one))(table)
    true_value, true_gradient = truth(toy)
    assert np.isclose(weights.sum(), 1)
    assert abs(weights @ values - true_value) < PRECISION
    assert jnp.abs(weights @ gradients - true_gradient).max() < PRECISION


def test_arsm_moves_no_logits_all_alike():
    """What is added to all logits changes no probability, so every single estimate has a sum of zero."""
    worth = jnp.array([0.3, -1.0, 2.0])
    loss = expectation(lambda θ, x, draw: (draw("z", Categorical(θ)) @ worth - x) ** 2, "arsm")
    θ, x = jnp.array([0.5, -0.4, 0.1]), jnp.full(1, 0.2)
    one = lambda key: jax.grad(loss, has_aux=True)(θ, {"z": None}, x, key)[0]  # noqa: E731
    estimates = jax.jit(jax.vmap(one))(jr.split(jr.key(0), 50))
    assert jnp.abs(estimates).max() > 0.1
    assert jnp.abs(estimates.sum(1)).max() < PRECISION


def test_arsm_of_two_classes_is_arm():
    toy = one_coin(lambda b: (b - 0.45) ** 2, 0.8)
    two = expectation(lambda θ, x, draw: (draw("z", Categorical(θ))[0] - 0.45) ** 2, "arsm")
    u, w = (np.array(v) for v in rule([[1 - jax.nn.sigmoid(0.8), jax.nn.sigmoid(0.8)]], 2))
    table = jnp.stack([jnp.full_like(u, 0.5), jnp.exp(u - 1), jnp.exp(-u)], 1)[:, None, None, None]
    run = lambda noise: jax.grad(  # noqa: E731
        lambda θ: two.with_noise(θ, {"z": None}, X[None], TableNoise({"z": noise}))[0]
    )(jnp.array([0.8, 0.0]))
    gradients = jax.jit(jax.vmap(run))(table)
    _, mean, (weights, ours) = integrated(toy, "arm", nodes=2)
    assert np.isclose(w @ gradients[:, 0], mean)
    assert np.allclose(gradients[:, 0], -gradients[:, 1])
    assert np.isclose(w @ gradients[:, 0] ** 2, weights @ ours**2)


@pytest.mark.parametrize("word", ["exact", "optimal", "delta"])
def test_no_variance_is_left_where_theory_says_so(word):
    """Exact always; the best constant for one coin; the expansion for a linear cost."""
    toy = one_coin(lambda b: 3 * b - 1, 0.4)
    loss = expectation(toy.cost, word)
    state = beginning(loss, toy)
    if word == "optimal":  # after it has seen both sides in their proportion
        p = jax.nn.sigmoid(toy.model)
        square, weighted = p * (1 - p), 2 * p * (1 - p) ** 2 - (1 - p) * p**2
        pairs = zip(state["b"], (weighted, square), strict=True)
        state = {"b": tuple(jax.tree.map(lambda _, value=value: value, m) for m, value in pairs)}
    noise, weights = all_noise(toy, loss, state)
    one = lambda noise: jax.grad(lambda m: loss.with_noise(m, state, X[None], noise)[0])(toy.model)  # noqa: E731
    gradients = jax.jit(jax.vmap(one))(jax.tree.map(lambda leaf: leaf[:, None], noise))
    assert jnp.allclose(gradients, truth(toy)[1], atol=1e-12)
    assert np.isclose(weights.sum(), 1)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_vimco_judges_a_particle_by_the_mean_of_the_others(mean):
    """Every outcome of three coins, by hand: what the objective would be with the mean weight for the own."""
    toy = one_coin(lambda b: 1.7 * b - 0.4, 0.8)
    _, found, (weights, gradients) = integrated(toy, f"vimco(mean='{mean}')", "iwae(k=3)")
    p = expit(0.8)
    bits = np.array(list(itertools.product([0, 1], repeat=3)))
    w = np.exp(0.4 - 1.7 * bits)
    gradient = np.zeros(len(bits))
    for k in range(3):
        others = np.delete(w, k, 1)
        own = others.mean(1) if mean == "arithmetic" else np.sqrt(others.prod(1))
        gradient += (bits[:, k] - p) * np.log((others.sum(1) + own) / w.sum(1))
    likely = np.where(bits, p, 1 - p).prod(1)
    assert np.isclose(found, likely @ gradient)
    assert np.isclose(weights @ gradients**2, likely @ gradient**2, rtol=1e-12)


def test_the_state_of_optimal_tends_to_its_best_coefficient():
    """E[f s²] and E[s²] of each parameter, summed over the bits of two coins that interact."""
    toy = TOY["coins"]
    loss = expectation(toy.cost, "optimal(decay=0.7)")
    state = jax.tree.map(lambda leaf: leaf + 0.1, beginning(loss, toy))
    noise, weights = all_noise(toy, loss, state)
    one = lambda noise: jax.grad(lambda m: loss.with_noise(toy.model, m, X[None], noise)[0])(state)  # noqa: E731
    updates = jax.jit(jax.vmap(one))(jax.tree.map(lambda leaf: leaf[:, None], noise))
    step = jax.tree.map(lambda update: jnp.tensordot(weights, update, 1), updates)
    learned = jax.tree.map(lambda m, g: m - g / (1 - 0.7), state, step)["b"]  # a step goes so far
    bits, p = np.array(list(itertools.product([0.0, 1.0], repeat=2))), expit(np.asarray(toy.model))
    likely = np.where(bits == 1, p, 1 - p).prod(1)
    costs = np.array([toy.cost(toy.model, X, lambda name, dist, b=b: jnp.asarray(b)) for b in bits])
    squares = (bits - p) ** 2
    for found, wanted in zip(learned, (likely * costs @ squares, likely @ squares), strict=True):
        assert np.allclose(jax.tree.leaves(found)[0], wanted, rtol=1e-12)


@pytest.mark.parametrize("word", ["rloo(k=2)", "vimco", "exact", "arm", "disarm", "local", "sum_sample"])
def test_a_constant_in_the_cost_changes_nothing(word):
    toy, objective = TOY["two dependent"], "mean(k=2)" if word == "vimco" else "mean"
    shifted = lambda θ, x, draw: toy.cost(θ, x, draw) + 5.0  # noqa: E731
    _, _, (_, gradients) = integrated(toy, word, objective)
    _, _, (_, moved) = integrated(toy, word, objective, cost=shifted)
    assert jnp.allclose(gradients, moved, atol=1e-10)


def test_the_state_of_rebar_descends_its_own_variance():
    toy = TOY["coins"]
    loss = expectation(toy.cost, "rebar")
    unit = 4.0  # of |g|²: the running variance of what the control variate leaves
    state = beginning(loss, toy)
    state = eqx.tree_at(lambda m: m["b"].rest.square.mean, state, jnp.asarray(unit))
    noise, _ = all_noise(toy, loss, state, LEGENDRE_NODES)

    def coins(φ, x, draw):
        return toy.cost(jax.lax.stop_gradient(φ), x, lambda name, _: draw(name, Bernoulli(φ)))

    def local_square(state, noise):
        """|g|², without the direct gradient of the cost in the model."""
        bare = expectation(coins, "rebar")
        return jnp.sum(jax.grad(lambda φ: bare.with_noise(φ, state, X[None], noise)[0])(toy.model) ** 2)

    def difference(noise, name, step=1e-5):
        moved = [
            eqx.tree_at(lambda m: getattr(m["b"], name), state, replace_fn=lambda x, s=s: x + s)
            for s in (step, -step)
        ]
        return (local_square(moved[0], noise) - local_square(moved[1], noise)) / (2 * step)

    def library(noise):
        return jax.grad(lambda m: loss.with_noise(toy.model, m, X[None], noise)[0])(state)["b"]

    noise = jax.tree.map(lambda leaf: leaf[::97, None], noise)
    found = jax.jit(jax.vmap(library))(noise)
    for name in ("log_temperature", "coefficient"):
        wanted = jax.jit(jax.vmap(lambda noise, name=name: difference(noise, name)))(noise)
        assert jnp.abs(wanted).max() > 1e-3
        assert jnp.allclose(wanted / unit, getattr(found, name), atol=1e-8)


def test_canary_a_broken_rebar_breaks_the_law(monkeypatch):
    class Broken(Rebar):
        """Forgets that the noise is conditioned on the draw."""

        def estimate(self, state, site):
            dry = dataclasses.replace(site, value_grads=jnp.zeros_like(site.value_grads))
            return super().estimate(state, dry)

    monkeypatch.setitem(ESTIMATORS, "rebar", Broken)
    _, gradient, _ = integrated(TOY["coin"], "rebar", nodes=LEGENDRE_NODES)
    assert jnp.abs(gradient - truth(TOY["coin"])[1]).max() > 1e-3


@pytest.mark.parametrize("word", WORDS)
def test_batching_changes_nothing(word):
    normal = TOY["mixed"]._replace(cost=lambda θ, x, draw: x * draw("z", Normal(θ[0], jnp.exp(θ[1]))) ** 3)
    toy = next((toy for toy in (TOY["coins"], TOY["classes"]) if serves(word, toy)), normal)
    policy = {"z": word} if toy is normal else word
    loss = expectation(toy.cost, policy, "iwae(k=3)" if named(word) == "vimco" else "mean")
    state = beginning(loss, toy)
    batch, key = jnp.linspace(-1, 1, 5), jr.key(3)

    def single(m, x, i):
        return loss.with_noise(m, state, x[None], KeyNoise(jr.fold_in(key, i)[None]))[0]

    together = jax.jit(jax.grad(lambda m: loss(m, state, batch, key)[0]))(toy.model)
    alone = jax.jit(jax.grad(single))
    singles = np.stack([alone(toy.model, x, i) for i, x in enumerate(np.asarray(batch))])
    assert np.allclose(singles.mean(0), together, atol=1e-12)


@pytest.mark.parametrize("word", ["exact", "rebar", "gumbel_rao(k=2)"])
def test_compiling_changes_nothing(word):
    loss = expectation(TOY["coin"].cost, word)
    state = beginning(loss, TOY["coin"])
    run = jax.grad(lambda m: loss(m, state, X[None], jr.key(3))[0])
    assert jnp.allclose(run(TOY["coin"].model), jax.jit(run)(TOY["coin"].model), atol=1e-12)

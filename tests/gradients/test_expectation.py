"""What a user can get wrong, sites in loops, and estimators that learn."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from subitize.core.distributions import Bernoulli, Categorical, Normal, Stopping
from subitize.core.errors import UsageError
from subitize.gradients import ESTIMATORS, SiteError, estimator_optimizer, expectation
from subitize.gradients.baselines import Learned, Scale, Statistic, context
from subitize.gradients.coins import MAX_COINS
from subitize.gradients.estimators.base import AbstractEstimator, Estimate

X = jnp.asarray(0.5)
θ = jnp.asarray(0.3)


def coin(θ, x, draw):
    return (draw("b", Bernoulli(θ)) - x) ** 2


def refused(cost, policy, error=SiteError, objective="mean"):
    with pytest.raises(error) as refusal:
        expectation(cost, policy, objective).init(θ, X, jr.key(0))
    return str(refusal.value)


def test_a_site_nobody_serves_is_named_with_what_would():
    message = refused(coin, None)
    assert "Site 'b'" in message
    for word in ("exact", "rloo", "disarm", "relax", "st_gumbel (biased)"):
        assert word in message
    assert "mvd" not in message


def test_a_misspelt_estimator_gets_a_hint():
    assert "Did you mean 'rebar'" in refused(coin, "rebbar", UsageError)


def test_a_misspelt_site_gets_a_hint():
    cost = lambda θ, x, draw: draw("count", Bernoulli(θ)) * x  # noqa: E731
    assert "Did you mean 'count'" in refused(cost, {"cuont": "exact", "*": "exact"}, UsageError)


@pytest.mark.parametrize("word", ["rloo(k=1)", "rloo(n=3)", "rloo(3)", "rloo(", "exact.boom()"])
def test_words_that_cannot_be_built_say_so(word):
    refused(coin, word, UsageError)


@pytest.mark.parametrize("word", ["__import__('os').system('true')", "rloo(k=max(2, 3))"])
def test_a_word_is_never_executed(word):
    refused(coin, word, UsageError)


@pytest.mark.parametrize("word", ["score", "mvd", "exact"])
def test_a_word_that_would_serve_nothing_is_refused(word):
    """A lone word stands for finite sites; not to be told so, one would take pathwise for it."""
    message = refused(lambda θ, x, draw: draw("z", unit_normal(θ)) * x, word)
    assert f"{{'z': '{word}'}}" in message


def test_an_estimator_that_does_not_fit_says_why():
    cost = lambda θ, x, draw: draw("z", Normal(θ, x))  # noqa: E731
    message = refused(cost, {"z": "rebar"})
    assert "cannot serve site 'z'" in message
    assert "Normal is not one" in message
    assert "mvd" in message


def test_exact_refuses_a_support_too_large_to_run():
    cost = lambda θ, x, draw: draw("b", Bernoulli(jnp.full(40, θ))).sum()  # noqa: E731
    assert "1,099,511,627,776 values" in refused(cost, "exact")


@pytest.mark.parametrize(
    ("word", "dist", "reason"),
    [
        ("local", Bernoulli(jnp.zeros(MAX_COINS + 1)), "over 4,096"),
        ("exact", Bernoulli(jnp.zeros(17)), "131,072 values, more than 65,536"),
        ("arsm", Categorical(jnp.zeros(92)), "4,186 pairs of classes"),
        ("sum_sample(k=2)", Bernoulli(jnp.zeros(1)), "2 values leave none to sample besides k=2"),
        ("unordered(k=3)", Bernoulli(jnp.zeros(1)), "2 values are fewer than k=3"),
    ],
)
def test_a_site_of_too_many_or_too_few_values_is_refused(word, dist, reason):
    assert reason in refused(lambda θ, x, draw: θ * draw("z", dist).sum(), word)


def test_what_is_named_is_not_served_by_the_word_for_all():
    cost = lambda θ, x, draw: draw("a", Bernoulli(θ)) + draw("b", Bernoulli(θ))  # noqa: E731
    served, _ = expectation(cost, {"a": "rloo(k=3)", "*": "exact"}).sites(θ, X)
    assert {name: estimator.name for name, estimator in served.items()} == {"a": "rloo", "b": "exact"}


@pytest.mark.parametrize("objective", ["mean(k=0)", "iwae(k=0)"])
def test_an_objective_of_no_run_is_refused(objective):
    with pytest.raises(UsageError, match="at least one run"):
        expectation(coin, "exact", objective)


def test_vimco_needs_particles():
    assert "iwae(k=5)" in refused(coin, "vimco")


def test_a_name_is_drawn_once():
    cost = lambda θ, x, draw: draw("b", Bernoulli(θ)) + draw("b", Bernoulli(θ))  # noqa: E731
    assert "'b' is drawn twice" in refused(cost, "exact")


def test_a_name_is_drawn_once_at_a_step():
    def cost(θ, x, draw):
        def step(total, t):
            return total + draw.at(t)("z", Normal(θ, x)) + draw.at(t)(second, Normal(θ, x)), None

        return jax.lax.scan(step, 0.0, jnp.arange(3))[0]

    second = "z"
    assert "'z' is drawn twice at one step" in refused(cost, {})
    second = "y"
    value_and_gradient(cost, {})


def test_a_cost_is_one_real_number():
    vector = lambda θ, x, draw: draw("b", Bernoulli(jnp.stack([θ, θ])))  # noqa: E731
    assert "shape (2,)" in refused(vector, "exact")
    integer = lambda θ, x, draw: draw("b", Bernoulli(θ)).astype(int)  # noqa: E731
    assert "int" in refused(integer, "exact")


@pytest.mark.parametrize("word", sorted(set(ESTIMATORS) - {"pathwise", "mvd"}))
def test_a_support_is_not_empty(word):
    assert "empty support" in refused(lambda θ, x, draw: draw("z", Categorical(θ * jnp.ones(0))).sum(), word)


@pytest.mark.parametrize("dist", [Bernoulli, Stopping, Categorical])
@pytest.mark.parametrize("word", ["exact", "local", "score", "rloo", "disarm", "rebar", "gumbel"])
def test_a_site_with_one_value_leaves_nothing_to_chance(word, dist):
    logits = jnp.ones(1 if dist is Categorical else 0)
    cost = lambda θ, x, draw: θ * (1 + draw("z", dist(θ * logits)).sum())  # noqa: E731
    value, gradient = value_and_gradient(cost, word)
    assert np.isclose(value, θ * (1 + logits.sum()))
    assert np.isclose(gradient, 1 + logits.sum())


def three_classes(θ):
    return Categorical(jnp.stack([θ, jnp.asarray(-0.4), jnp.asarray(0.0)]))


FINITE = sorted(set(ESTIMATORS) - {"pathwise", "mvd"})
SITES = [(word, Bernoulli) for word in FINITE if word != "arsm"] + [(word, three_classes) for word in FINITE]


@pytest.mark.parametrize(("word", "site"), SITES)
def test_a_cost_that_the_site_does_not_touch_has_the_gradient_of_the_rest(word, site):
    """A score times a constant is noise about zero; what compares costs, or looks at slopes, has none."""

    value, gradient = untouched(word, site)(θ, jnp.zeros(20_000))
    assert np.isclose(value, θ**2)
    noisy = word in ("score", "ema", "nvil", "delta", "muprop", "optimal", "black_box")  # nothing learned yet
    assert np.isclose(gradient, 2 * θ, atol=0.01 if noisy else 1e-5)


@pytest.mark.parametrize(("word", "site"), SITES)
def test_a_cost_that_is_not_a_number_is_seen_in_the_value(word, site):
    value, _ = untouched(word, site)(θ, jnp.nan * jnp.ones(20_000))
    assert np.isnan(value)


@functools.cache
def untouched(word, site):
    """Value and gradient of a loss whose site has no influence, for a model and a batch."""

    def cost(θ, x, draw):
        draw("z", site(θ))
        return θ**2 + x

    return compiled(cost, word)


def compiled(cost, word):
    """Value and gradient of a loss, for a model and a batch."""
    loss = expectation(cost, word, "mean(k=2)" if word == "vimco" else "mean")

    @jax.jit
    def run(θ, batch):
        state = loss.init(θ, X, jr.key(0))
        return jax.value_and_grad(lambda θ: loss(θ, state, batch, jr.key(1))[0])(θ)

    return run


def value_and_gradient(cost, word):
    """Of the loss over a batch of three."""
    return compiled(cost, word)(θ, jnp.full(3, X))


def test_a_finite_site_in_a_loop_is_refused_with_a_way_out():
    def cost(θ, x, draw):
        step = lambda total, t: (total + draw.at(t)("b", Bernoulli(θ)), None)  # noqa: E731
        return jax.lax.scan(step, x, jnp.arange(3))[0]

    assert "inside a loop" in refused(cost, "exact")


def test_a_loop_in_a_loop_is_refused_with_a_way_out():
    with pytest.raises(SiteError, match="one number for both"):
        expectation(lambda θ, x, draw: draw.at(0).at(1)("z", unit_normal(θ))).init(θ, X, jr.key(0))


def unit_normal(mean):
    return Normal(mean, jnp.ones(()))


def scanned(θ, x, draw, site):
    step = lambda total, t: (total + draw("z", site(θ)), None)  # noqa: E731
    return jax.lax.scan(step, x, jnp.arange(3))[0]


def mapped(θ, x, draw, site):
    return x + jax.vmap(lambda t: draw("z", site(θ + t)))(jnp.arange(3.0)).sum()


@pytest.mark.parametrize(
    ("program", "word", "site"),
    [
        (scanned, "exact", Bernoulli),
        (scanned, "st", Bernoulli),
        (scanned, "pathwise", unit_normal),
        (mapped, "pathwise", unit_normal),
    ],
)
def test_a_site_that_would_have_one_noise_for_many_values_is_explained(program, word, site):
    cost = lambda θ, x, draw: program(θ, x, draw, site)  # noqa: E731
    with pytest.raises(SiteError, match=r"draw\.at\(step\)"):
        expectation(cost, word).init(θ, X, jr.key(0))


def test_pathwise_sites_in_a_scan_and_an_exact_one_after_it():
    """E[b (1 + Σ z_t)²] with z_t ~ N(θ, 1), three steps: σ(θ) ((1 + 3θ)² + 3)."""

    def cost(θ, x, draw):
        step = lambda total, t: (total + draw.at(t)("z", Normal(θ, jnp.ones(()))), None)  # noqa: E731
        total, _ = jax.lax.scan(step, x, jnp.arange(3))
        return draw("b", Bernoulli(θ)) * total**2

    loss = expectation(cost, {"b": "exact"})
    state = loss.init(θ, X, jr.key(0))
    run = jax.jit(jax.value_and_grad(lambda θ: loss(θ, state, jnp.ones(40_000), jr.key(1))[0]))
    exact = jax.value_and_grad(lambda θ: jax.nn.sigmoid(θ) * ((1 + 3 * θ) ** 2 + 3))
    assert np.allclose(run(θ), exact(θ), rtol=0.02)


def test_steps_of_a_loop_have_noise_of_their_own():
    def cost(θ, x, draw):
        step = lambda _, t: (None, draw.at(t)("z", Normal(θ, jnp.ones(()))))  # noqa: E731
        scanned = jax.lax.scan(step, None, jnp.arange(3))[1]
        unrolled = jnp.stack([draw.at(t)("w", Normal(θ, jnp.ones(()))) for t in range(3)])
        return scanned.sum(), {"scanned": scanned, "unrolled": unrolled}

    loss = expectation(cost)
    _, info = loss(θ, loss.init(θ, X, jr.key(0)), jnp.ones(2), jr.key(1))
    for noise in info.values():
        assert len(np.unique(noise)) == 6


def test_particles_have_noise_of_their_own():
    def cost(θ, x, draw):
        z = draw("z", unit_normal(θ))
        return z, {"mean": z, "square": z**2}

    loss = expectation(cost, None, "mean(k=2)")
    _, info = loss(θ, loss.init(θ, X, jr.key(0)), jnp.ones(5), jr.key(1))
    assert np.all(info["square"] - info["mean"] ** 2 > 1e-6)  # their variance over the two


def test_what_a_program_reports_is_averaged_over_the_lanes():
    cost = lambda θ, x, draw: (x * 0, {"b": draw("b", Bernoulli(θ))})  # noqa: E731
    loss = expectation(cost, "exact")
    _, info = jax.jit(loss)(θ, loss.init(θ, X, jr.key(0)), jnp.ones(4), jr.key(1))
    assert np.allclose(info["b"], jax.nn.sigmoid(θ))


def test_the_model_gets_no_gradient_from_the_state_nor_the_state_from_the_model(monkeypatch):
    """A state that takes its gradient ten times as seriously changes nothing for the model."""
    learn = Learned.loss

    def gradients():
        loss = expectation(coin, "nvil(hidden=4)")
        state = loss.init(θ, X, jr.key(0))
        return jax.jit(jax.grad(lambda t, m: loss(t, m, X[None], jr.key(1))[0], (0, 1)))(θ, state)

    for_model, for_memory = gradients()
    monkeypatch.setattr(Learned, "loss", lambda *given: 10 * learn(*given))
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(for_memory))
    again, tenfold = gradients()
    assert again == for_model
    for one, ten in zip(jax.tree.leaves(for_memory), jax.tree.leaves(tenfold), strict=True):
        assert np.allclose(10 * one, ten)


class Tilted(AbstractEstimator):
    """Judges the program at its own guess, which learns to be one."""

    word, unbiased, reference, uses_base = "tilted", False, "", False

    def init(self, dist, example, key):
        return jnp.asarray(0.2)

    def alternatives(self, state, dist, noise):
        return state[None]

    def estimate(self, state, site):
        return Estimate(jax.tree.map(jnp.zeros_like, site.dist), jnp.ones(1), 0.5 * (state - 1) ** 2)


def test_a_state_that_moves_the_draw_learns_from_its_own_loss_alone():
    loss = expectation(coin, Tilted())
    state = loss.init(θ, X, jr.key(0))
    update = jax.grad(lambda m: loss(θ, m, X[None], jr.key(1))[0])(state)
    assert np.isclose(update["b"], 0.2 - 1)


def test_a_loss_can_be_compiled_as_it_is():
    loss = expectation(coin, "rloo(k=3)")
    given = θ, loss.init(θ, X, jr.key(0)), X[None], jr.key(1)
    assert np.isclose(jax.jit(loss)(*given)[0], loss(*given)[0])


@pytest.mark.parametrize("word", ESTIMATORS)
def test_a_state_keeps_its_types_so_that_a_step_is_compiled_once(word):
    estimator = ESTIMATORS[word]()
    dist = Normal(θ, jnp.ones(())) if word in ("pathwise", "mvd") else Bernoulli(jnp.zeros(2))
    state = jax.eval_shape(lambda key: estimator.init(dist, X, key), jr.key(0))
    optimizer_state = jax.eval_shape(estimator_optimizer(1.0).init, state)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((state, optimizer_state)))


@pytest.mark.parametrize(("word", "ratio"), [("ema", 0.5), ("nvil", 0.5)])
def test_a_trained_baseline_takes_variance_away(word, ratio):
    """With a large constant in the cost nearly all of the variance is the constant's."""
    cost = lambda θ, x, draw: (draw("b", Bernoulli(θ)) - x) ** 2 + 10  # noqa: E731
    loss = expectation(cost, word)
    state = loss.init(θ, X, jr.key(0))
    optimizer = estimator_optimizer(1e-2)
    optimizer_state = optimizer.init(state)

    @jax.jit
    def learn(state, optimizer_state, key):
        update = jax.grad(lambda m: loss(θ, m, jnp.full(16, X), key)[0])(state)
        change, optimizer_state = optimizer.update(update, optimizer_state, state)
        return optax.apply_updates(state, change), optimizer_state

    spread = jax.jit(
        lambda m: jax.vmap(lambda k: jax.grad(lambda t: loss(t, m, X[None], k)[0])(θ))(KEYS).std()
    )
    before = spread(state)
    for key in jr.split(jr.key(2), 200):
        state, optimizer_state = learn(state, optimizer_state, key)
    assert spread(state) < ratio * before


@pytest.mark.parametrize("word", ["ema", "optimal", "nvil", "muprop", "black_box"])
def test_what_is_expected_by_running_means_alone_takes_a_constant_away(word):
    """Networks that learn nothing say nothing."""

    def cost(θ, x, draw):
        draw("b", Bernoulli(θ))
        return 0 * θ + 10

    loss, optimizer = expectation(cost, word), estimator_optimizer(0.0)
    state = jax.jit(loss.init)(θ, X, jr.key(0))

    def learn(taught, key):
        state, optimizer_state = taught
        update = jax.grad(lambda m: loss(θ, m, jnp.full(4, X), key)[0])(state)
        change, optimizer_state = optimizer.update(update, optimizer_state, state)
        return (optax.apply_updates(state, change), optimizer_state), None

    @jax.jit
    def taught(state):
        (state, _), _ = jax.lax.scan(learn, (state, optimizer.init(state)), jr.split(jr.key(2), 300))
        return jax.grad(lambda θ: loss(θ, state, jnp.full(20, X), jr.key(3))[0])(θ)

    assert abs(taught(state)) < 1e-6


def test_a_normalised_signal_is_divided_by_its_running_deviation():
    word = "nvil(hidden=4, normalise=True)"
    plain, normalised = expectation(coin, "nvil(hidden=4)"), expectation(coin, word)
    state = normalised.init(θ, X, jr.key(0))
    of_scale = lambda m: (m["b"][1].mean.mean, m["b"][1].square.mean)  # noqa: E731
    state = eqx.tree_at(of_scale, state, (jnp.asarray(4.0), jnp.asarray(25.0)))

    def gradient(loss, state):
        return jax.jit(jax.grad(lambda θ: loss(θ, state, X[None], jr.key(1))[0]))(θ)

    wanted = gradient(plain, {"b": (state["b"][0], None)}) / 3
    assert wanted != 0
    assert np.isclose(gradient(normalised, state), wanted)
    assert not ESTIMATORS["nvil"](normalise=True).unbiased


@pytest.mark.parametrize(
    ("mean", "square", "deviation"), [(0.0, 0.0, 1.0), (3.0, 25.0, 4.0), (3.0, 9.2, 1.0)]
)
def test_the_unit_of_a_cost_is_its_running_deviation_but_at_least_one(mean, square, deviation):
    scale = Scale(Statistic(jnp.asarray(mean)), Statistic(jnp.asarray(square)))
    assert np.allclose(scale.unit(), (mean, deviation))


def test_a_baseline_knows_the_example_and_the_site_as_finite_numbers():
    known = context(Bernoulli(jnp.array([0.3, -jnp.inf, jnp.inf])), jnp.array([0.5, 2.0]))
    assert sorted(known.tolist()) == [-30, 0.3, 0.5, 2, 30]


def test_what_a_state_learns_it_learns_at_its_rate_and_what_it_follows_at_once():
    state = ESTIMATORS["rebar"]().init(Bernoulli(θ), X, jr.key(0))
    optimizer, update = estimator_optimizer(0.25), jax.tree.map(jnp.ones_like, state)
    change, _ = optimizer.update(update, optimizer.init(state), state)
    assert np.allclose((change.log_temperature, change.coefficient), -0.25)
    assert np.allclose((change.rest.mean.mean, change.rest.square.mean), -1)


@pytest.mark.parametrize("word", ["rebar", "relax", "black_box"])
def test_a_temperature_is_where_learning_begins(word):
    state = ESTIMATORS[word](temperature=0.2).init(Bernoulli(θ), X, jr.key(0))
    assert np.isclose(getattr(state, "control", state).temperature, 0.2)


def test_a_relaxed_class_is_a_draw_when_cold_and_none_when_hot():
    logits = jnp.array([1.0, 0.0, -1.5])

    def relaxed(temperature):
        cost = lambda θ, x, draw: (lambda z: (θ + z.sum(), z))(draw("z", Categorical(logits)))  # noqa: E731
        loss = expectation(cost, f"gumbel(temperature={temperature})")
        return jax.jit(loss)(θ, loss.init(θ, X, jr.key(0)), jnp.ones(20_000), jr.key(1))[1]

    cold, hot = relaxed(0.01), relaxed(100.0)
    assert np.allclose(cold.mean(0), jax.nn.softmax(logits), atol=0.015)
    assert np.mean(cold.max(1)) > 0.98
    assert np.allclose(hot, 1 / 3, atol=0.1)


def test_muprop_expands_around_the_means_of_later_sites_too():
    """By hand: what is left of 3 b, b drawn after a, is 3 (b - E b), whatever a is."""

    def cost(θ, x, draw):
        a, b = draw("a", Bernoulli(θ)), draw("b", Bernoulli(0.2 + 0 * θ))
        return 3 * b, {"a": a, "b": b}

    loss = expectation(cost, {"a": "delta", "b": "st"})
    state = loss.init(θ, X, jr.key(0))
    run = jax.jit(jax.grad(lambda θ: loss(θ, state, jnp.full(7, X), jr.key(1)), has_aux=True))
    gradient, info = run(θ)
    wanted = 3 * (info["b"] - jax.nn.sigmoid(0.2)) * (info["a"] - jax.nn.sigmoid(θ))
    assert np.isclose(gradient, wanted.mean())
    assert wanted.std() > 0.1


class First(eqx.Module):
    """A network that answers with the first number it sees."""

    def __call__(self, seen):
        return seen[:1]


def test_black_box_sees_the_relaxed_value_that_rebar_relaxes_to():
    """With a network that says y - ½ it is REBAR of the cost b - ½."""
    cost = lambda θ, x, draw: draw("b", Bernoulli(θ)) - 0.5  # noqa: E731
    found = []
    for word in ("rebar", "black_box"):
        loss = expectation(cost, word)
        state = loss.init(jnp.asarray(0.9), X, jr.key(0))
        if word == "black_box":
            state = eqx.tree_at(lambda m: m["b"].network, state, First())
        run = lambda θ, loss=loss, state=state: loss(θ, state, X[None], jr.key(1))[0]  # noqa: E731
        found.append(jax.jit(jax.grad(run))(jnp.asarray(0.9)))
    assert found[0] != 0
    assert np.isclose(*found)


def test_rebar_takes_away_what_relaxing_adds_to_the_cost():
    """40 b (1 - b) is nothing for a coin, and much for a relaxed one: the mean of that is the baseline's."""
    cost = lambda θ, x, draw: (lambda b: (b - x) ** 2 + 40 * b * (1 - b))(draw("b", Bernoulli(θ)))  # noqa: E731
    loss = expectation(cost, "rebar")
    state = loss.init(θ, X, jr.key(0))
    follow = jax.jit(
        lambda m, key: jax.grad(lambda m: loss(θ, m, jnp.full(64, X), key)[0])(m)["b"].rest.mean.mean
    )
    where = lambda m: m["b"].rest.mean.mean  # noqa: E731
    spread = jax.jit(
        lambda m: jax.vmap(lambda k: jax.grad(lambda t: loss(t, m, X[None], k)[0])(θ))(KEYS).std()
    )
    before = spread(state)
    for key in jr.split(jr.key(2), 50):
        state = eqx.tree_at(where, state, where(state) - follow(state, key))
    assert spread(state) < 0.8 * before


KEYS = jr.split(jr.key(5), 500)


def test_a_running_mean_is_an_exact_moving_average():
    loss = expectation(coin, "ema(decay=0.75)")
    state = loss.init(θ, X, jr.key(0))
    optimizer = estimator_optimizer(1.0)
    update = jax.grad(lambda m: loss(θ, m, X[None], jr.key(1))[0])(state)
    change, _ = optimizer.update(update, optimizer.init(state), state)
    assert np.isclose(
        optax.apply_updates(state, change)["b"][0].mean, 0.25 * 0.25
    )  # cost is 1/4 for either side


def test_a_decay_is_that_of_all_running_means_of_an_estimator():
    nvil = ESTIMATORS["nvil"](hidden=3, decay=0.7)
    assert (nvil.baseline.decay, nvil.decay) == (0.7, 0.7)


@pytest.mark.parametrize(
    "word",
    [
        "rebar(temperature=0.0)",
        "rebar(coupled='yes')",
        "relax(hidden=0)",
        "gumbel(temperature=-1.0)",
        "st_gumbel(temperature=0.0)",
        "gumbel_rao(k=1.5)",
        "rloo(k=2.5)",
        "rloo(k=1)",
        "sum_sample(k=0)",
        "nvil(hidden=0)",
        "ema(decay=1.0)",
        "optimal(decay=-1.0)",
    ],
)
def test_an_option_out_of_range_is_refused(word):
    with pytest.raises(UsageError, match="cannot be built"):
        expectation(coin, word)


def test_plain_numbers_are_parameters_too():
    cost = lambda θ, x, draw: draw("z", Normal(0, 2.0)) + θ * draw("b", Bernoulli(1))  # noqa: E731
    loss = expectation(cost, "exact")
    assert np.isfinite(jax.jit(loss)(θ, loss.init(θ, X, jr.key(0)), X[None], jr.key(0))[0])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_knows_the_name_it_is_listed_by(name):
    assert ESTIMATORS[name]().name == name


@pytest.mark.parametrize("name", ["nvil", "ema", "delta"])
def test_an_estimator_is_refused_by_its_own_name(name):
    def cost(model, x, draw):
        return (draw("z", Normal(model, jnp.ones(()))) - x) ** 2

    loss = expectation(cost, name)
    with pytest.raises(SiteError, match=f"'{name}' alone stands for finite sites"):
        loss.init(jnp.zeros(()), jnp.zeros(()), jr.key(0))

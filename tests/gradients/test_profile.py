"""Gradient statistics agree with closed forms; the choice is the best of what is allowed."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Bernoulli, Normal
from subitize.core.errors import UsageError
from subitize.gradients import (
    Chooser,
    EstimatorProfile,
    Profiler,
    SiteError,
    choose,
    expectation,
    profile,
    table,
)
from subitize.gradients.measure import largest_z, reference_for
from subitize.gradients.statistics import GradientStatistics, Moments

BATCH = jnp.zeros(1)
START = {"score": (None, None)}  # state of an estimator that learns nothing


def coin(t):
    """The toy E[(b - t)²] of one coin."""
    return lambda θ, x, draw: (draw("b", Bernoulli(θ)) - t) ** 2 + x


def curved(θ, x, draw):
    """Two coins under a cost that no quadratic imitates."""
    return jnp.exp(3 * draw("a", Bernoulli(θ[0])) + 3 * draw("b", Bernoulli(θ[1]))) + x


@pytest.mark.parametrize(
    ("word", "expected"),
    [("score", 1.59375e-2), ("rloo(k=2)", 6.25e-4), ("arm", 2.08333e-4), ("disarm", 0.0), ("exact", 0.0)],
)
def test_variances_are_those_of_the_closed_forms(word, expected):
    """At p = 1/2 and t = 0.45: derived by hand; within three standard errors, from the fourth moment."""
    draws, θ = 4000, jnp.asarray(0.0)
    row = profile(coin(0.45), θ, BATCH, jr.key(2), candidates=[word], draws=draws)[0]
    gradient = jax.grad(
        lambda θ, key: expectation(coin(0.45), word)(θ, {"b": START.get(word)}, BATCH, key)[0]
    )
    away = np.asarray(jax.jit(jax.vmap(lambda key: gradient(θ, key)))(jr.split(jr.key(3), draws))) - 0.025
    error = np.std(away**2) / draws**0.5
    unknown_mean = 10 * expected / draws  # a reading estimates the mean too
    assert abs(row.variance - expected) < 3 * error + unknown_mean + 1e-12


def test_bias_is_seen_where_there_is_some_and_only_there():
    rows = profile(
        curved,
        jnp.array([0.3, -0.5]),
        BATCH,
        jr.key(0),
        candidates=["rloo(k=2)", "rebar", "st", "gumbel"],
        draws=10_000,
    )
    for row in rows:
        assert (row.bias < 4.5) == row.unbiased, rows
    assert {row.site for row in rows} == {"a", "b"}


def test_evaluations_are_runs_of_the_program():
    words = ["exact", "rloo(k=4)", "rebar", "rebar(coupled=False)", "local", "nvil", "st"]
    cost = lambda θ, x, draw: jnp.sum(draw("b", Bernoulli(θ))) ** 2  # noqa: E731
    rows = profile(cost, jnp.zeros(3), BATCH, jr.key(0), candidates=words, draws=4, burn_in=2)
    assert {row.estimator: row.evaluations for row in rows} == {
        "exact": 8,
        "rloo(k=4)": 4,
        "rebar": 2,
        "rebar(coupled=False)": 3,
        "local": 4,
        "nvil": 1,
        "st": 1,
    }
    for row in rows:
        assert row.estimator in table(rows)
        assert np.isclose(row.work, (row.variance + row.data) * row.microseconds / 1e6)


def test_sites_that_are_not_judged_are_drawn_once():
    words = ["exact", "rloo(k=3)"]
    rows = profile(curved, jnp.zeros(2), BATCH, jr.key(0), candidates=words, draws=4)
    assert [(row.site, row.evaluations) for row in rows] == [("a", 2), ("a", 3), ("b", 2), ("b", 3)]


def test_work_is_the_whole_variance_times_the_time():
    row = EstimatorProfile(
        "b", "score", True, bias=0.0, variance=2.0, data=3.0, snr=1.0, evaluations=1, microseconds=5e5
    )
    assert row.work == 2.5


def test_the_truth_is_summed_where_it_can_be_and_drawn_where_not():
    dists = Bernoulli(jnp.zeros(6)), Bernoulli(jnp.zeros(7)), Normal(jnp.zeros(2), jnp.ones(2))
    assert [reference_for(dist) for dist in dists] == ["exact", "rloo(k=4)", "pathwise"]


def test_a_bias_has_no_sign():
    a, b = jr.normal(jr.key(0), (2, 50, 1)) + jnp.array([[[0.0]], [[5.0]]])
    a, b = (Moments(some.mean(0), some.var(0).sum(), some) for some in (a, b))
    assert largest_z(a, b) == largest_z(b, a) > 10


def statistics_of(word):
    """Statistics of a coin's gradient under a cost of about ten."""
    cost = lambda θ, x, draw: coin(0.45)(θ, x, draw) + 10  # noqa: E731
    return GradientStatistics(expectation(cost, word), 32).setup(
        jnp.asarray(0.0), BATCH, jnp.ones((1, 1)), jr.key(0)
    )


def test_it_makes_no_difference_which_centre_is_taken_off_first():
    statistics = statistics_of("score")
    near, far = (statistics.measure(jr.key(1), 64, jnp.asarray([centre])) for centre in (0.0, 7.0))
    assert near.variance > 20
    assert np.allclose(near.mean, far.mean)
    assert np.allclose(near.variance, far.variance)


def test_the_state_learns_only_while_it_warms_up():
    statistics = statistics_of("ema")
    read = lambda: float(statistics.measure(jr.key(1), 256, statistics.nowhere).variance)  # noqa: E731
    assert read() > 20
    assert read() > 20
    statistics.warm_up(jr.key(2), 128)
    assert read() < 0.1


def test_what_cannot_serve_a_site_is_left_out():
    cost = lambda θ, x, draw: draw("z", Normal(θ, 1 + x)) ** 2  # noqa: E731
    rows = profile(
        cost, jnp.asarray(0.5), BATCH, jr.key(0), candidates=["exact", "mvd", "score", "vimco"], draws=4
    )
    assert [row.estimator for row in rows] == ["mvd", "score"]


def fixed(monkeypatch, **work):
    """Let every estimator have the work given: choosing is tested apart from measuring."""
    rows = [
        EstimatorProfile("b", word, word not in ("st", "gumbel"), 0.0, w, 0.0, 1.0, 1, 1e6)
        for word, w in work.items()
    ]
    monkeypatch.setattr(
        Profiler, "__call__", lambda self, *_: [row for row in rows if row.estimator in self.specs]
    )


def test_the_least_work_is_chosen_and_the_runner_up_named(monkeypatch):
    fixed(monkeypatch, score=3.0, disarm=1.0, rebar=2.0, st=0.1)
    choice = choose(coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0))
    assert choice.policy == {"b": "disarm"}
    assert "runner-up rebar" in choice.reasons["b"]


def test_a_biased_estimator_is_chosen_only_on_request(monkeypatch):
    fixed(monkeypatch, score=3.0, st=0.1)
    assert choose(coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0)).policy == {"b": "score"}
    chosen = choose(coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0), allow_biased=True)
    assert chosen.policy == {"b": "st"}


def test_what_is_in_use_stays_unless_another_is_clearly_better(monkeypatch):
    fixed(monkeypatch, score=1.0, disarm=0.9, rebar=0.5)
    for candidates, expected in ((["score", "disarm"], "score"), (["score", "disarm", "rebar"], "rebar")):
        choice = choose(
            coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0), candidates=candidates, current={"b": "score"}
        )
        assert choice.policy == {"b": expected}


def test_on_a_small_site_the_sum_over_all_values_wins():
    choice = choose(
        coin(0.4), jnp.asarray(0.3), BATCH, jr.key(0), candidates=["score", "exact", "rloo(k=4)"], burn_in=2
    )
    assert choice.policy == {"b": "exact"}


def test_no_choice_is_an_error():
    with pytest.raises(SiteError, match="serves site 'b'"):
        choose(coin(0.4), jnp.asarray(0.3), BATCH, jr.key(0), candidates=["mvd"])
    with pytest.raises(UsageError, match="Did you mean 'rebar'"):
        choose(coin(0.4), jnp.asarray(0.3), BATCH, jr.key(0), candidates=["rebbar"])


def test_profiling_twice_measures_the_same_apart_from_time():
    run = lambda: profile(coin(0.4), jnp.asarray(0.3), BATCH, jr.key(7), candidates=["nvil"], draws=8)  # noqa: E731
    first, second = run()[0], run()[0]
    assert first._replace(microseconds=0.0) == second._replace(microseconds=0.0)
    assert jax.tree.all(jax.tree.map(np.isfinite, first[3:]))


def test_a_chooser_looks_again_whenever_training_is_twice_as_far():
    chooser = Chooser(coin(0.4), refresh=10, candidates=["score", "exact"], draws=8, burn_in=2)
    assert chooser.due(0)
    assert chooser.choose(0, jnp.asarray(0.0), BATCH, jr.key(0))
    assert chooser.policy == {"b": "exact"}
    assert [chooser.due(step) for step in (5, 9, 10)] == [False, False, True]
    assert not chooser.choose(10, jnp.asarray(1.0), BATCH, jr.key(1))
    assert [chooser.due(step) for step in (19, 20)] == [False, True]
    assert not chooser.choose(20, jnp.asarray(1.0), BATCH, jr.key(2))
    assert [chooser.due(step) for step in (39, 40)] == [False, True]
    assert [step for step, _ in chooser.history] == [0, 10, 20]


def test_a_profile_taken_again_sees_the_new_model_and_compiles_nothing():
    """Of one coin under `score` the variance is p(1 - p)[(1 - p) f1² + p f0²] - g², as the laws have it."""
    profiler = Profiler(coin(0.4), candidates=["score"], draws=4000)
    found = [profiler(jnp.asarray(θ), BATCH, jr.key(0))[0].variance for θ in (0.0, 2.0)]
    compiled = [statistics.draws for statistics in profiler.measured.values()]
    profiler(jnp.asarray(-1.0), BATCH, jr.key(0))
    assert all(
        a is statistics.draws for a, statistics in zip(compiled, profiler.measured.values(), strict=True)
    )
    for variance, θ in zip(found, (0.0, 2.0), strict=True):
        p, f = 1 / (1 + np.exp(-θ)), (0.4**2, 0.6**2)
        expected = p * (1 - p) * ((1 - p) * f[1] ** 2 + p * f[0] ** 2) - ((f[1] - f[0]) * p * (1 - p)) ** 2
        assert np.isclose(variance, expected, rtol=0.1)


def test_auto_is_told_what_it_needs():
    with pytest.raises(UsageError, match="choose"):
        expectation(coin(0.4), "auto")


def test_the_data_has_a_variance_of_its_own():
    """Coins whose cost depends on the example: resampling examples moves the gradient by a known amount."""
    cost = lambda θ, x, draw: x * draw("b", Bernoulli(θ))  # noqa: E731
    batch, θ = jnp.array([-1.0, 0.5, 2.0, 4.0]), jnp.asarray(0.3)
    row = profile(cost, θ, batch, jr.key(0), candidates=["exact"], draws=4000)[0]
    slope = jax.grad(jax.nn.sigmoid)(θ)
    assert row.variance < 1e-12
    assert np.isclose(row.data, slope**2 * np.var(batch) / len(batch), rtol=0.1)


def test_what_is_off_or_not_finite_is_ruled_out_whatever_it_promises():
    """REBAR relaxes a threshold, whose jumps its slope misses, and a root that is not real in between."""
    jumps = lambda θ, x, draw: 3.0 * (draw("b", Bernoulli(θ)) > 0.5) + x  # noqa: E731
    root = lambda θ, x, draw: jnp.sqrt(4 * (draw("b", Bernoulli(θ)) - 0.5) ** 2 - 0.999) + x  # noqa: E731
    for cost in (jumps, root):
        found = choose(
            cost, jnp.asarray(0.3), BATCH, jr.key(0), candidates=["rebar", "score"], draws=2000, burn_in=2
        )
        assert found.policy == {"b": "score"}
        assert "ruled out" in found.reasons["b"]
        assert "rebar" in found.reasons["b"]


def test_a_coin_that_hardly_ever_turns_rules_nobody_out():
    """No draw sees its other side, so the means are off by nothing that these draws could tell."""
    chooser = Chooser(coin(0.4), refresh=1, candidates=["score", "rloo"], draws=16, burn_in=2)
    chooser.choose(0, jnp.asarray(0.0), BATCH, jr.key(0))
    chooser.choose(1, jnp.asarray(-12.0), BATCH, jr.key(1))
    assert chooser.policy["b"] in ("score", "rloo")


def test_what_is_in_use_stays_if_nothing_can_be_measured(monkeypatch):
    rows = [EstimatorProfile("b", "score", True, 0.0, float("nan"), 0.0, 1.0, 1, 1e6)]
    monkeypatch.setattr(Profiler, "__call__", lambda self, *_: rows)
    choice = choose(coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0), current={"b": "rloo"})
    assert choice.policy == {"b": "rloo"}
    with pytest.raises(SiteError, match="finite"):
        choose(coin(0.4), jnp.asarray(0.0), BATCH, jr.key(0))


def test_rounding_is_not_taken_for_bias():
    """In single precision too, in which sums over a support differ by their rounding."""
    with jax.enable_x64(False):
        θ, batch = jnp.asarray([0.7, -0.2, 0.1], jnp.float32), jnp.zeros(1, jnp.float32)
        cost = lambda θ, x, draw: jnp.sum(draw("b", Bernoulli(θ)) * jnp.arange(3.0)) + x  # noqa: E731
        rows = profile(cost, θ, batch, jr.key(0), candidates=["exact", "local", "delta"], draws=16, burn_in=2)
    assert max(row.bias for row in rows) < 4


def test_vimco_is_measured_under_several_particles():
    rows = profile(
        coin(0.4), jnp.asarray(0.3), BATCH, jr.key(0), candidates=["vimco"], objective="iwae", draws=4
    )
    assert [row.estimator for row in rows] == ["vimco"]

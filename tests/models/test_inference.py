"""Looks: what nobody can see is not counted, and a better explanation is kept when it is found."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Normal
from subitize.core.draws import Means, Samples
from subitize.core.errors import UsageError
from subitize.models.air import AIR, ATTENTION_NETWORKS, ElboTerms
from subitize.models.inference import infer, infer_per_object, summed_up, without_the_others
from subitize.models.refinement import (
    best_of_k_step,
    refine,
    refine_latents,
    remove_nearest,
    rotate_first,
    with_one_more,
)
from subitize.models.rollout import Objects, Rollout, Shifted, evidence, mean_step, rollout
from subitize.models.settings import AIRSettings

SMALL = AIRSettings(
    height=20, width=24, max_objects=3, object_size=9.0, window=6, what_dim=3, recurrent=8, head=7,
    encoder=6, decoder=6, convolutions=((4, 3), (2, 4)), features=5, places=4,
)  # fmt: skip
IMAGE = jr.uniform(jr.key(1), (20, 24, 1))
POSTERIOR = jnp.array([0.1, 0.2, 0.3, 0.4])


jitted_infer, jitted_infer_per_object = eqx.filter_jit(infer), eqx.filter_jit(infer_per_object)
jitted_evidence, jitted_refined = eqx.filter_jit(evidence), eqx.filter_jit(refine_latents)


@eqx.filter_jit
def mean_rollout(model):
    """One roll-out with every `where` and `what` at its mean."""
    return rollout(model, IMAGE, model.begin(IMAGE, Means()), mean_step(model, IMAGE))


@functools.cache
def model_of(**options):
    settings = dataclasses.replace(SMALL, **options)
    return jax.jit(lambda key: AIR(settings, key=key))(jr.key(0))


def seen(light, taken=3):
    """A look with patches whose squared norm is `light`, in units of 2σ²."""
    σ = SMALL.pixel_deviation
    patches = jnp.zeros((3, 4, 4, 1)).at[:, 1, 2, 0].set(jnp.sqrt(2 * σ**2 * jnp.array(light)))
    where, what = jnp.array([[2.0, -0.5, 0.0], [2.0, 0.0, 0.0], [2.0, 0.5, 0.0]]), jnp.arange(3.0)[:, None]
    found = Rollout(POSTERIOR, Objects(where, what, patches, jnp.zeros(3)), jnp.asarray(taken))
    return summed_up(model_of(), found)


@pytest.mark.parametrize(
    ("light", "posterior", "order"),
    [
        ([9, 9, 9], [0.1, 0.2, 0.3, 0.4], [0, 1, 2]),
        ([0, 9, 9], [0.3, 0.3, 0.4, 0.0], [1, 2, 0]),
        ([9, 0, 9], [0.1, 0.5, 0.4, 0.0], [0, 2, 1]),
        ([9, 9, 0], [0.1, 0.2, 0.7, 0.0], [0, 1, 2]),
        ([0.9, 1.1, 0.5], [0.3, 0.7, 0.0, 0.0], [1, 0, 2]),
        ([0, 0, 0], [1.0, 0.0, 0.0, 0.0], [0, 1, 2]),
    ],
)
def test_only_the_visible_are_counted(light, posterior, order):
    inferred = seen(light)
    np.testing.assert_allclose(inferred.posterior, posterior, atol=1e-6)
    assert inferred.count == np.argmax(posterior)
    np.testing.assert_array_equal(inferred.what[:, 0], order)
    np.testing.assert_allclose(
        inferred.boxes[:, 0], 1 + 6.0 * np.array(order), atol=1e-5
    )  # of windows of 10 pixels
    np.testing.assert_allclose(inferred.reconstruction, inferred.patches[: int(inferred.count)].sum(0))


def test_steps_that_were_not_taken_are_not_called_invisible():
    inferred = seen([9, 0, 0], taken=1)
    np.testing.assert_allclose(inferred.posterior, POSTERIOR, atol=1e-6)


@pytest.mark.parametrize("word", ATTENTION_NETWORKS)
def test_a_model_that_paints_black_sees_nothing(word):
    model = model_of(model=word)
    dark = eqx.tree_at(lambda m: m.decoder.layers[-1].bias, model, jnp.full(36, -60.0))
    seen = jax.jit(infer)(dark, IMAGE)
    assert seen.count == 0
    np.testing.assert_allclose(seen.posterior[0], 1.0, atol=2e-3)
    assert jitted_infer(model, IMAGE).posterior[0] < 0.9


def dair(kind=AIR):
    """One that is inclined to go on."""
    settings = dataclasses.replace(SMALL, model="dair")
    model = jax.jit(lambda key: kind(settings, key=key))(jr.key(0))
    return eqx.tree_at(lambda m: m.attention.head.bias, model, jnp.zeros(8).at[1].set(5.0))


def test_who_looks_again_never_explains_less():
    """And a model looks as often as it shall."""
    model, again = dair(), jax.jit(refine)
    results = [mean_rollout(model)]
    for time in range(5):
        results.append(again(model, IMAGE, results[-1], jnp.asarray(time)))
    scores = [float(jitted_evidence(model, IMAGE, found)) for found in results]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 1
    for times in (2, 3):
        found, wanted = (
            jitted_infer(dair().for_inference(passes=times), IMAGE),
            summed_up(model, results[times - 1]),
        )
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-3)
        np.testing.assert_allclose(found.posterior, wanted.posterior, atol=1e-5)


def test_no_two_thoughts_of_whoever_looks_again_have_the_same_order():
    orders = []

    class Telling(AIR):
        def begin(self, image, draw):
            progress = super().begin(image, draw)
            jax.debug.callback(lambda order: orders.append(tuple(np.ravel(order).tolist())), progress.state)
            return progress

    model, telling = dair(), dair(Telling)
    found = mean_rollout(model)
    for time in range(2):
        refine(telling, IMAGE, found, jnp.asarray(time))
    jax.effects_barrier()
    assert len(set(orders)) == len(orders) > 2


def four(count=3):
    """Four objects in a row at 0, 10, 12 and 30, the second the smallest; `count` of them are counted."""
    x, most = jnp.array([0.0, 10, 12, 30]), 5
    posterior = jnp.full(most + 1, 0.04).at[count].set(0.8)
    where = jnp.zeros((most, 3)).at[:4, 0].set(jnp.array([1.0, 50, 1, 1])).at[:4, 1].set(x)
    values = jnp.arange(1.0, most + 1)
    patches = values[:, None, None, None] * jnp.ones((most, 2, 2, 1))
    return Rollout(posterior, Objects(where, values[:, None], patches, 10 * values), jnp.asarray(4))


@pytest.mark.parametrize(
    ("found", "number", "left"),
    [
        (four(), 1, [2, 3]),
        (four(), 2, [3]),
        (four(), 3, []),
        (four(), 9, []),
        (four(4), 2, [3, 4]),
        (rotate_first(four(4)), 1, [3, 4, 1]),
        (rotate_first(four(4)), 2, [4, 1]),  # of those at 10, 12, 30 and 0 the first two
        (four(0), 1, []),
    ],
)
def test_the_first_is_taken_back_and_those_next_to_it(found, number, left):
    kept, n = remove_nearest(found, jnp.asarray(number)), len(left)
    assert kept.taken == n
    np.testing.assert_array_equal(kept.objects.what[:, 0], [*left, *[0] * (5 - n)])
    np.testing.assert_array_equal(kept.objects.cost, 10 * kept.objects.what[:, 0])
    np.testing.assert_array_equal(kept.objects.patches.max((1, 2, 3)), kept.objects.what[:, 0])
    np.testing.assert_array_equal(kept.objects.where[n:], 0)
    np.testing.assert_allclose(kept.posterior[:n], found.posterior[:n])
    np.testing.assert_allclose(kept.posterior.sum(), 1, rtol=1e-6)
    np.testing.assert_array_equal(kept.posterior[n + 1 :], 0)


def test_whoever_goes_first_goes_last():
    """As often as there are objects, and all are as they were; those not counted stay."""
    found = four(3)
    assert rotate_first(found).objects.what[:, 0].tolist() == [2, 3, 1, 4, 5]
    for _ in range(3):
        found = rotate_first(found)
    jax.tree.map(np.testing.assert_array_equal, found, four(3))


def cost(model, step):
    """What a step leaves to explain, and what it says itself, in nats."""
    return float(step.error / (2 * model.settings.pixel_deviation**2) + step.cost)


def test_a_careful_step_explains_at_least_as_much_as_the_window_at_the_mean():
    model, gains = dair(), []
    for seed in range(5):
        progress = model.begin(IMAGE, Samples(jr.key(seed)))
        calm, _ = mean_step(model, IMAGE)(0, progress)
        careful, ahead = best_of_k_step(model, IMAGE, jr.key(seed))(0, progress)
        gains.append(cost(model, calm) - cost(model, careful))
        np.testing.assert_allclose(ahead.canvas, careful.patch, atol=1e-6)  # goes on from what it kept
    assert min(gains) >= -1e-3
    assert max(gains) > 0.1


def test_a_window_is_shifted_by_deviations_of_where_and_of_nothing_else():
    q = Normal(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.1, 0.2, 0.3]))
    draw = Shifted(jnp.array([1.0, -1.0, 2.0])).at(7)
    np.testing.assert_allclose(draw("where", q), [1.1, 1.8, 3.6], rtol=1e-6)
    np.testing.assert_array_equal(draw("what", q), q.loc)


def test_an_object_costs_what_laplace_says():
    """½ Σ (μ - m)² / S² - log(s² / S²) over the latents."""
    model, sites = dair(), {}

    class Noted(Means):
        def __call__(self, name, dist):
            sites[name] = dist
            return dist.loc

    attention, _ = model.attention.attend(
        0, model.attention.begin(IMAGE, Means()), IMAGE, 0 * IMAGE, jnp.zeros(6)
    )
    step = model.infer_object(IMAGE, attention, Noted())
    pairs = (sites["where"], model.prior_where()), (sites["what"], model.prior_what())
    halves = [
        0.5 * np.sum((q.loc - p.loc) ** 2 / p.scale**2 - np.log(q.scale**2 / p.scale**2)) for q, p in pairs
    ]
    np.testing.assert_allclose(step.cost, sum(halves), rtol=1e-5)


def test_the_evidence_is_that_of_its_count():
    model = dair()
    found = mean_rollout(model)
    n = int(jnp.argmax(found.posterior))
    steps = model.roll_out(IMAGE, Means())
    whole = ElboTerms.of(model, IMAGE, model.log_prior(), steps)
    constant = IMAGE.size * (np.log(SMALL.pixel_deviation) + 0.5 * np.log(2 * np.pi))
    wanted = whole.log_likelihood[n] - steps.cost[:n].sum() + whole.log_prior[n] + constant
    assert np.isclose(jitted_evidence(model, IMAGE, found), wanted)


def test_only_a_stochastic_network_looks_again():
    with pytest.raises(UsageError, match="would find the same"):
        model_of().for_inference(passes=2)
    with pytest.raises(UsageError, match="at least one pass"):
        dair().for_inference(passes=0)


@pytest.mark.parametrize("word", ATTENTION_NETWORKS)
def test_objects_seen_without_the_others_leave_less_unexplained(word):
    model = model_of(model=word)
    found = mean_rollout(model)
    windows = [model.window(where) for where in found.objects.where]
    what = found.objects.what + 2.0
    patches = jnp.stack([model.paint(*pair) for pair in zip(windows, what, strict=True)])
    objects = found.objects._replace(what=what, patches=patches)
    found = found._replace(posterior=jnp.array([0.0, 0.1, 0.9, 0.0]), objects=objects)
    unexplained = lambda found: float(jnp.sum((IMAGE - found.objects.patches[:2].sum(0)) ** 2))  # noqa: E731
    once = without_the_others(model, IMAGE, found, jnp.asarray(0))
    assert unexplained(once) < unexplained(found)
    left = jnp.clip(IMAGE - patches[1], 0, 1)
    np.testing.assert_allclose(once.objects.what[0], model.recognise(left, windows[0]).loc, atol=1e-5)
    np.testing.assert_allclose(once.objects.what[1:], what[1:])
    painted = model.paint(windows[0], once.objects.what[0])
    np.testing.assert_allclose(once.objects.patches[0], painted, atol=1e-5)
    uncounted = without_the_others(model, IMAGE, found, jnp.asarray(2))
    jax.tree.map(np.testing.assert_array_equal, uncounted, found)


def test_close_looks_differ_by_their_windows_alone():
    model = model_of()
    results = [jitted_infer_per_object(model, IMAGE, key) for key in jr.split(jr.key(3), 2)]
    assert jnp.abs(results[0].boxes - results[1].boxes).max() > 0.1
    again = jitted_infer_per_object(model, IMAGE, jr.split(jr.key(3), 2)[0])
    jax.tree.map(np.testing.assert_array_equal, again, results[0])


def test_at_a_close_look_every_step_has_a_window_of_its_own():
    """Before training an attention network means nearly the same at every step."""
    model = model_of()
    results = jitted_infer(model, IMAGE), jitted_infer_per_object(model, IMAGE, jr.key(3))
    calm, close = (np.ptp(seen.boxes, axis=0) for seen in results)
    assert np.all(calm < 0.1)
    assert np.all(close > 0.5)


@pytest.mark.parametrize(
    ("count", "taken", "wanted"),
    [(1, 3, 2), (1, 2, 2), (1, 1, 1), (0, 1, 1), (3, 3, 3), (3, 5, 4), (5, 5, 5)],
)
def test_one_more_is_counted_if_a_step_was_taken_for_it(count, taken, wanted):
    found = four(count)._replace(taken=jnp.asarray(taken))
    more = with_one_more(found)
    assert jnp.argmax(more) == wanted
    np.testing.assert_allclose(jnp.sort(more), jnp.sort(found.posterior))


def test_what_no_patch_explains_as_well_is_left_as_it_is():
    """One object that looks like the whole picture."""
    model = dair()
    found = mean_rollout(model)
    objects = found.objects._replace(patches=found.objects.patches.at[0].set(IMAGE))
    found = found._replace(posterior=jnp.array([0.1, 0.7, 0.1, 0.1]), objects=objects)
    jax.tree.map(np.testing.assert_array_equal, jitted_refined(model, IMAGE, found, jnp.asarray(0)), found)


@pytest.mark.parametrize(
    ("first", "count", "moving"), [(0, 2, [0, 1]), (1, 3, [1, 2]), (2, 2, []), (3, 5, [3, 4])]
)
def test_what_is_new_is_moved_to_where_it_explains_more(first, count, moving):
    """The rest stays, the bound rises, and divergences follow the means."""
    model = model_of(model="dair", max_objects=5)
    model = eqx.tree_at(lambda m: m.attention.head.bias, model, jnp.zeros(8).at[1].set(9.0))
    found = mean_rollout(model)
    assert found.taken == 5
    found = found._replace(posterior=jnp.full(6, 0.1).at[count].set(0.5))
    moved = jitted_refined(model, IMAGE, found, jnp.asarray(first))
    gained = float(jitted_evidence(model, IMAGE, moved) - jitted_evidence(model, IMAGE, found))
    assert gained > 0.1 if moving else gained == 0
    before, after = found.objects, moved.objects
    standard = lambda where: (where - model.prior_where().loc) / model.prior_where().scale  # noqa: E731
    unlikely = lambda seen: 0.5 * (jnp.sum(standard(seen.where) ** 2, 1) + jnp.sum(seen.what**2, 1))  # noqa: E731
    np.testing.assert_allclose(after.cost - before.cost, unlikely(after) - unlikely(before), atol=1e-3)
    for place in range(5):
        assert np.array_equal(after.patches[place], before.patches[place]) == (place not in moving)
        painted = model.paint(model.window(after.where[place]), after.what[place])
        np.testing.assert_allclose(after.patches[place], painted, atol=1e-4)

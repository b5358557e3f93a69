"""AIR as a program: its bound, its lanes, its sums."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

from subitize.core.counts import Geometric
from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples
from subitize.gradients import expectation
from subitize.models.air import AIR, AIRSettings, ElboTerms, negative_elbo
from subitize.models.attention import pooled
from subitize.models.inference import infer
from subitize.models.sums import (
    ReplayBuffer,
    TrainingExample,
    empty_buffer,
    sum_scene_loss,
    sum_scenes,
    update_buffer,
)

SMALL = AIRSettings(
    height=20, width=24, channels=2, max_objects=3, object_size=9.0, window=6, what_dim=3, recurrent=8,
    head=7, encoder=6, decoder=6, convolutions=((4, 3), (2, 4)), features=5, places=4,
    count_prior="geometric(rate=0.01)",
)  # fmt: skip
MODEL = jax.jit(lambda key: AIR(SMALL, key=key))(jr.key(0))
IMAGE = jr.uniform(jr.key(1), (20, 24, 2))
# Before training posteriors are nearly the priors, and where they differ nobody would see it.
SURE = eqx.tree_at(
    lambda m: (m.attention.where.bias, m.encoder.layers[-1].bias),
    MODEL,
    (jnp.array([0.0, 0.5, -0.8, 0.9, -2.0, -3.0, -1.0]), jnp.array([2.0, -1.0, 3.0, -3.0, -2.0, -1.0])),
)
LOG_PRIOR = Geometric(0.01).log_probs(3)
summed = jax.jit(sum_scenes, static_argnums=(1, 2))


@jax.jit
def rolled_out(key):
    return SURE.roll_out(IMAGE, Samples(key))


@jax.jit
def posteriors(steps):
    """q(where) and q(what) at each step, asked again of both networks: means and deviations."""
    prior, state, canvas = SURE.prior_where(), SURE.attention.begin(IMAGE, Means()), jnp.zeros_like(IMAGE)
    previous, found = jnp.zeros(3 + SMALL.what_dim), []
    for t in range(3):
        attention, state = SURE.attention.attend(t, state, IMAGE, canvas, previous)
        where, what = attention.where, SURE.recognise(IMAGE, SURE.window(steps.where[t]))
        loc, scale = prior.loc + prior.scale * where.loc, prior.scale * where.scale
        found.append(((loc, scale), (what.loc, what.scale)))
        canvas, previous = canvas + steps.patch[t], jnp.append(steps.where[t], steps.what[t])
    return found


def divergence(own, prior):
    """Of one normal from another, in nats."""
    (mean, deviation), (loc, scale) = own, prior
    ratio = (deviation / scale) ** 2
    return 0.5 * np.sum(ratio + ((mean - loc) / scale) ** 2 - 1 - np.log(ratio))


def joints_by_hand(steps):
    """For each count, what the bound is without what q(count) costs, with the canvases painted again."""
    where = SURE.prior_where()
    kl = [
        divergence(q_where, (where.loc, where.scale)) + divergence(q_what, (0.0, 1.0))
        for q_where, q_what in posteriors(steps)
    ]
    joints = []
    for n in range(4):
        canvas = np.asarray(steps.patch[:n].sum(0)) if n else np.zeros(IMAGE.shape)
        fit = stats.norm(canvas, SMALL.pixel_deviation).logpdf(np.asarray(IMAGE)).sum()
        joints.append(fit + LOG_PRIOR[n] - sum(kl[:n]))
    return np.array(joints)


def by_hand(key):
    """q(count), and the bound at each count, term by term."""
    steps = rolled_out(key)
    q = Stopping(steps.continue_logit)
    return q, joints_by_hand(steps) - q.log_probs()


def test_windows_are_expected_as_if_thrown_uniformly_into_the_canvas():
    """Along its longer side they may lie farther from the middle."""
    prior = MODEL.prior_where()
    middle, shifted = MODEL.window(prior.loc), MODEL.window(prior.loc + prior.scale * jnp.array([0, 1, 1]))
    deviations = [shifted.x - middle.x, shifted.y - middle.y]
    uniform = [stats.uniform(0, side - SMALL.object_size).std() for side in (SMALL.width, SMALL.height)]
    assert np.allclose(deviations, uniform)


def test_windows_are_expected_to_be_as_large_as_objects_are_said_to_be():
    """And however far from that a window is, it is no larger than the canvas."""
    prior = MODEL.prior_where()
    assert np.isclose(MODEL.window(prior.loc).side, SMALL.object_size)
    assert np.isclose(prior.scale[0] / prior.loc[0], SMALL.object_size_spread)
    assert MODEL.window(jnp.array([0.4, 0.0, 0.0])).side == min(SMALL.height, SMALL.width)


def test_an_object_is_recognised_by_what_is_in_its_window():
    window = MODEL.window(MODEL.prior_where().loc)
    left, right = (x.astype(int).item() for x in (window.x - window.side / 2, window.x + window.side / 2))
    seen = MODEL.recognise(IMAGE, window)
    beside = MODEL.recognise(IMAGE.at[:, : left - 1].set(0.0).at[:, right + 2 :].set(0.0), window)
    assert eqx.tree_equal(seen, beside)
    inside = MODEL.recognise(IMAGE.at[:, left + 1 : right - 1].set(0.0), window)
    assert not np.allclose(seen.loc, inside.loc)


def test_before_training_objects_are_dim():
    window = MODEL.window(MODEL.prior_where().loc)
    patches = jax.vmap(lambda what: MODEL.paint(window, what))(jr.normal(jr.key(2), (20, SMALL.what_dim)))
    assert 0 < patches.max() < 0.5


def test_the_evidence_is_linear_in_the_count_and_right():
    evidence = ElboTerms.of(SURE, IMAGE, LOG_PRIOR, rolled_out(jr.key(2)))
    q, wanted = by_hand(jr.key(2))
    found = [evidence.elbo_at(q, code)["elbo"] for code in q.support()]
    assert np.allclose(found, wanted)


def test_exact_sums_over_the_counts_of_one_roll_out():
    loss = expectation(negative_elbo, "exact")
    key = jr.key(3)
    value, info = compiled(loss)(SURE, beginning(loss, IMAGE), IMAGE[None], key)
    (particle,) = jr.split(jr.fold_in(key, 0), 1)
    q, bounds = by_hand(particle)
    assert np.isclose(value, -q.probs() @ bounds)
    assert np.isclose(info["count"][0], q.probs() @ np.arange(4))


@pytest.mark.parametrize("word", ["air", "dair"])
def test_no_gradient_goes_through_the_canvas_to_where_later_steps_attend(word):
    """What is painted changes where they look and whether they go on, but does not learn from it."""
    model = AIR(dataclasses.replace(SMALL, model=word), key=jr.key(0))

    def later(bias):
        painter = eqx.tree_at(lambda m: m.decoder.layers[-1].bias, model, bias)
        steps = painter.roll_out(IMAGE, Means())
        return jnp.append(steps.continue_logit[1:], steps.where[1:]), jnp.sum(steps.error)

    bias = model.decoder.layers[-1].bias
    (attended, _), (through_canvas, through_error) = jax.jit(lambda b: (later(b), jax.jacrev(later)(b)))(bias)
    assert not np.allclose(jax.jit(later)(bias + 3)[0], attended)
    assert np.all(through_canvas == 0)
    assert np.any(through_error != 0)


def beginning(loss, example):
    """The state before the first step."""
    return jax.jit(lambda key: loss.init(MODEL, example, key))(jr.key(0))


def compiled(loss):
    return jax.jit(lambda *arguments: loss(*arguments))


def mean_gradient(word, draws):
    """Of the bound in the bias of the count's logits, at one image."""
    loss = expectation(negative_elbo, word)
    state = beginning(loss, IMAGE)
    batch = jnp.broadcast_to(IMAGE, (draws, *IMAGE.shape))

    def value(bias, batch):
        return loss(eqx.tree_at(lambda m: m.attention.count.bias, MODEL, bias), state, batch, jr.key(4))[0]

    return jax.jit(jax.grad(value))(MODEL.attention.count.bias, batch)


@pytest.fixture(scope="module")
def exact_gradient():
    return mean_gradient("exact", 200)


@pytest.mark.parametrize("word", ["rloo(k=4)", "disarm", "rebar"])
def test_every_kind_of_estimator_has_the_same_mean_gradient(word, exact_gradient):
    """Through the count, a Stopping site: siblings, mirror images, relaxed counts."""
    atol = 0.1 * np.abs(exact_gradient).max()
    assert np.allclose(mean_gradient(word, 2000), exact_gradient, atol=atol)


def test_a_look_is_deterministic_and_consistent():
    seen = jax.jit(infer)(MODEL, IMAGE)
    assert np.isclose(seen.posterior.sum(), 1)
    assert seen.count == seen.posterior.argmax()
    assert np.allclose(seen.reconstruction, seen.patches[: int(seen.count)].sum(0))
    where = jax.jit(lambda model: model.roll_out(IMAGE, Means()))(MODEL).where
    assert np.allclose(seen.boxes[:, 2] - seen.boxes[:, 0], 20 / np.maximum(where[:, 0], 1))


def test_samples_hold_as_many_objects_as_its_prior_says():
    sure = jnp.log(jnp.array([1e-30, 1e-30, 1.0, 1e-30]))
    image, count = MODEL.sample_prior(jr.key(0), sure)
    assert count == 2
    assert image.shape == IMAGE.shape
    assert MODEL.sample_prior(jr.key(0), -1e3 * jnp.array([0.0, 1, 1, 1]))[0].max() == 0


def test_samples_of_one_more_add_another_object():
    none, one, two, three = (MODEL.sample_prior(jr.key(0), jnp.log(sure + 1e-30))[0] for sure in jnp.eye(4))
    added = one - none, two - one, three - two
    assert min(np.min(patch) for patch in added) > -1e-12
    for a, b in itertools.combinations(added, 2):
        assert np.abs(a - b).max() > 0.01


def test_pooling_keeps_the_mean_and_pads_with_black():
    assert np.isclose(pooled(IMAGE[:20, :20], 4).mean(), IMAGE[:20, :20].mean())
    assert pooled(jnp.ones((5, 5, 1)), 4).shape == (4,)
    assert np.isclose(pooled(jnp.ones((5, 5, 1)), 4)[-1], 1 / 16)


def training_example(**weights):
    scalars = {"sharpness": 1.0, "real": 0.0, "told": 0.0, "sum": 0.0, "share": 0.3} | weights
    scalars = {"summands": 2, "nce_weight": 60.0} | scalars
    return TrainingExample(IMAGE, jnp.zeros(4), **{k: jnp.asarray(v) for k, v in scalars.items()})


def test_sum_scene_loss_of_a_real_scene_alone_is_the_bound():
    loss, plain = expectation(sum_scene_loss, "exact"), expectation(negative_elbo, "exact")
    batch = jax.tree.map(lambda x: x[None], training_example(real=1.0))
    state = beginning(loss, training_example(real=1.0))
    wanted, _ = compiled(plain)(MODEL, state, IMAGE[None], jr.key(1))
    assert np.isclose(compiled(loss)(MODEL, state, batch, jr.key(1))[0], wanted)


def test_sum_scene_loss_with_a_blunt_count_and_a_shifted_prior_is_the_bound_with_both():
    loss, shift = expectation(sum_scene_loss, "exact"), jnp.array([0.0, 2.0, -1.0, 0.5])
    example = training_example(real=1.0, sharpness=0.4)._replace(prior_shift=shift)
    batch, state = jax.tree.map(lambda x: x[None], example), beginning(loss, example)
    value, info = compiled(loss)(SURE, state, batch, jr.key(5))
    (particle,) = jr.split(jr.fold_in(jr.key(5), 0), 1)
    steps = rolled_out(particle)
    q = Stopping(0.4 * steps.continue_logit)
    assert np.isclose(value, -q.probs() @ (joints_by_hand(steps) + shift - q.log_probs()))
    assert np.allclose(info["posterior"][0], q.probs())


@pytest.mark.parametrize("m", [2, 3])
def test_a_sum_scene_is_forced_to_be_explained_by_its_objects(m):
    """With nothing to be told apart, it costs a quarter of minus the bound of a q(count) sure of m."""
    loss = expectation(sum_scene_loss, "exact")
    example = training_example(sum=1.0, nce_weight=0.0, summands=m)
    batch, state = jax.tree.map(lambda x: x[None], example), beginning(loss, example)
    value, _ = compiled(loss)(SURE, state, batch, jr.key(5))
    (particle,) = jr.split(jr.fold_in(jr.key(5), 0), 1)
    assert np.isclose(value, -0.25 * joints_by_hand(rolled_out(particle))[m])


def test_contrast_that_is_worth_nothing_costs_nothing():
    loss = expectation(sum_scene_loss, "exact")
    batch = jax.tree.map(lambda x: x[None], training_example(told=1.0, nce_weight=0.0))
    assert compiled(loss)(MODEL, {"count": None}, batch, jr.key(1))[0] == 0


@pytest.mark.parametrize("m", [2, 3])
def test_contrast_alone_is_best_where_q_is_the_density_ratio(m):
    """Told apart from as many real scenes, sums with density ratio r to real scenes want q(m|x) = r π."""
    loss = expectation(sum_scene_loss, "exact")
    share, ratio = 0.3, 1.8
    before = jnp.where(jnp.arange(3) < m - 1, 9.0, -9.0)  # all but the next are certain

    def cost(shift):
        logits = before.at[m - 1].set(shift)
        model = eqx.tree_at(lambda m: m.attention.count.bias, MODEL, MODEL.attention.count.bias + logits)
        both = [
            training_example(told=1.0, share=share, summands=m),
            training_example(sum=ratio, share=share, summands=m),
        ]
        batch = jax.tree.map(lambda *x: jnp.stack(x), *both)
        value, info = loss(model, {"count": None}, batch, jr.key(1))
        return value, info["posterior"][0, m]

    shifts = jnp.linspace(-3, 3, 61)
    # the share of the bound in a sum scene's cost does not depend on which x it is; take it away
    from subitize.models import sums

    force, sums.FORCE = sums.FORCE, 0.0
    try:
        values, posteriors = jax.jit(jax.vmap(cost))(shifts)
    finally:
        sums.FORCE = force
    assert np.isclose(posteriors[values.argmin()], share * ratio, atol=0.02)


@pytest.mark.parametrize("m", [2, 3])
def test_sum_scenes_are_sums_of_likely_ones_that_fit(m):
    images = jnp.zeros((8, 6, 6, 1)).at[jnp.arange(8), jnp.arange(8) % 6, 2].set(0.8)
    ones = jnp.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.9, 0.1])
    number = 10 * (m - 1)  # of the threes that fit, fewer are sure
    sums, weight = summed(ReplayBuffer(images, ones, jnp.asarray(0.3)), number, m, jr.key(0))
    used = np.asarray(weight) > 0
    assert used.sum() >= 5
    assert np.asarray(sums)[used].max() <= 1
    assert np.allclose(np.asarray(sums)[used].sum((1, 2, 3)), 0.8 * m)
    assert np.allclose(np.asarray(weight)[used], 0.9**m)


def test_no_picture_is_added_to_itself():
    """Of sums of three: each has one pixel of its own, so dim that three times the same would fit."""
    images = 0.3 * jnp.eye(8).reshape(8, 2, 4, 1)
    sums, weight = summed(ReplayBuffer(images, jnp.ones(8), jnp.asarray(0.3)), 40, 3, jr.key(0))
    used = np.asarray(sums)[np.asarray(weight) > 0]
    assert len(used) > 20
    assert np.isclose(used.max(), 0.3)
    assert np.all((used > 0).sum((1, 2, 3)) == 3)


def test_sums_are_made_of_what_was_counted_as_one():
    """Sixty pictures with a pixel of their own, of which twenty were surely none, one and two each."""
    images = 0.3 * jnp.eye(60).reshape(60, 6, 10, 1)
    posterior = jnp.repeat(jnp.eye(3), 20, 0)
    sums, weight = summed(update_buffer(empty_buffer(images), images, posterior, 2), 30, 2, jr.key(0))
    assert np.all(weight == 1)
    lit = (np.asarray(sums) > 0).any(0).ravel()
    assert lit[20:40].sum() > 10
    assert lit.sum() == lit[20:40].sum()


def test_the_share_of_scenes_like_sums_is_followed():
    images, before = jnp.zeros((2, 3, 3, 1)), empty_buffer(jnp.zeros((2, 3, 3, 1)))
    posterior = jnp.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.5, 0.5]])
    for summands, share in ((2, 0.4), (3, 0.45)):
        after = update_buffer(before, images, posterior, summands)
        assert np.isclose(after.share, 0.98 * before.share + 0.02 * share)


def test_nothing_certain_makes_no_sums():
    _, weight = summed(
        ReplayBuffer(jnp.zeros((4, 5, 5, 1)), jnp.full(4, 0.1), jnp.asarray(0.3)), 3, 2, jr.key(0)
    )
    assert np.all(weight == 0)


@pytest.mark.parametrize(
    ("height", "width", "channels", "most"), [(33, 50, 1, 1), (64, 64, 3, 5), (17, 90, 1, 2)]
)
def test_any_canvas_any_depth_any_number(height, width, channels, most):
    settings = dataclasses.replace(SMALL, height=height, width=width, channels=channels, max_objects=most)
    seen = jax.jit(lambda key: infer(AIR(settings, key=key), jnp.zeros((height, width, channels))))(jr.key(0))
    assert seen.posterior.shape == (most + 1,)
    assert np.isfinite(seen.posterior).all()

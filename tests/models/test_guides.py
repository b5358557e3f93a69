"""Guides: what they remember, what they look at, and how many steps they take."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples
from subitize.core.errors import UsageError
from subitize.gradients import expectation
from subitize.models.air import AIR, GUIDES, negative_elbo
from subitize.models.guide import grid_mean
from subitize.models.look import look
from subitize.models.settings import AIRSettings

SMALL = AIRSettings(
    height=32, width=40, max_objects=3, object_size=10.0, window=6, what=3, recurrent=8, head=7,
    encoder=6, decoder=6, convolutions=((4, 3), (2, 4)), features=5, places=4,
)  # fmt: skip
IMAGE = jr.uniform(jr.key(1), (32, 40, 1))
NOTHING = jnp.zeros(6)
WISH, GO_ON = 0, 1  # answers of a cell of dair's guide


@functools.cache
def model_of(word):
    settings = dataclasses.replace(SMALL, model=word)
    return jax.jit(lambda key: AIR(settings, key=key))(jr.key(0))


@eqx.filter_jit
def roll_out(model, image, draw):
    return model.roll_out(image, draw)


@eqx.filter_jit
def begin(guide, image, draw):
    return guide.begin(image, draw)


@eqx.filter_jit
def attend(guide, *seen):
    return guide.attend(*seen)


EXTENDING = [word for word, guide in GUIDES.items() if guide.extends]


@pytest.mark.parametrize("word", GUIDES)
def test_every_weight_of_a_guide_is_trained(word):
    model = model_of(word)
    loss = expectation(negative_elbo, "exact")
    memory = loss.init(model, IMAGE, jr.key(0))
    gradient = jax.jit(jax.grad(lambda model: loss(model, memory, IMAGE[None], jr.key(3))[0]))(model)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert bool(jnp.any(leaf != 0)), jax.tree_util.keystr(path)


@pytest.mark.parametrize("word", EXTENDING)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_model_that_takes_more_steps_takes_the_same_ones_first(word, steps):
    model = model_of(word)
    before, after = (roll_out(m, IMAGE, Means()) for m in (model, model.extended(steps)))
    shared = min(3, steps)
    for a, b in zip(map(np.asarray, before), map(np.asarray, after), strict=True):
        np.testing.assert_allclose(a[:shared], b[:shared], atol=1e-12)
    assert len(look(model.extended(steps), IMAGE).posterior) == steps + 1


def test_a_model_that_knows_its_steps_takes_no_others():
    with pytest.raises(UsageError, match="takes no others"):
        model_of("air").extended(5)
    assert model_of("air").extended(3).settings.max_objects == 3
    model = model_of("air")
    assert model.extended() is model


def test_more_objects_than_memory_holds_are_refused():
    with pytest.raises(UsageError, match="at most 15625"):
        model_of("dair").extended(15626)
    with pytest.raises(UsageError, match="at least 1"):
        model_of("dair").extended(0)


def test_dair_remembers_nothing():
    guide = model_of("dair").guide
    canvas, beginning = 0.5 * IMAGE, begin(guide, IMAGE, Means())
    assert eqx.tree_equal(beginning, begin(guide, 0 * IMAGE, Means()))
    first, memory = attend(guide, 0, beginning, IMAGE, canvas, NOTHING)
    later, after = attend(guide, 7, memory, IMAGE, canvas, NOTHING + 1)
    assert eqx.tree_equal((first, beginning), (later, after))


def test_dair_sees_what_the_canvas_explains():
    guide = model_of("dair").guide
    order = begin(guide, IMAGE, Means())
    a, b = (attend(guide, 0, order, IMAGE, canvas, NOTHING)[0] for canvas in (0 * IMAGE, IMAGE))
    assert not np.isclose(a.go_on, b.go_on)


def test_what_is_left_and_what_is_explained_make_up_what_dair_sees():
    """To one that looks at both alike, it makes no difference what of the picture is explained."""
    guide = model_of("dair").guide
    alike = jnp.ones_like(guide.convolutions[0].weight)
    guide = eqx.tree_at(lambda g: g.convolutions[0].weight, guide, alike)
    order = begin(guide, IMAGE, Means())
    a, b = (attend(guide, 0, order, IMAGE, canvas, NOTHING)[0] for canvas in (0 * IMAGE, 0.7 * IMAGE))
    assert eqx.tree_equal(a, b, rtol=1e-9)


def test_dair_asks_one_place_whether_to_go_on():
    """What is far from the place attended to changes nothing: the reason why it may count beyond training."""
    guide = model_of("dair").guide
    order = jnp.zeros_like(guide.order).at[1, 1].set(50.0)
    corner = IMAGE.at[:, 36:].set(0.0)
    a, b = (attend(guide, 0, order, image, jnp.zeros_like(image), NOTHING)[0] for image in (IMAGE, corner))
    assert eqx.tree_equal(a, b)


@pytest.mark.parametrize(("answer", "light"), [(WISH, 1.0), (GO_ON, 0.95)])
def test_a_restless_guide_attends_to_what_deserves_the_same_in_any_order(answer, light):
    """Two blobs, and a guide for which light is a wish, then alike, or a reason to go on, then enough: either
    may come first, and never anything else."""
    guide = model_of("dair").guide
    bright = [jnp.ones_like(layer.weight) for layer in guide.convolutions]
    bright[-1] = bright[-1].at[len(bright[-1]) // 4 :].set(0.0)  # a cell of the last one sees itself alone
    head = jnp.zeros_like(guide.head.weight).at[:, answer].set(1.0)
    weights = lambda g: [*(layer.weight for layer in g.convolutions), g.head.weight, g.order]  # noqa: E731
    guide = eqx.tree_at(weights, guide, [*bright, head, jnp.zeros_like(guide.order)])
    blobs = jnp.zeros((32, 40, 1)).at[9:15, 1:7].set(1.0).at[9:15, 33:39].set(light)
    most = attend(guide, 0, guide.order.at[1, 0].set(50.0), blobs, 0 * blobs, NOTHING)[0].go_on
    enough = guide.head.bias.at[GO_ON].set(-0.9 * most - 20)  # what sees half a blob says stop
    guide = eqx.tree_at(lambda g: g.head.bias, guide, enough)

    def first(draw):
        """Middle of the first window, in pixels."""
        where = attend(guide, 0, begin(guide, blobs, draw), blobs, 0 * blobs, NOTHING)[0].where.loc
        return np.asarray(20 * (SMALL.shift_deviations[0] * where[1] + 1)).round(3).item()

    assert {first(Samples(key)) for key in jr.split(jr.key(0), 20)} == {4.0, 36.0}


def test_orders_vary_as_much_as_a_guide_is_restless():
    guide = AIR(dataclasses.replace(SMALL, model="dair", restlessness=0.3), key=jr.key(0)).guide
    draw = jax.vmap(lambda key: begin(guide, IMAGE, Samples(key)) - guide.order)
    assert np.isclose(draw(jr.split(jr.key(0), 200)).std(), 0.3, rtol=0.05)


@pytest.mark.parametrize(
    ("chosen", "rows", "columns"), [((1, 3), (0, 1, 2), (2, 3, 4)), ((3, 0), (2, 3), (0, 1))]
)
def test_the_choice_of_a_place_learns_where_to_look_from_its_neighbours_and_not_whether(
    chosen, rows, columns
):
    """Far away a derivative says nothing; and an empty place that learns to say stop would lower others."""
    guide = model_of("dair").guide

    def said(order, bias):
        believing = eqx.tree_at(lambda g: g.head.bias, guide, bias)
        attention, _ = attend(believing, 0, order, IMAGE, 0 * IMAGE, NOTHING)
        return attention.go_on, attention.where.loc

    order = jnp.zeros_like(guide.order).at[chosen].set(1.0)
    whether, where = jax.jacobian(said, argnums=(0, 1))(order, guide.head.bias)
    assert not whether[0].any()
    assert jnp.argwhere(where[0].any(0)).tolist() == [[row, column] for row in rows for column in columns]
    assert whether[1].tolist() == jax.nn.one_hot(GO_ON, len(guide.head.bias)).tolist()
    assert not where[1][:, GO_ON].any()


@pytest.mark.parametrize("word", GUIDES)
def test_only_a_restless_guide_draws_an_order_and_training_draws_it(word):
    model, drawn = model_of(word), []

    class Other(Means):
        def __call__(self, name, dist):
            drawn.append(name)
            return dist.loc + dist.scale if name == "order" else dist.loc

        def at(self, step):
            return self

    usual, other = roll_out(model, IMAGE, Means()), roll_out(model, IMAGE, Other())
    assert drawn.count("order") == int(model.guide.restless)
    assert model.guide.restless or eqx.tree_equal(usual, other)
    served, _ = expectation(negative_elbo, "exact").sites(model, IMAGE)
    assert set(served) == {"count"}


def test_dair_follows_an_object_that_moves():
    """Eight pixels to the right are eight pixels to the right."""
    guide = model_of("dair").guide
    order = jnp.zeros_like(guide.order)
    blob = jnp.zeros((32, 40, 1)).at[13:19, 13:19].set(1.0)
    a, b = (
        attend(guide, 0, order, image, jnp.zeros_like(image), NOTHING)[0]
        for image in (blob, jnp.roll(blob, 8, 1))
    )
    assert np.isclose(a.go_on, b.go_on)
    pixels = 0.5 * SMALL.width * SMALL.shift_deviations[0] * (b.where.loc - a.where.loc)
    np.testing.assert_allclose(pixels[1:], [8.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("word", ["air", "published"])
def test_a_recurrent_guide_knows_by_its_cell_that_time_has_passed(word):
    """Deaf to its own output, it sees the same at every step, and yet looks elsewhere."""
    guide = model_of(word).guide
    guide = eqx.tree_at(lambda g: g.remember, guide, jax.tree.map(jnp.zeros_like, guide.remember))
    first, memory = attend(guide, 0, begin(guide, IMAGE, Means()), IMAGE, 0 * IMAGE, NOTHING)
    second, _ = attend(guide, 1, memory, IMAGE, 0 * IMAGE, NOTHING)
    assert not np.allclose(first.where.loc, second.where.loc, rtol=1e-6)


@pytest.mark.parametrize(("row", "column", "place"), [(0, 2, [0, -1]), (4, 3, [0.5, 1]), (1, 0, [-1, -0.5])])
def test_a_grid_of_places_spans_the_canvas_row_by_row(row, column, place):
    """In standard units: a uniform of deviation one ends at the root of three."""
    sure = jnp.zeros((5, 5)).at[row, column].set(1.0).ravel()
    assert np.allclose(grid_mean(sure, 5), 3**0.5 * np.array(place))


def test_the_published_guide_hears_what_was_found_before():
    guide = model_of("published").guide
    memory = begin(guide, IMAGE, Means())
    a, b = (attend(guide, 1, memory, IMAGE, 0 * IMAGE, latest)[0] for latest in (NOTHING, NOTHING + 1))
    assert not np.isclose(a.go_on, b.go_on)
    c = attend(guide, 1, memory, IMAGE, IMAGE, NOTHING)[0]
    assert eqx.tree_equal(a, c), "it does not see its canvas"


@eqx.filter_jit
def unrolled(model, image):
    """The roll-out of every step, as training does it."""
    steps = model.roll_out(image, Means())
    posterior = Stopping(steps.go_on).probs()
    kept = (jnp.arange(len(steps.patch)) < jnp.argmax(posterior)).astype(float)
    return posterior, steps, jnp.tensordot(kept, steps.patch, 1)


@pytest.mark.parametrize("word", ["dair", "published"])
def test_looking_on_is_the_roll_out_as_far_as_it_goes(word, monkeypatch):
    monkeypatch.setattr("subitize.models.sight.UNLIKELY", 0.0)
    model = model_of(word).extended(5)
    posterior, steps, canvas = unrolled(model, IMAGE)
    seen = look(model, IMAGE)
    assert np.allclose(seen.posterior, posterior, atol=1e-6)
    assert np.allclose(seen.boxes, jax.vmap(lambda where: model.window(where).box())(steps.where), atol=1e-4)
    assert np.allclose(seen.patches, steps.patch, atol=1e-6)
    assert np.allclose(seen.reconstruction, canvas, atol=1e-6)


def test_nobody_looks_for_what_is_unlikely(monkeypatch):
    """The first step from which one more object has a probability below the bar is the last to count."""
    model = model_of("dair").extended(12)
    posterior = np.asarray(unrolled(model, IMAGE)[0])
    beyond = 1 - np.cumsum(posterior)  # of more than n objects
    for bar in (0.3, 0.01):
        monkeypatch.setattr("subitize.models.sight.UNLIKELY", bar)
        seen = look(model, IMAGE)
        last = np.argmax(beyond < bar) + 1
        assert last < 10
        assert np.allclose(np.asarray(seen.posterior)[:last], posterior[:last], atol=1e-6)
        assert np.isclose(np.sum(seen.posterior), 1)
        rest = np.asarray(seen.posterior)[last:]
        assert np.all(rest > 0)  # unlikely, not impossible
        assert np.allclose(rest[1:-1] / rest[:-2], rest[1] / rest[0])
        assert np.all(np.asarray(seen.boxes)[last:] == 0)

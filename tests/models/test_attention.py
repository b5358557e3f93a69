"""Attention networks: what they remember, what they look at, and how many steps they take."""

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
from subitize.models.air import AIR, ATTENTION_NETWORKS, negative_elbo
from subitize.models.attention import grid_mean
from subitize.models.inference import infer
from subitize.models.settings import AIRSettings

SMALL = AIRSettings(
    height=32, width=40, max_objects=3, object_size=10.0, window=6, what_dim=3, recurrent=8, head=7,
    encoder=6, decoder=6, convolutions=((4, 3), (2, 4)), features=5, places=4,
)  # fmt: skip
IMAGE = jr.uniform(jr.key(1), (32, 40, 1))
NOTHING = jnp.zeros(6)
WISH, GO_ON = 0, 1  # answers of a cell of dair's attention network


@functools.cache
def model_of(word):
    settings = dataclasses.replace(SMALL, model=word)
    return jax.jit(lambda key: AIR(settings, key=key))(jr.key(0))


@eqx.filter_jit
def roll_out(model, image, draw):
    return model.roll_out(image, draw)


@eqx.filter_jit
def begin(network, image, draw):
    return network.begin(image, draw)


@eqx.filter_jit
def attend(network, *seen):
    return network.attend(*seen)


EXTENDING = [word for word, network in ATTENTION_NETWORKS.items() if network.any_length]


@pytest.mark.parametrize("word", ATTENTION_NETWORKS)
def test_every_weight_of_an_attention_network_is_trained(word):
    model = model_of(word)
    loss = expectation(negative_elbo, "exact")
    state = loss.init(model, IMAGE, jr.key(0))
    gradient = jax.jit(jax.grad(lambda model: loss(model, state, IMAGE[None], jr.key(3))[0]))(model)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert bool(jnp.any(leaf != 0)), jax.tree_util.keystr(path)


@pytest.mark.parametrize("word", EXTENDING)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_model_that_takes_more_steps_takes_the_same_ones_first(word, steps):
    model = model_of(word)
    before, after = (roll_out(m, IMAGE, Means()) for m in (model, model.for_inference(steps)))
    shared = min(3, steps)
    for a, b in zip(map(np.asarray, before), map(np.asarray, after), strict=True):
        np.testing.assert_allclose(a[:shared], b[:shared], atol=1e-12)
    assert len(infer(model.for_inference(steps), IMAGE).posterior) == steps + 1


def test_a_model_that_knows_its_steps_takes_no_others():
    with pytest.raises(UsageError, match="takes no others"):
        model_of("air").for_inference(5)
    assert model_of("air").for_inference(3).settings.max_objects == 3
    model = model_of("air")
    assert model.for_inference() is model


def test_more_objects_than_memory_holds_are_refused():
    with pytest.raises(UsageError, match="at most 15625"):
        model_of("dair").for_inference(15626)
    with pytest.raises(UsageError, match="at least 1"):
        model_of("dair").for_inference(0)


def test_dair_remembers_nothing():
    network = model_of("dair").attention
    canvas, beginning = 0.5 * IMAGE, begin(network, IMAGE, Means())
    assert eqx.tree_equal(beginning, begin(network, 0 * IMAGE, Means()))
    first, state = attend(network, 0, beginning, IMAGE, canvas, NOTHING)
    later, after = attend(network, 7, state, IMAGE, canvas, NOTHING + 1)
    assert eqx.tree_equal((first, beginning), (later, after))


def test_dair_sees_what_the_canvas_explains():
    network = model_of("dair").attention
    order = begin(network, IMAGE, Means())
    a, b = (attend(network, 0, order, IMAGE, canvas, NOTHING)[0] for canvas in (0 * IMAGE, IMAGE))
    assert not np.isclose(a.continue_logit, b.continue_logit)


def test_what_is_left_and_what_is_explained_make_up_what_dair_sees():
    """To one that looks at both alike, it makes no difference what of the picture is explained."""
    network = model_of("dair").attention
    alike = jnp.ones_like(network.convolutions[0].weight)
    network = eqx.tree_at(lambda g: g.convolutions[0].weight, network, alike)
    order = begin(network, IMAGE, Means())
    a, b = (attend(network, 0, order, IMAGE, canvas, NOTHING)[0] for canvas in (0 * IMAGE, 0.7 * IMAGE))
    assert eqx.tree_equal(a, b, rtol=1e-9)


def test_dair_asks_one_place_whether_to_go_on():
    """What is far from the place attended to changes nothing: the reason why it may count beyond training."""
    network = model_of("dair").attention
    order = jnp.zeros_like(network.order).at[1, 1].set(50.0)
    corner = IMAGE.at[:, 36:].set(0.0)
    a, b = (attend(network, 0, order, image, jnp.zeros_like(image), NOTHING)[0] for image in (IMAGE, corner))
    assert eqx.tree_equal(a, b)


@pytest.mark.parametrize(("answer", "light"), [(WISH, 1.0), (GO_ON, 0.95)])
def test_a_stochastic_network_attends_to_what_deserves_the_same_in_any_order(answer, light):
    """Two blobs, and a network for which light is a wish, then alike, or a reason to go on, then enough:
    either may come first, and never anything else."""
    network = model_of("dair").attention
    bright = [jnp.ones_like(layer.weight) for layer in network.convolutions]
    bright[-1] = bright[-1].at[len(bright[-1]) // 4 :].set(0.0)  # a cell of the last one sees itself alone
    head = jnp.zeros_like(network.head.weight).at[:, answer].set(1.0)
    weights = lambda g: [*(layer.weight for layer in g.convolutions), g.head.weight, g.order]  # noqa: E731
    network = eqx.tree_at(weights, network, [*bright, head, jnp.zeros_like(network.order)])
    blobs = jnp.zeros((32, 40, 1)).at[9:15, 1:7].set(1.0).at[9:15, 33:39].set(light)
    most = attend(network, 0, network.order.at[1, 0].set(50.0), blobs, 0 * blobs, NOTHING)[0].continue_logit
    enough = network.head.bias.at[GO_ON].set(-0.9 * most - 20)  # what sees half a blob says stop
    network = eqx.tree_at(lambda g: g.head.bias, network, enough)

    def first(draw):
        """Middle of the first window, in pixels."""
        where = attend(network, 0, begin(network, blobs, draw), blobs, 0 * blobs, NOTHING)[0].where.loc
        return np.asarray(20 * (SMALL.shift_deviations[0] * where[1] + 1)).round(3).item()

    assert {first(Samples(key)) for key in jr.split(jr.key(0), 20)} == {4.0, 36.0}


def test_orders_vary_as_much_as_restlessness_says():
    network = AIR(dataclasses.replace(SMALL, model="dair", restlessness=0.3), key=jr.key(0)).attention
    draw = jax.vmap(lambda key: begin(network, IMAGE, Samples(key)) - network.order)
    assert np.isclose(draw(jr.split(jr.key(0), 200)).std(), 0.3, rtol=0.05)


@pytest.mark.parametrize(
    ("chosen", "rows", "columns"), [((1, 3), (0, 1, 2), (2, 3, 4)), ((3, 0), (2, 3), (0, 1))]
)
def test_the_choice_of_a_place_learns_where_to_look_from_its_neighbours_and_not_whether(
    chosen, rows, columns
):
    """Far away a derivative says nothing; and an empty place that learns to say stop would lower others."""
    network = model_of("dair").attention

    def said(order, bias):
        believing = eqx.tree_at(lambda g: g.head.bias, network, bias)
        attention, _ = attend(believing, 0, order, IMAGE, 0 * IMAGE, NOTHING)
        return attention.continue_logit, attention.where.loc

    order = jnp.zeros_like(network.order).at[chosen].set(1.0)
    whether, where = jax.jacobian(said, argnums=(0, 1))(order, network.head.bias)
    assert not whether[0].any()
    assert jnp.argwhere(where[0].any(0)).tolist() == [[row, column] for row in rows for column in columns]
    assert whether[1].tolist() == jax.nn.one_hot(GO_ON, len(network.head.bias)).tolist()
    assert not where[1][:, GO_ON].any()


@pytest.mark.parametrize("word", ATTENTION_NETWORKS)
def test_only_a_stochastic_network_draws_an_order_and_training_draws_it(word):
    model, drawn = model_of(word), []

    class Other(Means):
        def __call__(self, name, dist):
            drawn.append(name)
            return dist.loc + dist.scale if name == "order" else dist.loc

        def at(self, step):
            return self

    usual, other = roll_out(model, IMAGE, Means()), roll_out(model, IMAGE, Other())
    assert drawn.count("order") == int(model.attention.stochastic)
    assert model.attention.stochastic or eqx.tree_equal(usual, other)
    served, _ = expectation(negative_elbo, "exact").sites(model, IMAGE)
    assert set(served) == {"count"}


def test_dair_follows_an_object_that_moves():
    """Eight pixels to the right are eight pixels to the right."""
    network = model_of("dair").attention
    order = jnp.zeros_like(network.order)
    blob = jnp.zeros((32, 40, 1)).at[13:19, 13:19].set(1.0)
    a, b = (
        attend(network, 0, order, image, jnp.zeros_like(image), NOTHING)[0]
        for image in (blob, jnp.roll(blob, 8, 1))
    )
    assert np.isclose(a.continue_logit, b.continue_logit)
    pixels = 0.5 * SMALL.width * SMALL.shift_deviations[0] * (b.where.loc - a.where.loc)
    np.testing.assert_allclose(pixels[1:], [8.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("word", ["air", "eslami2016"])
def test_a_recurrent_network_knows_by_its_cell_that_time_has_passed(word):
    """Deaf to its own output, it sees the same at every step, and yet looks elsewhere."""
    network = model_of(word).attention
    network = eqx.tree_at(lambda g: g.remember, network, jax.tree.map(jnp.zeros_like, network.remember))
    first, state = attend(network, 0, begin(network, IMAGE, Means()), IMAGE, 0 * IMAGE, NOTHING)
    second, _ = attend(network, 1, state, IMAGE, 0 * IMAGE, NOTHING)
    assert not np.allclose(first.where.loc, second.where.loc, rtol=1e-6)


@pytest.mark.parametrize(("row", "column", "place"), [(0, 2, [0, -1]), (4, 3, [0.5, 1]), (1, 0, [-1, -0.5])])
def test_a_grid_of_places_spans_the_canvas_row_by_row(row, column, place):
    """In standard units: a uniform of deviation one ends at the root of three."""
    sure = jnp.zeros((5, 5)).at[row, column].set(1.0).ravel()
    assert np.allclose(grid_mean(sure, 5), 3**0.5 * np.array(place))


def test_eslami2016_hears_what_was_found_before():
    network = model_of("eslami2016").attention
    state = begin(network, IMAGE, Means())
    a, b = (attend(network, 1, state, IMAGE, 0 * IMAGE, previous)[0] for previous in (NOTHING, NOTHING + 1))
    assert not np.isclose(a.continue_logit, b.continue_logit)
    c = attend(network, 1, state, IMAGE, IMAGE, NOTHING)[0]
    assert eqx.tree_equal(a, c), "it does not see its canvas"


@eqx.filter_jit
def unrolled(model, image):
    """The roll-out of every step, as training does it."""
    steps = model.roll_out(image, Means())
    posterior = Stopping(steps.continue_logit).probs()
    kept = (jnp.arange(len(steps.patch)) < jnp.argmax(posterior)).astype(float)
    return posterior, steps, jnp.tensordot(kept, steps.patch, 1)


@pytest.mark.parametrize("word", ["dair", "eslami2016"])
def test_looking_on_is_the_roll_out_as_far_as_it_goes(word, monkeypatch):
    monkeypatch.setattr("subitize.models.rollout.UNLIKELY", 0.0)
    model = model_of(word).for_inference(5)
    posterior, steps, canvas = unrolled(model, IMAGE)
    seen = infer(model, IMAGE)
    assert np.allclose(seen.posterior, posterior, atol=1e-6)
    assert np.allclose(seen.boxes, jax.vmap(lambda where: model.window(where).box())(steps.where), atol=1e-4)
    assert np.allclose(seen.patches, steps.patch, atol=1e-6)
    assert np.allclose(seen.reconstruction, canvas, atol=1e-6)


def test_nobody_looks_for_what_is_unlikely(monkeypatch):
    """The first step from which one more object has a probability below the bar is the last to count."""
    model = model_of("dair").for_inference(12)
    posterior = np.asarray(unrolled(model, IMAGE)[0])
    beyond = 1 - np.cumsum(posterior)  # of more than n objects
    for bar in (0.3, 0.01):
        monkeypatch.setattr("subitize.models.rollout.UNLIKELY", bar)
        seen = infer(model, IMAGE)
        last = np.argmax(beyond < bar) + 1
        assert last < 10
        assert np.allclose(np.asarray(seen.posterior)[:last], posterior[:last], atol=1e-6)
        assert np.isclose(np.sum(seen.posterior), 1)
        rest = np.asarray(seen.posterior)[last:]
        assert np.all(rest > 0)  # unlikely, not impossible
        assert np.allclose(rest[1:-1] / rest[:-2], rest[1] / rest[0])
        assert np.all(np.asarray(seen.boxes)[last:] == 0)

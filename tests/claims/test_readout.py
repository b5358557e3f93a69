"""Read-outs: they find what is there, do not find what is not, and choose without looking at the test."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize.claims import readout
from subitize.claims.downstream import objects, sum_and_order
from subitize.claims.readout import (
    PartsReader,
    agreed,
    each,
    glance,
    kept_aside,
    linear_read_out,
    read_out,
)
from subitize.claims.subitizing import number_units, reach
from subitize.scenes import Dots, Scene
from subitize.scenes.stack import Drawn

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def exclusive_or(n):
    """Labels that no linear function of the code tells."""
    code = RNG.normal(size=(n, 4))
    return code, ((code[:, 0] > 0) ^ (code[:, 1] > 0)).astype(int)


def test_a_hidden_layer_reads_what_a_linear_function_cannot():
    seen, test = exclusive_or(800), exclusive_or(500)
    assert read_out(seen, test, 0, steps=800) > 85
    assert linear_read_out(seen, test) < 65
    in_parts = [(codes.reshape(-1, 1, 2, 2), labels) for codes, labels in (seen, test)]
    assert read_out(*in_parts, 0, steps=800) > 85


def test_several_draws_tell_more_than_one():
    def drawn(n, draws):
        labels = RNG.integers(0, 2, n)
        codes = RNG.normal(size=(n, draws, 1, 2)) + labels[:, None, None, None]
        return codes, labels

    told = [read_out(drawn(800, draws), drawn(500, draws), 0, steps=400) for draws in (1, 8)]
    assert told[0] < 85  # Φ(1/√2) = 76 %
    assert told[1] > 94  # Φ(√8/√2) = 98 %


def test_draws_agree_on_the_class_with_the_largest_mean_probability():
    """One that is very certain does not outvote two that are quite sure of another."""
    logits = jnp.array([[20.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    assert agreed(lambda draw: draw, logits) == 1
    assert agreed(lambda draw: draw, logits[:2]) == 0


def test_networks_answer_together_and_each_learns_by_itself(monkeypatch):
    """Of two, the one that is surer is heard, whichever comes first; no two begin with the same key."""

    def sure_of(logits):
        return lambda code: jnp.array(logits)

    seen = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    for networks in ([[2.0, 0.0], [0.0, 9.0]], [[0.0, 9.0], [2.0, 0.0]]):
        keys, waiting = [], [sure_of(logits) for logits in networks]

        def taught(build, lesson, key, steps, decay, keys=keys, waiting=waiting):
            keys.append((tuple(jax.random.key_data(key).tolist()), decay))
            return waiting.pop(0)

        monkeypatch.setattr(readout, "taught", taught)
        assert readout.reader(seen, 0)(seen[0]).tolist() == [1, 1, 1, 1]
        assert len({key for key, _ in keys}) == len(keys) == 2
        assert [decay for _, decay in keys] == list(readout.DECAYS)


def test_a_fifth_is_kept_aside_but_not_more_than_some():
    for n, wanted in ((5, 1), (50, 10), (10_000, 2000), (60_000, 2000)):
        assert kept_aside(n).sum() == wanted


def test_of_every_part_the_same_is_made():
    """If what reads all treats its inputs alike, no order of the parts matters; else it does."""
    reader = PartsReader(3, (4, 5), 6, key=jax.random.key(0))
    parts = jnp.asarray(RNG.normal(size=(3, 4)), jnp.float32)
    fair = eqx.tree_at(
        lambda r: r.whole.layers[0].weight,
        reader,
        replace_fn=lambda w: jnp.tile(w.reshape(3, 5, 5).mean(0), (3, 1)),
    )
    np.testing.assert_allclose(fair(parts), fair(parts[::-1]), atol=1e-5)
    assert not np.allclose(reader(parts), reader(parts[::-1]), atol=1e-3)


def test_nothing_is_read_where_nothing_is_written():
    seen, test = ((RNG.normal(size=(400, 4)), RNG.integers(0, 4, 400)) for _ in range(2))
    for found in (read_out(seen, test, 0, steps=800), linear_read_out(seen, test)):
        assert abs(found - 25) < 100 * 5 * (0.25 * 0.75 / 400) ** 0.5


def test_a_glance_learns_what_it_is_told():
    def told(n):
        labels = RNG.integers(0, 3, n)
        pictures = RNG.integers(0, 60, (n, 12, 12, 1))
        for picture, label in zip(pictures, labels, strict=True):
            picture[:, 4 * label : 4 * label + 4] += 120
        return pictures.astype(np.uint8), labels

    assert glance(told(300), told(200), seed=0, steps=60) > 95


def test_each_picture_is_looked_at_once_and_in_order():
    pictures = RNG.integers(0, 256, (7, 3, 3, 1)).astype(np.uint8)
    brightness = each(mean, jnp.asarray(2.0), pictures, batch=3)
    np.testing.assert_allclose(brightness, 2 * pictures.mean((1, 2, 3)) / 255, rtol=1e-5)


def mean(factor, image):
    return factor * image.mean()


def test_units_of_number_area_and_hull_are_told_apart():
    """In a sample of thousands, in which the hull goes with number."""
    n = 4000
    number, area = RNG.integers(0, 7, n), np.exp(RNG.normal(size=n))
    log_number, log_area = np.log(np.maximum(number, 1)), np.log(area)
    log_hull = log_number + RNG.normal(size=n)
    noise = RNG.normal(size=(n, 5))
    codes = np.stack([log_number, log_area, log_hull, log_number + log_area, 0 * area], 1) + 0.3 * noise
    found = number_units(codes, number, np.stack([area, np.exp(log_hull)], 1))
    assert {name: [unit[0] for unit in units] for name, units in found.items()} == {
        "number": [0],
        "area": [1],
        "hull": [2],
    }


def test_the_reach_of_what_is_lit():
    lit = np.zeros((2, 10, 5))
    lit[0, 2, 1] = lit[0, 6, 3] = 1
    np.testing.assert_allclose(reach(lit, 1), [0.5, 1.0])
    np.testing.assert_allclose(reach(lit, 2), [0.6, 1.0])


def test_drawn_scenes_are_those_of_their_worlds_in_another_order():
    few, many = Dots(counts=(1,), canvas=48), Dots(counts=(4, 5), canvas=48)
    stack = Drawn([(few, 5), (many, 9)], seed=3, batch=4)
    assert len(stack.pictures) == 14
    assert sorted(stack.known)[:5] == [1] * 5
    assert set(stack.known[stack.known > 1]) <= {4, 5}
    fresh = few.batch(3, jnp.arange(5))
    wanted = np.asarray(jnp.round(255 * fresh.image)).astype(int)
    ones = np.asarray(stack.pictures)[stack.known == 1].astype(int)
    for picture in wanted:
        assert np.abs(ones - picture).max((1, 2, 3)).min() <= 1
    scene = stack.batch(0, jnp.arange(3))
    assert scene.image.shape == (3, 48, 48, 1)


def test_a_pair_knows_its_sum_and_its_order():
    boxes = np.array(
        [[[20, 0, 30, 9], [3, 5, 11, 20]], [[1, 0, 9, 9], [8, 0, 20, 9]], [[0, 0, 9, 9], [5, 5, 9, 9]]]
    )
    labels = np.array([[7, 2], [7, 2], [4, 4]])
    scene = Scene(np.zeros((3, 1, 1, 1)), np.full(3, 2), boxes, labels)
    np.testing.assert_array_equal(sum_and_order(scene), [[9, 1], [9, 0], [8, 1]])


def test_objects_come_from_left_to_right_whatever_the_order_of_attention(monkeypatch):
    boxes = jnp.array([[30.0, 0, 40, 9], [2, 5, 11, 20], [0, 0, 1, 1]])
    what = jnp.array([[1.0], [2], [3]])
    seen = SimpleNamespace(boxes=boxes, what=what)
    monkeypatch.setattr("subitize.claims.downstream.look_closely", lambda model, image, key: seen)
    air = SimpleNamespace(settings=SimpleNamespace(width=50, height=25))
    for code in objects(air, jnp.zeros((25, 50, 1))):
        np.testing.assert_allclose(code, [[0.04, 0.2, 0.22, 0.8, 2], [0.6, 0, 0.8, 0.36, 1]], rtol=1e-6)

"""Signs of health see the known bad runs, and only those."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.counter.diagnostics import Diagnosis, Signs, crowding, diagnose, signs
from subitize.models.air import AIR, AIRSettings
from subitize.models.inference import infer

SMALL = AIRSettings(
    height=24, width=24, object_size=9.0, recurrent=8, head=8, encoder=8, decoder=8, features=8
)
MODEL = jax.jit(lambda key: AIR(SMALL, key=key))(jr.key(0))
PICTURES = jnp.zeros((80, 24, 24, 1)).at[jnp.arange(80), jr.randint(jr.key(1), (80,), 2, 22), 5].set(1.0)


def biased(logit):
    return eqx.tree_at(lambda m: m.attention.count.bias, MODEL, jnp.full(3, logit))


def test_a_model_that_sees_nothing_has_failed():
    found = signs(biased(-30.0), PICTURES)
    assert found.miss_rate == 1.0
    assert "sees nothing" in found.failure(with_sums=False)


def test_a_model_that_sees_nothing_in_blank_pictures_has_not():
    found = signs(biased(-30.0), PICTURES * 0)
    assert found.miss_rate is None
    assert found.failure(with_sums=True) is None


def test_a_model_that_uses_every_window_on_one_thing_has_failed():
    found = signs(biased(30.0), PICTURES)
    assert found.saturation_rate == 1.0
    assert "every window" in Signs(0.0, found.saturation_rate, 0.9, duplicate_rate=0.8).failure(
        with_sums=False
    )
    spread = Signs(0.0, 1.0, 0.9, duplicate_rate=0.0)
    assert spread.failure(with_sums=True) is None  # perhaps there really are so many


def looks(distance, pictures=200):
    rng = np.random.default_rng(0)
    first = rng.uniform(10, 90, (pictures, 2))
    angle = rng.uniform(0, 2 * np.pi, pictures)
    second = first + distance * np.stack([np.cos(angle), np.sin(angle)], -1)
    centres = np.stack([first, second, np.zeros_like(first)], 1)
    boxes = np.concatenate([centres - 10, centres + 10], -1)
    return np.full(pictures, 2), boxes


@pytest.mark.parametrize(("distance", "crowded"), [(2.0, True), (30.0, False)])
def test_windows_on_one_place_are_crowded(distance, crowded):
    assert (crowding(*looks(distance)) > 0.5) == crowded


def test_windows_that_share_a_place_no_oftener_than_those_of_other_pictures_are_no_crowd():
    count, boxes = looks(2.0)
    assert crowding(count, np.broadcast_to(boxes[:1], boxes.shape)) == 0


def test_few_pictures_say_nothing():
    assert crowding(*looks(2.0, pictures=5)) is None
    assert Signs(None, None, None, None).inconsistency is None


def test_warnings_name_what_seems_wrong():
    assert "counted twice" in Signs(0.0, 0.0, 0.99, 0.3).warning()
    assert "another object size" in Signs(0.0, 0.0, 0.5, 0.0).warning()
    assert "another seed" in Signs(0.0, 0.0, 0.1, 0.0).warning()
    assert Signs(0.01, 0.0, 0.97, 0.01).warning() is None
    assert Signs(0.01, 0.0, 0.97, 0.02).inconsistency == pytest.approx(0.05)


def columns(limit):
    """A look that counts bright columns up to a limit: what AIR should do, or at one its worst habit."""

    def counted(model, image):
        return infer(model, image)._replace(count=jnp.minimum(jnp.sum(image.max((0, 2)) > 0.5), limit))

    return counted


@pytest.mark.parametrize("m", [2, 3])
def test_sums_of_ones_are_as_many_unless_the_model_merges(m):
    rng = np.random.default_rng(0)
    ones = np.zeros((200, 24, 24, 1))
    ones[np.arange(200), 5, rng.integers(0, 24, 200)] = 1.0
    twos = np.maximum(ones, np.roll(ones, 7, 2))
    pictures = jnp.asarray(np.concatenate([twos, ones]))
    # twos are not added: four are more than it can count
    sees, merges = (signs(MODEL, pictures, m, columns(limit)) for limit in (3, 1))
    assert sees.additivity == 1.0
    assert merges.additivity == 0.0
    assert sees.failure(with_sums=True) is None
    assert "merges objects" in merges.failure(with_sums=True)
    assert merges.failure(with_sums=False) is None  # perhaps nothing adds up


GOOD = Diagnosis(
    miss_rate=0.01, saturation_rate=0.2, additivity=0.98, duplicate_rate=-0.1, oversize=1.05, unexplained=None
)


@pytest.mark.parametrize(
    ("found", "flags"),
    [
        ({}, []),
        ({"miss_rate": 0.3}, ["run_misses_objects"]),
        ({"duplicate_rate": 0.3}, ["run_counts_twice"]),
        ({"additivity": 0.5}, ["run_merges_objects"]),
        ({"oversize": 2.9}, ["run_windows_too_large"]),
        ({"unexplained": 0.5}, ["run_stuck_below_max"]),
        ({"additivity": 0.0, "oversize": 2.9}, ["run_merges_objects", "run_windows_too_large"]),
        (dict.fromkeys(Diagnosis._fields), []),
    ],
    ids=str,
)
def test_what_speaks_against_a_run_has_a_code(found, flags):
    assert GOOD._replace(**found).flags == flags


def test_a_diagnosis_measures_windows_and_what_is_left_unexplained():
    """A model that takes every window, of its prior's size, and paints next to nothing."""
    found = diagnose(biased(30.0), PICTURES, 2)
    assert found[:4] == signs(biased(30.0), PICTURES, 2)
    assert found.oversize == pytest.approx(1, abs=0.25)
    assert found.unexplained is None, "it is at the most that it can see, and so is not stuck"
    one = eqx.tree_at(lambda m: m.attention.count.bias, MODEL, jnp.array([30.0, -30.0, -30.0]))
    assert diagnose(one, PICTURES, 2).unexplained == 1.0
    assert "run_stuck_below_max" in diagnose(one, PICTURES, 2).flags

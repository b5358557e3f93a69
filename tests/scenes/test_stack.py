"""Stacks: what is drawn once is drawn again, the same scenes in another order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize.scenes import Dots
from subitize.scenes.stack import FixedScenes


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def test_drawn_scenes_are_those_of_their_worlds_in_another_order():
    few, many = Dots(counts=(1,), canvas=48), Dots(counts=(4, 5), canvas=48)
    stack = FixedScenes([(few, 5), (many, 9)], seed=3, batch_size=4)
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


def test_a_world_that_is_given_twice_goes_on_and_a_scene_is_any_of_the_pictures():
    dataset = Dots(counts=(1,), canvas=48)
    stack = FixedScenes([(dataset, 3), (dataset, 4)], seed=3, batch_size=7)
    wanted = np.round(255 * np.asarray(dataset.batch(3, jnp.arange(7)).image)).astype(np.uint8)
    assert {picture.tobytes() for picture in np.asarray(stack.pictures)} == {p.tobytes() for p in wanted}
    drawn = np.round(255 * np.asarray(stack.batch(0, jnp.arange(200)).image)).astype(np.uint8)
    assert {picture.tobytes() for picture in drawn} == {p.tobytes() for p in wanted}

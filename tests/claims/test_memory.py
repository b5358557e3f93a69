"""What is asked of a memory: windows on objects, and patches from other scenes that change nothing else."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.claims import memory
from subitize.claims.memory import STEPS, attended, course_of_all, patched_all
from subitize.core.draws import Means
from subitize.models.air import AIR, AIRSettings
from subitize.reproduce import Lab

IMAGES = jr.uniform(jr.key(1), (3, 20, 20, 1))
SCENE, CELL = 0, -1  # of the memory: what the image gives, and the cell


def air(word):
    settings = AIRSettings(
        model=word, height=20, width=20, recurrent=8, head=8, encoder=8, decoder=8, object_size=8.0
    )
    return AIR(settings, key=jr.key(0)).for_inference(STEPS, 1)


def counter(goes_on):
    """An AIR of 2016 whose cell grows by one a step, c = t, and which goes on while c ≤ `goes_on`."""
    model = air("eslami2016")
    network, width = jax.tree.map(jnp.zeros_like, model.attention), model.settings.head
    bar = 1 - np.tanh(goes_on + 0.5)
    network = eqx.tree_at(
        lambda g: (g.see.bias, g.head.weight, g.head.bias, g.where.weight, g.where.bias),
        network,
        (
            jnp.full_like(network.see.bias, 9.0),
            jnp.full_like(network.head.weight, -1 / model.settings.recurrent),
            jnp.ones(width),
            jnp.zeros_like(network.where.weight).at[:, 0].set(2000 / width),
            jnp.zeros_like(network.where.bias).at[0].set(-2000 * bar),
        ),
    )
    return eqx.tree_at(lambda m: m.attention, model, network)


def test_an_object_has_a_window_of_its_own():
    boxes = np.array([[[0, 0, 4, 4], [10, 10, 14, 12], [3, 0, 9, 4]]])
    assert attended(np.array([[[2, 2], [2, 3], [12, 11]]]), boxes).tolist() == [2]
    assert attended(np.array([[[3.5, 2], [30, 3]]]), boxes).tolist() == [1]  # in two boxes, but one window
    assert attended(np.array([[[11, 12], [30, 3]]]), boxes).tolist() == [1]  # x, y in this order
    assert attended(np.array([[[12, 11.5], [3.5, 2], [2, 2]]]), boxes).tolist() == [3]


@pytest.mark.parametrize("word", ["eslami2016", "dair"])
def test_a_course_is_the_roll_out_of_the_model(word):
    model = air(word)
    steps = jax.jit(jax.vmap(lambda image: model.roll_out(image, Means())))(IMAGES)
    taken = course_of_all(model, IMAGES)
    assert np.allclose(taken.go_on, jax.nn.sigmoid(steps.continue_logit), atol=1e-6)
    assert np.allclose(taken.centres, (1 + steps.where[..., 1:]) * 10, atol=1e-4)
    assert np.allclose(taken.previous, np.concatenate([steps.where, steps.what], -1), atol=1e-5)


def test_its_own_memory_is_no_patch():
    model = air("eslami2016")
    model = eqx.tree_at(lambda m: m.attention, model, jax.tree.map(lambda leaf: 4 * leaf, model.attention))
    own = course_of_all(model, IMAGES)
    assert np.ptp(own.previous, axis=1).max() > 0.1, "what was seen last says something"
    for step in (2, 3, 4):
        donor = jax.tree.map(lambda leaf, step=step: leaf[:, step - 2], own.state)
        assert np.allclose(patched_all(model, IMAGES, own, donor, step), own.go_on[:, step - 1], atol=1e-6)


def test_what_the_image_gives_is_not_patched():
    model = air("eslami2016")
    own = course_of_all(model, IMAGES)
    donor = [leaf[:, 0] for leaf in own.state]
    plain = patched_all(model, IMAGES, own, tuple(donor), 2)
    other = donor.copy()
    other[SCENE] = donor[SCENE] + 5
    assert np.array_equal(patched_all(model, IMAGES, own, tuple(other), 2), plain)
    other[CELL] = donor[CELL] + 5
    assert not np.allclose(patched_all(model, IMAGES, own, tuple(other), 2), plain)


@pytest.mark.parametrize("goes_on", [1, 2])
def test_a_network_that_counts_its_steps_goes_on_after_fewer(goes_on):
    model = counter(goes_on)
    own = course_of_all(model, IMAGES)
    assert np.allclose(own.go_on, np.arange(1, STEPS + 1) <= goes_on, atol=1e-3)
    for step in (2, 3):
        for taken in range(1, step):
            donor = jax.tree.map(lambda leaf, taken=taken: leaf[:, taken - 1], own.state)
            assert np.allclose(patched_all(model, IMAGES, own, donor, step), taken + 1 <= goes_on, atol=1e-3)


def test_no_scene_is_seen_with_its_own_memory(monkeypatch, tmp_path):
    donors = []

    def course(model, images):
        n = len(images)
        own = np.arange(n)[:, None].repeat(STEPS, 1)  # a memory that tells whose it is
        return memory.Course(np.zeros((n, STEPS)), np.zeros((n, STEPS, 2)), np.zeros((n, STEPS)), own)

    def patched(model, images, own, donor, step):
        donors.append(donor)
        return np.zeros(len(images))

    opened = SimpleNamespace(for_inference=lambda steps: SimpleNamespace(model=None))
    monkeypatch.setattr(memory, "counter_of", lambda *_: SimpleNamespace(run=lambda lab, seed: opened))
    monkeypatch.setattr(memory, "course_of_all", course)
    monkeypatch.setattr(memory, "patched_all", patched)
    memory.answered(Lab(tmp_path, (0,), tiny=True), "eslami2016", 0)
    assert len(donors) > 16
    for donor in donors:
        assert sorted(donor) == list(range(16))
        assert not np.any(donor == np.arange(16))

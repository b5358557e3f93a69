"""What is asked of a memory: windows on objects, steps told, and a relapse that changes nothing else."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from subitize.claims.memory import ASKED, STEPS, course, found, told
from subitize.core.draws import Means
from subitize.models.air import AIR, AIRSettings

IMAGE = jr.uniform(jr.key(1), (20, 20, 1))


def air(word):
    settings = AIRSettings(
        model=word, height=20, width=20, recurrent=8, head=8, encoder=8, decoder=8, object_size=8.0
    )
    return AIR(settings, key=jr.key(0)).extended(STEPS, 1)


def test_an_object_is_found_once_however_many_windows_are_on_it():
    boxes = np.array([[[0, 0, 4, 4], [10, 10, 14, 12], [5, 0, 9, 4]]])
    centres = np.array([[[2, 2], [3, 3], [12, 11]]])
    assert found(centres, boxes).tolist() == [2]
    assert found(centres[..., ::-1] + np.array([0, 20]), boxes).tolist() == [0]


def test_steps_are_told_where_memories_differ_by_them_and_not_where_they_do_not():
    noise = np.random.default_rng(0).normal(size=(2, 200, 3, 5))
    known = noise + np.array([0, 8, 16])[:, None]
    assert told(*known) == 100
    assert abs(told(*noise) - 100 / 3) < 10


def test_a_course_is_the_roll_out_of_the_model():
    for word in ("published", "dair"):
        model = air(word)
        steps = jax.jit(lambda m: m.roll_out(IMAGE, Means()))(model)
        taken = jax.jit(course)(model, IMAGE)
        assert np.allclose(taken.go_on, jax.nn.sigmoid(steps.go_on), atol=1e-6)
        assert np.allclose(taken.centres[:, 0], (1 + steps.where[:, 1]) * 10, atol=1e-4)


def test_only_a_memory_can_relapse():
    taken = course(air("dair"), IMAGE)
    assert taken.memory.shape == (STEPS, 0)
    assert taken.relapsed == taken.go_on[ASKED - 1]


def test_a_network_that_counts_its_steps_relapses():
    """With all gates open the cell grows by one a step, c = t; it goes on while tanh c < 0.98, twice."""
    model = air("published")
    guide = jax.tree.map(jnp.zeros_like, model.guide)
    width = model.settings.head
    guide = eqx.tree_at(
        lambda g: (g.see.bias, g.head.weight, g.head.bias, g.where.weight, g.where.bias),
        guide,
        (
            jnp.full_like(guide.see.bias, 9.0),
            jnp.full_like(guide.head.weight, -1 / model.settings.recurrent),
            jnp.ones(width),
            jnp.zeros_like(guide.where.weight).at[:, 0].set(1000 / width),
            jnp.zeros_like(guide.where.bias).at[0].set(-20.0),
        ),
    )
    taken = course(eqx.tree_at(lambda m: m.guide, model, guide), IMAGE)
    assert np.allclose(taken.go_on, [1, 1, 0, 0], atol=1e-3)
    assert taken.relapsed > 0.99

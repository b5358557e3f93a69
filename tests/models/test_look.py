"""Looks: what nobody can see is not counted."""

import dataclasses
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.models.air import AIR, GUIDES
from subitize.models.look import Look, summed_up
from subitize.models.settings import AIRSettings

SMALL = AIRSettings(
    height=20, width=24, max_objects=3, object_size=9.0, window=6, what=3, recurrent=8, head=7,
    encoder=6, decoder=6, convolutions=((4, 3), (2, 4)), features=5, places=4,
)  # fmt: skip
IMAGE = jr.uniform(jr.key(1), (20, 24, 1))
POSTERIOR = jnp.array([0.1, 0.2, 0.3, 0.4])


def seen(light, taken=3):
    """A look with patches whose squared norm is `light`, in units of 2σ²."""
    σ = SMALL.pixel_deviation
    patches = jnp.zeros((3, 4, 4, 1)).at[:, 1, 2, 0].set(jnp.sqrt(2 * σ**2 * jnp.array(light)))
    boxes, what = jnp.arange(12.0).reshape(3, 4), jnp.arange(3.0)[:, None]
    found = Look(jnp.asarray(0), POSTERIOR, boxes, what, patches, jnp.zeros((4, 4, 1)))
    return summed_up(SimpleNamespace(settings=SMALL), found, taken)


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
    look = seen(light)
    np.testing.assert_allclose(look.posterior, posterior, atol=1e-6)
    assert look.count == np.argmax(posterior)
    np.testing.assert_array_equal(look.what[:, 0], order)
    np.testing.assert_array_equal(look.boxes[:, 0], 4.0 * np.array(order))
    np.testing.assert_allclose(look.reconstruction, look.patches[: int(look.count)].sum(0))


def test_steps_that_were_not_taken_are_not_called_invisible():
    look = seen([9, 0, 0], taken=1)
    np.testing.assert_allclose(look.posterior, POSTERIOR, atol=1e-6)


@pytest.mark.parametrize("word", GUIDES)
def test_a_model_that_paints_black_sees_nothing(word):
    model = AIR(dataclasses.replace(SMALL, model=word), key=jr.key(0))
    dark = eqx.tree_at(lambda m: m.decoder.layers[-1].bias, model, jnp.full(36, -60.0))
    look = jax.jit(AIR.look)(dark, IMAGE)
    assert look.count == 0
    np.testing.assert_allclose(look.posterior[0], 1.0, atol=2e-3)
    assert model.look(IMAGE).posterior[0] < 0.9

"""Draws: every site, and every step of a loop, has noise of its own."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from subitize.core.distributions import Normal
from subitize.core.draws import Samples

UNIT = Normal(jnp.zeros(()), jnp.ones(()))


@pytest.mark.parametrize("step_of", [int, jnp.asarray], ids=["known steps", "traced steps"])
def test_no_two_sites_and_no_two_steps_have_the_same_noise(step_of):
    def drawn():
        draw = Samples(jr.key(0))
        return [draw.at(step_of(step))(name, UNIT) for name in ("where", "what") for step in range(3)]

    found = [float(value) for value in jax.jit(drawn)()]
    assert len(set(found)) == len(found)
    assert found == [float(value) for value in drawn()]

"""Programs that are compiled quickly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize import scenes
from subitize.core import compile as compiling
from subitize.core.compile import Compiled, compiled, compiler_options
from subitize.scenes import painting
from subitize.scenes.base import DRAWN_AT_ONCE, scenes_of


@pytest.fixture(autouse=True)
def fresh():
    compiler_options.cache_clear()
    yield
    compiler_options.cache_clear()


@pytest.mark.parametrize("runs", ["often", "once"])
def test_it_computes_what_the_function_does(runs):
    @compiled(runs=runs, static_argnames="power")
    def summed(x, power):
        """Sum of powers."""
        return jnp.sum(jnp.sin(x) ** power)

    x = jnp.linspace(0, 3, 1000)
    assert isinstance(summed, Compiled)
    assert summed.__doc__ == "Sum of powers."
    np.testing.assert_allclose(summed(x, power=3), np.sum(np.sin(x) ** 3), rtol=1e-5)


def test_what_runs_once_is_optimized_less_than_what_runs_often():
    level = "xla_backend_optimization_level"
    often, once = compiler_options("often"), compiler_options("once")
    assert often is not None
    assert once is not None
    assert once[level] < often[level] < 3  # XLA's own


def test_another_device_keeps_its_settings(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options("often") is None


def test_an_option_that_this_version_of_xla_lacks_is_left_out(monkeypatch):
    class Refusing:
        def lower(self, *_):
            raise jax.errors.JaxRuntimeError("No such compile option: 'xla_cpu_use_fusion_emitters'")

    monkeypatch.setattr(compiling.jax, "jit", lambda *_, **__: Refusing())
    assert compiler_options("often") == {"xla_backend_optimization_level": 1}


def test_one_program_draws_batches_of_all_sizes():
    dataset = scenes.load("dots", "train")
    whole = dataset.batch(3, np.arange(2 * DRAWN_AT_ONCE + 5))
    programs = scenes_of.program._cache_size()
    for numbers in map(np.array, ([5], [129, 4], range(DRAWN_AT_ONCE))):
        np.testing.assert_array_equal(dataset.batch(3, numbers).image, whole.image[numbers])
    assert len(dataset.batch(3, np.zeros(0, int)).image) == 0
    assert scenes_of.program._cache_size() == programs


def test_scenes_that_are_drawn_ahead_are_those_of_the_stream():
    dataset, numbers = scenes.load("dots", "train"), np.arange(20, 30)
    drawn = dataset.ahead(3, numbers)
    assert drawn is not dataset
    seen = jnp.asarray(numbers[[4, 1]])
    assert (drawn.indices(3, seen) == seen).all()
    jax.tree.map(np.testing.assert_array_equal, drawn.examples(3, seen), dataset.examples(3, seen))


def test_no_more_scenes_are_drawn_ahead_than_memory_holds(monkeypatch):
    dataset = scenes.load("dots", "train")
    monkeypatch.setattr(painting, "MOST_AHEAD", 10 * dataset.height * dataset.width * dataset.channels)
    assert dataset.ahead(3, np.arange(10)) is not dataset
    assert dataset.ahead(3, np.arange(11)) is dataset

import jax
import pytest

from subitize.core.interfaces import DataSpec
from subitize.models.air import AIR, AIRSettings
from subitize.training import Recipe, Run


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learned nothing, which is enough to look at pictures."""
    scenes = {"scenes": "sprites", "counts": (0, 1, 2), "canvas": 24, "size": 8.0, "channels": 1}
    recipe = Recipe.of("air", max_objects=2, object_size=9.0, **scenes)
    settings = AIRSettings(height=24, width=24, channels=1, max_objects=2, object_size=9.0, recurrent=16)
    with jax.enable_x64(False):
        model = jax.jit(lambda key: AIR(settings, key=key))(jax.random.key(3))
    learner = recipe.learner(DataSpec(24, 24, 1))
    return Run(tmp_path_factory.mktemp("run"), recipe, learner, model, "0" * 64)

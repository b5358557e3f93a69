import jax
import pytest

from subitize.models.air import AIR, AIRSettings
from subitize.training.recipe import Recipe
from subitize.training.runs import Run


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learned nothing, which is enough to look at pictures."""
    recipe = Recipe(scenes="sprites", counts=(0, 1, 2), canvas=24, size=8.0, channels=1, max_objects=2)
    settings = AIRSettings(height=24, width=24, channels=1, max_objects=2, object_size=9.0, recurrent=16)
    with jax.enable_x64(False):
        model = jax.jit(lambda key: AIR(settings, key=key))(jax.random.key(3))
    return Run(tmp_path_factory.mktemp("run"), recipe, model, "0" * 64)

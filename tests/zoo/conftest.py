"""Models of the zoo are tested in the precision in which they are trained."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def single_precision():
    with jax.enable_x64(False):
        yield

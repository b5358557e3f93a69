"""Tests of the mathematics run in double precision.

What they compile is small and runs once, so compilation is told not to try hard; those that run real
processes share one cache of compiled programs.
"""

import gc
import os
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"subitize-tests-{os.getuid()}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")  # most take less than the usual 1

import jax
import pytest

jax.config.update("jax_enable_x64", True)


def pytest_sessionstart() -> None:
    """As the command does; not sooner, since what is imported before pytest begins is not type-checked."""
    from subitize.cli import SELDOM

    gc.set_threshold(*SELDOM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end one core would wait for the other's last."""
    items.sort(key=lambda item: "processes" not in item.keywords)

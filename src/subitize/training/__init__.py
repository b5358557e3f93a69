"""Training: where models meet estimators, and runs become files.

The names here are loaded when they are first used, so that importing a recipe stays cheap.
"""

import importlib
from typing import Any

HOMES = {
    "Recipe": "recipe",
    "Learner": "learner",
    "structured": "learner",
    "fit": "loop",
    "Interrupted": "loop",
    "train": "counter",
    "Run": "runs",
    "open_run": "runs",
}
__all__ = list(HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'subitize.training' has no attribute '{name}'")
    return getattr(importlib.import_module(f"subitize.training.{HOMES[name]}"), name)

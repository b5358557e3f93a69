"""Training: where models meet estimators, and runs become files.

The names here are loaded when they are first used, so that importing a recipe stays cheap.
"""

from subitize.core.lazy import lazily

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
__getattr__ = lazily(__name__, HOMES)

"""Training: from a recipe to a run, whatever the model is. It knows learners, and no model.

The names here are loaded when they are first used, so that importing a recipe stays cheap.
"""

from subitize.core.lazy import lazily

HOMES = {
    "Recipe": "recipe",
    "Plan": "plan",
    "fit": "loop",
    "Interrupted": "loop",
    "train": "from_recipe",
    "Run": "run",
    "open_run": "run",
}
__all__ = list(HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = lazily(__name__, HOMES)

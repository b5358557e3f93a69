"""subitize: deep generative inference that counts.

    import subitize as sb

    run = sb.train(sb.Recipe.of(scenes="digits"))         # learn to count, without labels
    inferred = run.infer(images)                          # count, posterior, boxes, patches
    loss = sb.expectation(cost, {"count": "exact"})       # differentiate through chance, by a word

What is imported lazily here costs nothing until it is used; `subitize --help` never loads JAX.
"""

from subitize.core.lazy import lazily

__version__ = "0.1.0"

HOMES = {
    "Recipe": "training",
    "train": "training",
    "open_run": "training",
    "expectation": "gradients",
    "claims": None,
    "core": None,
    "evaluation": None,
    "figures": None,
    "gradients": None,
    "models": None,
    "reproduce": None,
    "scenes": None,
    "training": None,
}
__all__ = ["__version__", *HOMES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = lazily(__name__, HOMES)

"""subitize: deep generative inference that counts.

    import subitize as sb

    counted = sb.count("FOLDER")                          # learn from the folder's pictures, and count them
    run = sb.train(sb.Recipe.of(scenes="digits"))         # learn to count generated scenes, without labels
    inferred = run.infer(images)                          # count, posterior, boxes, patches
    loss = sb.expectation(cost, {"count": "exact"})       # differentiate through chance, by a name

The names are in `__init__.pyi`. What is loaded lazily here costs nothing until it is used; `subitize --help`
never loads JAX.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

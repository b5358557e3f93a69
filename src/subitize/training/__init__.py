"""Training: from a recipe to a run, whatever the model is. It knows learners, and no model.

The names here are loaded when they are first used, so that importing a recipe stays cheap.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

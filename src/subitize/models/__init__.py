"""Models: programs for one image. None of them knows how its randomness will be differentiated.

settings  what defines an attend, infer, repeat besides its weights
air       attend, infer, repeat
guide     what leads it from object to object
dair      a guide without memory, fed by the difference with the image
sums      what a picture of two things looks like, learned from pictures of one
sbn       a sigmoid belief network
draw      DRAW, which paints a picture stroke by stroke

The names here are loaded when they are first used, so that importing settings stays cheap.
"""

import importlib
from typing import Any

HOMES = {
    "AIR": "air",
    "AIRSettings": "settings",
    "DRAW": "draw",
    "DRAWSettings": "draw",
    "Look": "air",
    "negative_elbo": "air",
    "practise": "sums",
}
__all__ = list(HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'subitize.models' has no attribute '{name}'")
    return getattr(importlib.import_module(f"subitize.models.{HOMES[name]}"), name)

"""Which model suits a folder of pictures: a catalogue, or DAIR?

A catalogue knows objects by those that lie alone and are convex and of common size, as cells and coins are.
Where hardly any are, as with digits, and each picture holds a few large ones, DAIR learns their looks.
"""

from pathlib import Path
from typing import NamedTuple

from subitize.core.picture_files import find_pictures
from subitize.counter.composed_scenes import Harvest, harvested
from subitize.models.catalogue.normalize import UNKNOWN
from subitize.models.catalogue.shapes import ALIKE, Shapes
from subitize.models.settings import AIRSettings

LARGE = 0.1  # of a picture's side: how long components are, at least, that a small canvas can show
PICTURES = 50  # that DAIR needs: it learns from whole ones


class Pathway(NamedTuple):
    """A model for a folder, as the registry names it, and why."""

    model: str
    why: str


def pathway(folder: str) -> Pathway:
    """The model that suits a folder of pictures.

    Raises:
        NoInputError: there is no picture that can be read.
        UsageError: the folder is something that subitize wrote.
    """
    harvest = harvested(folder, UNKNOWN, None)
    shapes = harvest.shapes
    seen = f"{shapes.alike:.0%} of what stands out is convex and of one size"
    if shapes.alike >= ALIKE:
        return Pathway("catalogue", seen)
    names = [name for _, name in find_pictures([Path(folder)]).files]
    if suits_dair(shapes, harvest, names):
        return Pathway(
            "dair", f"only {seen}, and no more than {shapes.components:.0f} parts are in a picture"
        )
    return Pathway("catalogue", f"though only {seen}")


def suits_dair(shapes: Shapes, harvest: Harvest, names: list[str]) -> bool:
    """Whether a few large things are in each of enough grey pictures, each a file of one page."""
    few = shapes.components <= AIRSettings.max_objects and shapes.length >= LARGE
    single = len(names) >= PICTURES and set(harvest.files) <= set(names)  # a page has a name of its own
    return few and single and harvest.channel == "grey"

"""Which model suits a folder of pictures: a catalogue, or DAIR?

A catalogue knows objects by those that lie alone and are convex and of common size, as cells and coins are.
Where hardly any are, as with digits, and each picture holds a few large ones, DAIR learns their looks.
"""

from typing import NamedTuple

from subitize.counter.composed_scenes import harvested
from subitize.models.catalogue.normalize import UNKNOWN
from subitize.models.catalogue.shapes import ALIKE, shapes_of

FEW = 4.0  # components in a picture of a few objects, at most, on average
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
    pictures = harvested(folder, UNKNOWN, None).pictures
    shapes = shapes_of(pictures)
    seen = f"{shapes.alike:.0%} of what stands out is convex and of one size"
    if shapes.alike >= ALIKE:
        return Pathway("catalogue", seen)
    if shapes.components <= FEW and shapes.length >= LARGE and len(pictures) >= PICTURES:
        return Pathway("dair", f"only {seen}; {shapes.components:.1f} parts in a picture on average")
    return Pathway("catalogue", f"though only {seen}")

"""How many are there by watershed alone, without learning anything?

What it must know of the objects, their size, ground and brightness, is measured in the pictures, as for a
catalogue (`subitize.counter.composed_scenes`).
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from subitize.core.interfaces import Answer
from subitize.counter.catalogue_answer import Found, answered
from subitize.counter.composed_scenes import harvested
from subitize.models.catalogue.normalize import UNKNOWN, Normalizer
from subitize.models.catalogue.rivals import boxes_in, segmented
from subitize.training.recipe import Recipe
from subitize.training.run import Run

WATERSHED = "watershed"


@dataclasses.dataclass(frozen=True)
class WatershedCounter:
    """Counts what is in pictures of any size by watershed.

    Args:
        normalizer: brings pictures to normalized ones.
        channel: what of their colours is looked at.
        edge: whether what is cut by the border counts: count, half or skip.
    """

    normalizer: Normalizer
    channel: str
    edge: str = "count"

    def answer(self, params: None, pixels: np.ndarray) -> Answer:
        """How many objects are in a picture [height, width, 1 | 3] with brightness from 0 to 1."""
        return answered(pixels, self.channel, self.normalizer, self.edge, by_watershed)


def by_watershed(pixels: np.ndarray) -> Found:
    """What the watershed finds in a normalized picture; it is sure of all."""
    labels = segmented(pixels)
    boxes = boxes_in(labels)
    return Found(np.ones(len(boxes)), boxes, labels, np.array([len(boxes)]), WATERSHED)


def watershed_run(path: Path) -> Run:
    """What counts by watershed in pictures such as those of a folder, in place of a run that was trained.

    Raises:
        NoInputError: there is no picture that can be read.
    """
    harvest = harvested(str(path.absolute()), UNKNOWN, None)
    counter = WatershedCounter(harvest.normalizer, harvest.channel)
    measured = json.dumps(dataclasses.asdict(counter), sort_keys=True)
    digest = hashlib.sha256(measured.encode()).hexdigest()
    recipe = Recipe.of("catalogue", scenes=str(path.absolute()))
    return Run(Path(WATERSHED), recipe, counter, None, digest)

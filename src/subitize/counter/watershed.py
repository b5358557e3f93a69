"""How many are there by watershed alone, without learning anything?

What it must know of the objects, their size, ground and brightness, is measured in the pictures, as for a
catalogue (`subitize.counter.composed_scenes`).
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from subitize.counter.composed_scenes import harvested
from subitize.counter.picture_counter import AbstractPictureCounter, Found
from subitize.models.catalogue.normalize import UNKNOWN
from subitize.models.catalogue.rivals import boxes_in, segmented
from subitize.training.recipe import Recipe
from subitize.training.run import Run

WATERSHED = "watershed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatershedCounter(AbstractPictureCounter):
    """Counts what is in pictures of any size by watershed."""

    def find(self, params: None, pixels: np.ndarray) -> Found:
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
    counter = WatershedCounter(normalizer=harvest.normalizer, channel=harvest.channel, light=harvest.light)
    measured = json.dumps(dataclasses.asdict(counter), sort_keys=True)
    digest = hashlib.sha256(measured.encode()).hexdigest()
    recipe = Recipe.of("catalogue", scenes=str(path.absolute()))
    return Run(Path(WATERSHED), recipe, counter, None, digest)

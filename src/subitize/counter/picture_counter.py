"""How does whatever finds objects in normalized pictures count those in somebody's own?

The picture is normalized, what is found is brought back to its own pixels, the border's rule is applied, and
the classical methods are asked beside it.
"""

import abc
import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import PyTree

from subitize.core.interfaces import Answer
from subitize.counter.catalogue_answer import at_size, doubts_of, not_outvoted, overlooked, posterior_of
from subitize.models.catalogue.channel import grey_of
from subitize.models.catalogue.edge import counts_at_edge, numbered
from subitize.models.catalogue.normalize import Normalizer
from subitize.models.catalogue.rivals import blobs, boxes_in, segmented


class Found(NamedTuple):
    """What is found in a normalized picture.

    Attributes:
        named: how sure each object is, from 0 to 1.
        boxes: x0, y0, x1, y1 of each, in normalized pixels; [n, 4].
        labels: which pixels are of which object: 0 for ground, i for object i, counted from 1.
        counts: how many objects each of some samples holds.
        method: a classical one if it is that which found them, and so no rival to itself; else "".
    """

    named: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    method: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractPictureCounter(abc.ABC):
    """Counts what is in pictures of any size.

    Args:
        normalizer: brings pictures to normalized ones.
        channel: what of their colours is looked at.
        edge: whether what is cut by the border counts: count, half or skip.
        light: adds, or covers, where objects overlap. Classical methods take lights that add up for one
            object, so there they are no evidence that a count is too large.
    """

    normalizer: Normalizer
    channel: str
    edge: str = "count"
    light: str = "covers"

    @abc.abstractmethod
    def find(self, params: PyTree, pixels: np.ndarray) -> Found:
        """The objects of a normalized picture."""

    def answer(self, params: PyTree, pixels: np.ndarray) -> Answer:
        """How many objects are in a picture [height, width, 1 | 3] with brightness from 0 to 1, and where."""
        grey = grey_of(pixels, self.channel)
        normal = self.normalizer(grey)
        found = self.find(params, normal.pixels)
        counts = counts_at_edge(found.boxes, normal.pixels.shape, self.edge)
        rivals = self.rivals(normal.pixels)
        count = int(counts.sum())
        least = count if self.light == "adds" else 0  # fewer are no evidence there
        others = [each for name, each in rivals.items() if name != found.method and each >= least]
        posterior = posterior_of(count, found.counts, not_outvoted(count, others))
        reasons = doubts_of(grey, normal, posterior, others)
        if found.method and self.light == "adds":
            reasons = (*reasons, "light_adds")
        if not len(found.boxes):
            reasons = (*reasons, *overlooked(pixels, self.channel, self.normalizer))
        boxes = np.clip(found.boxes / np.tile(normal.scale[::-1], 2), 0, np.tile(grey.shape[::-1], 2))
        labels = at_size(numbered(found.labels, counts), *grey.shape)
        return Answer(posterior, boxes[counts], found.named[counts], reasons, rivals, labels)

    def rivals(self, pixels: np.ndarray) -> dict[str, int]:
        """What the classical methods count in a normalized picture."""
        seen = {"watershed": boxes_in(segmented(pixels)), "log": blobs(pixels)}
        return {
            name: int(counts_at_edge(boxes, pixels.shape, self.edge).sum()) for name, boxes in seen.items()
        }

"""What is in somebody's pictures, and which of the answers should a person look at again?

A picture is brought to the model's canvas as its training pictures were, looked at, and the windows are
mapped back to the picture's own pixels. An answer comes with reasons for doubt:

    low_confidence        q(count) < 0.9
    at_max_count          the count is N, the most that this model can see: there may be more
    poor_reconstruction   what was seen explains less than half of the picture:
                          Σ (x - x̂)² > 1/2 Σ (x - median)²; it is unlike what the model was trained on
    unexplained_part      some window is left with 0.4 of what the fullest one holds: an object may be missing
    low_contrast          brightest and darkest pixel are less than 0.05 apart: a faint picture, or one of 12
                          bits in a file of 16; stretch it
    blank                 they are the same, or nearly (2/255): explains a count of 0, and speaks against any
                          other

They are signs, not proofs: a model can be wrong without any of them. A file that is no usable picture is
listed with its reason and does not disturb the others.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from subitize.core.pictures import (
    PictureError,
    find_pictures,
    fit_picture,
    invert_picture,
    read_picture,
    to_channels,
)
from subitize.evaluation.counting import intervals
from subitize.training.run import Run

SURE = 0.9  # probability of the count from which on it is believed
CONTRAST, NOTHING = 0.05, 2 / 255  # brightest minus darkest pixel
EXPLAINED = 0.5  # share of the picture's variation that the objects must explain
LEFT = 0.4  # share of the fullest window that may stay unexplained in any window
TOGETHER = 64  # pictures, or
PIXELS = 16_000_000  # pixels, that are held in memory at a time


@dataclasses.dataclass(frozen=True)
class Counted:
    """One picture, and what was seen in it.

    Attributes:
        file: its name relative to the folder given.
        reason: codes of doubt joined by ";", or the code of why it could not be read.
        sentence: why it could not be read, for people; empty if it could.
        picture: [height, width, 3], as it is on disk; without pixels if it could not be read.
        posterior: q(0) … q(N).
        boxes: x0, y0, x1, y1 of each object's window in the picture's own pixels, cut off at its edges.
        ms: milliseconds for reading it and looking at it.
    """

    file: str
    reason: str = ""
    sentence: str = ""
    picture: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 3)))
    posterior: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(1))
    boxes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 4)))
    ms: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the file could not be read."""
        return self.picture.size == 0

    @property
    def count(self) -> int:
        """The most probable count."""
        return int(self.posterior.argmax())

    @property
    def expected(self) -> float:
        """Mean of the posterior."""
        return float(self.posterior @ np.arange(len(self.posterior)))

    @property
    def interval(self) -> tuple[int, int]:
        """The shortest run of counts that holds 90 % of the posterior."""
        low, high = intervals(self.posterior[None])
        return int(low[0]), int(high[0])

    @property
    def needs_review(self) -> bool:
        """Whether a person should look: any reason for doubt, except that an empty picture is blank."""
        return self.reason not in ("", "blank") or (self.reason == "blank" and self.count > 0)

    @property
    def scores(self) -> np.ndarray:
        """Probability that object 1, 2, … is there: that of counts at least as high."""
        return self.posterior[::-1].cumsum()[::-1][1:][: self.count]


def count_pictures(
    run: Run, paths: Iterable[str | Path], fit: str | None = None, invert: str | None = None
) -> Iterator[Counted]:
    """Count what is in pictures, in an order that depends on their names alone.

    Args:
        run: the model to use.
        paths: files and folders.
        fit: resize, crop or pad, for pictures of another size; as in training if None.
        invert: auto, always or never turn a picture over; as in training if None.

    Raises:
        NoInputError: a path does not exist, or there is no picture in any of them.
    """
    files = find_pictures(paths)
    fit, invert = fit or run.recipe.data.fit or "resize", invert or run.recipe.data.invert or "auto"
    warm_up(run)
    waiting: list[Counted] = []
    for file, name in files:
        begun = time.perf_counter()
        try:
            picture = read_picture(file, 3)
            waiting.append(Counted(name, picture=picture, ms=1000 * (time.perf_counter() - begun)))
        except PictureError as error:
            waiting.append(Counted(name, error.reason, str(error)))
        if len(waiting) == TOGETHER or sum(x.picture.size for x in waiting) > 3 * PIXELS:
            yield from look_at(run, waiting, fit, invert)
            waiting = []
    yield from look_at(run, waiting, fit, invert)


def look_at(run: Run, waiting: list[Counted], fit: str, invert: str) -> Iterator[Counted]:
    """Fill in what is seen in those that could be read."""
    s, begun = run.model.settings, time.perf_counter()
    good = [
        fit_picture(invert_picture(to_channels(x.picture, s.channels), invert), s.height, s.width, fit)
        for x in waiting
        if not x.failed
    ]
    look: Any = run.look(np.stack(good)) if good else None
    ms, i = 1000 * (time.perf_counter() - begun) / max(len(good), 1), 0
    for x in waiting:
        if x.failed or look is None:
            yield x
            continue
        posterior, count = look.posterior[i].astype(np.float64), int(look.count[i])
        reason = ";".join(doubts(good[i], look.reconstruction[i], posterior, round(s.object_size)))
        boxes = in_picture(look.boxes[i, :count], x.picture.shape[:2], (s.height, s.width), fit)
        yield dataclasses.replace(x, reason=reason, posterior=posterior, boxes=boxes, ms=x.ms + ms)
        i += 1


def warm_up(run: Run) -> None:
    """Compile now, so that no picture's time includes it."""
    s = run.model.settings
    run.look(np.zeros((1, s.height, s.width, s.channels), np.float32))


def doubts(picture: np.ndarray, reconstruction: np.ndarray, posterior: np.ndarray, window: int) -> list[str]:
    """Codes of what speaks against believing the count."""
    contrast = np.ptp(picture)
    if contrast <= NOTHING:
        return ["blank"]
    found = ["low_contrast"] if contrast < CONTRAST else []
    if posterior.max() < SURE:
        found.append("low_confidence")
    if posterior.argmax() == len(posterior) - 1:
        found.append("at_max_count")
    left = np.square(picture - reconstruction).sum(-1)
    held = np.square(picture - np.median(picture, axis=(0, 1))).sum(-1)
    if left.sum() > (1 - EXPLAINED) * held.sum():
        found.append("poor_reconstruction")
    if fullest(left, window) > LEFT * fullest(held, window):
        found.append("unexplained_part")
    return found


def fullest(values: np.ndarray, window: int) -> float:
    """The largest sum of values [height, width] over a square of `window` pixels inside them."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    k = min(window, *values.shape)
    return float((sums[k:, k:] - sums[:-k, k:] - sums[k:, :-k] + sums[:-k, :-k]).max())


def in_picture(boxes: np.ndarray, picture: tuple[int, int], canvas: tuple[int, int], fit: str) -> np.ndarray:
    """Boxes on the canvas as boxes in the picture that `fit_picture` brought there."""
    scale = min(canvas[0] / picture[0], canvas[1] / picture[1])
    if fit == "resize" or (fit == "pad" and scale < 1):
        scaled = [max(1, round(side * scale)) for side in picture]
    else:
        scaled = list(picture)
    shift = [
        (c - min(s, c)) // 2 - max(0, (s - c) // 2) for s, c in zip(scaled, canvas, strict=True)
    ]  # of the picture's corner on the canvas
    corner, ratio = np.tile(shift[::-1], 2), np.tile(np.divide(scaled, picture)[::-1], 2)
    return np.clip((boxes - corner) / ratio, 0, np.tile(picture[::-1], 2))

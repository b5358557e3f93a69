"""What is in somebody's pictures?

A picture, a file or the bytes of one, is brought to the model's canvas as its training pictures were, and
looked at alone. The windows are mapped back to the picture's own pixels, and reasons for doubt come with the
answer (`subitize.evaluation.doubts`). A file that is no usable picture is listed with its reason and does not
disturb the others.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from subitize.core.errors import printable
from subitize.core.image_io import Picture, PictureError, read_picture
from subitize.core.picture_files import find_pictures
from subitize.core.preprocess import Preprocessor, brightness, to_channels
from subitize.evaluation.counting import intervals
from subitize.evaluation.doubts import colour_is_lost, doubts
from subitize.training.run import Run


@dataclasses.dataclass(frozen=True)
class Counted:
    """One picture, and what was seen in it.

    Attributes:
        file: its name relative to the folder given.
        reason: codes of doubt joined by ";", or the code of why there is no count.
        sentence: why there is no count, for people; empty if there is one.
        picture: [height, width, 3], as it is on disk; without pixels if there is no count.
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
        """Whether there is no count, because the file could not be read or the model gave no number."""
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
        UsageError: a path is something that subitize wrote.
    """
    return count_files(run, find_pictures(paths).files, preprocessor_of(run, fit, invert))


def count_files(
    run: Run, files: Iterable[tuple[str | Path | bytes, str]], preprocessor: Preprocessor
) -> Iterator[Counted]:
    """Count what is in files, or in the bytes of some, each with its name."""
    warm_up(run)
    for source, name in files:
        yield count_picture(run, source, name, preprocessor)


def count_picture(
    run: Run, source: str | Path | bytes, name: str, preprocessor: Preprocessor | None = None
) -> Counted:
    """Count what is in one picture.

    Args:
        run: the model to use.
        source: a file, or the bytes of one.
        name: what to call it in the answer.
        preprocessor: brings it to the model's canvas; as in training if None.
    """
    begun = time.perf_counter()
    try:
        picture = read_picture(source, name)
    except PictureError as error:
        return Counted(name, error.reason, str(error))
    found = answer(run, picture, name, preprocessor or preprocessor_of(run))
    return dataclasses.replace(found, ms=1000 * (time.perf_counter() - begun))


def answer(run: Run, picture: Picture, name: str, preprocessor: Preprocessor) -> Counted:
    """What is seen in a picture that was read."""
    pixels = picture.pixels
    seen = brightness(preprocessor(pixels))
    look = run.look(seen[None])
    posterior, count = np.asarray(look.posterior[0], np.float64), int(look.count[0])
    boxes = np.asarray(look.boxes[0, :count])
    if not (np.isfinite(posterior).all() and np.isfinite(boxes).all()):
        sentence = "the model's answer is not a number; its weights cannot be used. Train it again."
        return Counted(name, "no_answer", f"{printable(name)}: {sentence}")
    lost = (*picture.remarks, *(["colour_lost"] if colour_is_lost(pixels, seen) else []))
    repainted, window = np.asarray(look.reconstruction[0]), round(run.model.settings.object_size)
    return Counted(
        name,
        reason=";".join([*doubts(seen, repainted, posterior, window, lost), *run.flags]),
        picture=to_channels(pixels, 3),
        posterior=posterior,
        boxes=preprocessor.placement(pixels.shape).to_picture(boxes),
    )


def preprocessor_of(run: Run, fit: str | None = None, invert: str | None = None) -> Preprocessor:
    """What brings pictures to a run's canvas; as in its training where nothing else is asked for."""
    s = run.model.settings
    fit, invert = fit or run.recipe.data.fit or "resize", invert or run.recipe.data.invert or "auto"
    return Preprocessor(s.height, s.width, s.channels, fit, invert)


def warm_up(run: Run) -> None:
    """Compile now, so that no picture's time includes it."""
    s = run.model.settings
    run.look(np.zeros((1, s.height, s.width, s.channels), np.float32))

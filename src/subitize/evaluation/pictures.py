"""What is in somebody's pictures?

A picture, a file or the bytes of one, is brought to the model's canvas as its training pictures were, and
looked at alone. The windows are mapped back to the picture's own pixels, and reasons for doubt come with the
answer (`subitize.evaluation.doubts`). A file that is no usable picture is listed with its reason and does not
disturb the others.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from subitize.core.errors import UsageError, printable
from subitize.core.image_io import NARROW_RANGE, Page, Picture, PictureError, read_picture
from subitize.core.interfaces import Answer, Inference, PictureCounter
from subitize.core.picture_files import PAGES, find_pictures, paged
from subitize.core.preprocess import Preprocessor, brightness, to_channels
from subitize.core.specs import check_choice
from subitize.core.threads import in_order
from subitize.counter.inference import PICTURES_AT_ONCE
from subitize.evaluation.conformal import corrected_one
from subitize.evaluation.counting import intervals
from subitize.evaluation.doubts import colour_is_lost, doubts
from subitize.training.calibration import Calibration
from subitize.training.run import Run

PIXELS_AT_ONCE = 4_000_000  # values in the pictures of a group, about,
PIXELS_IN_THREADS = 64_000_000  # and of all groups that threads are at


@dataclasses.dataclass(frozen=True)
class Counted:
    """One picture, and what was seen in it.

    Attributes:
        file: its name relative to the folder given.
        reason: codes of doubt joined by ";", or the code of why there is no count.
        sentence: why there is no count, for people; empty if there is one.
        picture: [height, width, 3], as it is on disk; without pixels if there is no count.
        posterior: q(0) … q(N).
        boxes: x0, y0, x1, y1 of each object in the picture's own pixels, cut off at its edges.
        scores: how sure it is of each object, from 0 to 1.
        rivals: what other methods count, by their names.
        labels: which pixels are of which object, 0 for ground, [height, width]; None if only boxes are known.
        ms: milliseconds for reading it, and its share of the time in which its group was looked at.
        calibration: how wide its interval must be; None if nobody knows.
    """

    file: str
    reason: str = ""
    sentence: str = ""
    picture: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 3)))
    posterior: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(1))
    boxes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 4)))
    scores: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    rivals: Mapping[str, int] = dataclasses.field(default_factory=dict)
    labels: np.ndarray | None = None
    ms: float = 0.0
    calibration: Calibration | None = None

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
    def uncorrected(self) -> tuple[int, int]:
        """The shortest run of counts that holds 90 % of the posterior."""
        low, high = intervals(self.posterior[None])
        return int(low[0]), int(high[0])

    @property
    def interval(self) -> tuple[int, int]:
        """The same, corrected by what verified pictures tell of the model."""
        if self.calibration is None:
            return self.uncorrected
        return corrected_one(self.count, self.uncorrected, self.calibration.factor)

    @property
    def needs_review(self) -> bool:
        """Whether a person should look: any reason for doubt, except that an empty picture is blank."""
        return self.reason not in ("", "blank") or (self.reason == "blank" and self.count > 0)


def count_pictures(
    run: Run,
    paths: Iterable[str | Path],
    fit: str | None = None,
    invert: str | None = None,
    pages: str = "each",
) -> Iterator[Counted]:
    """Count what is in pictures, in an order that depends on their names alone.

    Args:
        run: the model to use.
        paths: files and folders.
        fit: resize, crop or pad, for pictures of another size; as in training if None.
        invert: auto, always or never turn a picture over; as in training if None.
        pages: each page of a file that has several, the first, or max, all laid over each other.

    Raises:
        NoInputError: a path does not exist, or there is no picture in any of them.
        UsageError: a path is something that subitize wrote.
    """
    check_choice("pages", pages, PAGES)
    return count_files(run, paged(find_pictures(paths).files, pages), preprocessor_of(run, fit, invert))


def count_files(
    run: Run,
    files: Iterable[tuple[str | Path | bytes | Page, str]],
    preprocessor: Preprocessor | None,
    threads: int = 0,
) -> Iterator[Counted]:
    """Count what is in files, or in the bytes of some, each with its name.

    Args:
        run: the model to use.
        files: what to read, and its name.
        preprocessor: brings it to the model's canvas, if it has one.
        threads: in which several are counted at once; one for each core if 0.
    """
    at_once = 1 if isinstance(run.learner, PictureCounter) else PICTURES_AT_ONCE
    groups = grouped((read(source, name) for source, name in files), at_once)
    precision = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]

    def count_in_thread(group: list[Read]) -> list[Counted]:
        with jax.enable_x64(precision):  # which JAX knows for each thread by itself
            return count_group(run, preprocessor, group)

    counted = in_order(count_in_thread, groups, threads, pixels_of, PIXELS_IN_THREADS)
    return itertools.chain.from_iterable(counted)


def count_picture(
    run: Run, source: str | Path | bytes | Page, name: str, preprocessor: Preprocessor | None = None
) -> Counted:
    """Count what is in one picture.

    Args:
        run: the model to use.
        source: a file, the bytes of one, or a page of one.
        name: what to call it in the answer.
        preprocessor: brings it to the model's canvas; as in training if None.
    """
    return count_group(run, preprocessor or preprocessor_of(run), [read(source, name)])[0]


class Read(NamedTuple):
    """A file that was read, or why it could not be, and how many milliseconds that took."""

    name: str
    picture: Picture | PictureError
    ms: float

    @property
    def pixels(self) -> int:
        """How many there are."""
        return 0 if isinstance(self.picture, PictureError) else self.picture.pixels.size


def read(source: str | Path | bytes | Page, name: str) -> Read:
    """Read a file, or the bytes of one."""
    begun = time.perf_counter()
    try:
        picture = read_picture(source, name)
    except PictureError as error:
        picture = error
    return Read(name, picture, 1000 * (time.perf_counter() - begun))


def grouped(files: Iterable[Read], most: int) -> Iterator[list[Read]]:
    """Lists of at most so many files in their order, fewer if they are large: memory stays bounded."""
    group: list[Read] = []
    for file in files:
        group.append(file)
        if len(group) == most or pixels_of(group) > PIXELS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def pixels_of(group: list[Read]) -> int:
    """How many values there are in the pictures of a group."""
    return sum(each.pixels for each in group)


def count_group(run: Run, preprocessor: Preprocessor | None, files: Sequence[Read]) -> list[Counted]:
    """Count what is in some files; those that could be read share the time."""
    begun = time.perf_counter()
    pictures = [each.picture for each in files if isinstance(each.picture, Picture)]
    answered = list(answers(run, pictures, preprocessor))
    share, rest = 1000 * (time.perf_counter() - begun) / max(len(pictures), 1), iter(answered)
    found = []
    for name, picture, ms in files:
        if isinstance(picture, PictureError):
            found.append(Counted(name, picture.reason, str(picture)))
        else:
            own = counted(run, name, picture, next(rest), preprocessor)
            found.append(dataclasses.replace(own, ms=ms + share))
    return found


def answers(run: Run, pictures: Sequence[Picture], preprocessor: Preprocessor | None) -> Iterator[Answer]:
    """What is seen in pictures that were read."""
    if isinstance(run.learner, PictureCounter):
        for picture in pictures:
            said = run.learner.answer(run.model, picture.pixels)
            # a range that is hardly used is stretched with all others, as the folder's own was
            lost = [remark for remark in picture.remarks if remark != NARROW_RANGE]
            yield said._replace(reasons=(*lost, *said.reasons))
    elif pictures:
        assert preprocessor is not None, "a model of one canvas is brought pictures"
        seen = np.stack([brightness(preprocessor(picture.pixels)) for picture in pictures])
        inferred = run.infer(seen)
        for i, picture in enumerate(pictures):
            yield answer_on_canvas(
                run, picture, seen[i], Inference(*(each[i] for each in inferred)), preprocessor
            )


def counted(
    run: Run, name: str, picture: Picture, answer: Answer, preprocessor: Preprocessor | None
) -> Counted:
    """What was seen in a picture, with all that a row tells."""
    if not (np.isfinite(answer.posterior).all() and np.isfinite(answer.boxes).all()):
        sentence = "the model's answer is not a number; its weights cannot be used. Train it again."
        return Counted(name, "no_answer", f"{printable(name)}: {sentence}")
    return Counted(
        name,
        reason=";".join([*answer.reasons, *run.flags]),
        picture=to_channels(picture.pixels, 3),
        posterior=answer.posterior,
        boxes=answer.boxes,
        scores=answer.scores,
        rivals=answer.rivals,
        labels=answer.labels,
        calibration=calibration_for(run, preprocessor),
    )


def answer_on_canvas(
    run: Run, picture: Picture, seen: np.ndarray, inferred: Inference, preprocessor: Preprocessor
) -> Answer:
    """What a model that looks at pictures of one size saw in a picture.

    Args:
        run: of the model.
        picture: as its file has it.
        seen: the same on the model's canvas.
        inferred: what the model saw there.
        preprocessor: brought it there.
    """
    posterior, count = np.asarray(inferred.posterior, np.float64), int(inferred.count)
    lost = (*picture.remarks, *(["colour_lost"] if colour_is_lost(picture.pixels, seen) else []))
    window = round(run.model.settings.object_size)
    return Answer(
        posterior,
        boxes=preprocessor.placement(picture.pixels.shape).to_picture(np.asarray(inferred.boxes[:count])),
        scores=scores_of(posterior),
        reasons=tuple(doubts(seen, np.asarray(inferred.reconstruction), posterior, window, lost)),
    )


def scores_of(posterior: np.ndarray) -> np.ndarray:
    """Probability that object 1, 2, … of the most probable count is there: of counts at least as high."""
    return posterior[::-1].cumsum()[::-1][1:][: int(posterior.argmax())]


def preprocessor_of(run: Run, fit: str | None = None, invert: str | None = None) -> Preprocessor | None:
    """What brings pictures to a run's canvas, as in its training where nothing else is asked for.

    None for a model that takes pictures of any size.

    Raises:
        UsageError: such a model is asked to fit or to invert.
    """
    if isinstance(run.learner, PictureCounter):
        if fit is not None or invert is not None:
            raise UsageError(
                f"A run of {run.recipe.name} takes pictures of any size and knows its ground; it has no "
                "`fit` and no `invert`. Leave them out."
            )
        return None
    s = run.model.settings
    fit, invert = fit or run.recipe.data.fit or "resize", invert or run.recipe.data.invert or "auto"
    return Preprocessor(s.height, s.width, s.channels, fit, invert)


def calibration_for(run: Run, preprocessor: Preprocessor | None) -> Calibration | None:
    """What corrects the intervals of counts made so; None if nobody verified counts made so."""
    found = run.calibration
    return found if found and found.options == spelled(options_of(run, preprocessor)) else None


def options_of(run: Run, preprocessor: Preprocessor | None) -> dict[str, str | int]:
    """How a model looks, and how pictures are brought to it."""
    if preprocessor is None:
        return {"edge": edge_of(run)}
    s = run.model.settings
    steps = {"max_objects": s.max_objects, "passes": s.passes}
    return steps | {"fit": preprocessor.fit, "invert": preprocessor.invert}


def edge_of(run: Run) -> str:
    """Whether what is cut by the border counts; empty for a model that has no rule for it."""
    return run.learner.edge if isinstance(run.learner, PictureCounter) else ""


def spelled(options: Mapping[str, object]) -> str:
    """Options in words, such as edge=count."""
    return ", ".join(f"{name}={value}" for name, value in options.items())

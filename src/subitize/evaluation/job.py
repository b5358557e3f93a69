"""What is to be counted, with what, and where is it written: all of a count, or a part of it?

The parts of a count are ranges of its files in their order, and differ in length by one at most. Each has
tables of its own in OUT/parts. What is written for one picture alone goes where it goes in a whole count.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from subitize.core.errors import UsageError
from subitize.core.image_io import Page
from subitize.core.picture_files import PARTS
from subitize.core.preprocess import Preprocessor
from subitize.evaluation.count_request import request_of
from subitize.evaluation.images import SAVED, image_places
from subitize.evaluation.pictures import Counted
from subitize.training.run import Run

Drawing = Mapping[str, Callable[[Counted], Image.Image]]
Made = Mapping[str, Callable[[Path], Iterator[str]]]
NOTHING_MORE: Made = {}


class Part(NamedTuple):
    """A part of a count.

    Attributes:
        number: which one, from 1.
        of: how many there are.
    """

    number: int
    of: int

    def __str__(self):
        return f"{self.number}/{self.of}"

    @property
    def folder(self) -> str:
        """The name of the folder of its tables."""
        return f"{self.number}-of-{self.of}"

    def range(self, files: int) -> slice:
        """Which of so many files it has."""
        return slice(files * (self.number - 1) // self.of, files * self.number // self.of)


def part_of(word: str) -> Part:
    """The part that a word such as 2/8 names.

    Raises:
        UsageError: it names none.
    """
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", word)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"A part is one of so many, such as 2/8 for the second of eight; got '{word}'.")
    return Part(int(found[1]), int(found[2]))


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be counted, and where it is written.

    Attributes:
        out: folder of the whole count, below which are overlays.
        tables: folder of the tables: `out`, or that of a part.
        files: pictures with their names, in order.
        request: all that decides the rows.
        preprocessor: brings pictures to the model's canvas.
        draw: makes images of a picture, by the folders below `out` that they go to.
        images: where in each of these folders the image of each picture goes.
        made: makes the text of a file of all tables, in pieces, by the names of such files.
    """

    out: Path
    tables: Path
    files: Sequence[tuple[Path | Page, str]]
    request: Mapping[str, str | float | None]
    preprocessor: Preprocessor | None
    draw: Drawing
    images: Mapping[str, Sequence[str]]
    made: Made

    @classmethod
    def of(
        cls,
        out: Path,
        run: Run,
        files: Sequence[tuple[Path | Page, str]],
        preprocessor: Preprocessor | None,
        draw: Drawing,
        made: Made = NOTHING_MORE,
    ) -> "Job":
        """All files of a count."""
        names = [name for _, name in files]
        images = {folder: image_places(names, SAVED[folder]) for folder in draw}
        request = request_of(run, files, preprocessor) | {"saved": " ".join([*draw, *made])}
        return cls(out, out, files, request, preprocessor, draw, images, made)

    def images_of(self, number: int) -> Iterator[tuple[Callable[[Counted], Image.Image], Path]]:
        """What makes the images of a picture, and where each goes."""
        for folder, draw in self.draw.items():
            yield draw, self.out / folder / self.images[folder][number]

    def part(self, part: Part) -> "Job":
        """A part of them.

        What decides its rows is what decides those of all, so that a file that vanishes meanwhile is a row
        of the count and no other count.
        """
        its = part.range(len(self.files))
        return dataclasses.replace(
            self,
            tables=self.out / PARTS / part.folder,
            files=self.files[its],
            images={folder: places[its] for folder, places in self.images.items()},
            made=NOTHING_MORE,
            request={**self.request, "part": str(part)},
        )

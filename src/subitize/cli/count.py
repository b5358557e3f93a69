"""`subitize count`: how many objects are in each of these pictures?

    counts.csv     one row per file:   file,status,count,count_expected,count_lo90,count_hi90,p_correct,
                                       needs_review,reason,n_tiles,ms,model,model_sha256
    objects.csv    one row per object: file,id,x,y,w,h,score     in the picture's own pixels
    overlays/      each picture with its numbered windows and its count

`p_correct` is the posterior probability of the count, `score` that the object is there, `reason` a code of
`subitize.evaluation.doubts` or of `subitize.core.image_io.PictureError`.
"""

import csv
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import tyro

from subitize.cli.progress import Watch
from subitize.cli.words import parse
from subitize.core.bounds import check_bounds
from subitize.core.errors import NoInputError, UsageError, did_you_mean

COUNTS = (
    *("file", "status", "count", "count_expected", "count_lo90", "count_hi90", "p_correct"),
    *("needs_review", "reason", "n_tiles", "ms", "model", "model_sha256"),
)
OBJECTS = ("file", "id", "x", "y", "w", "h", "score")


@dataclasses.dataclass(frozen=True)
class Count:
    """Count what is in pictures: files, and folders with all that is in them.

    Args:
        paths: files and folders.
        model: folder of the run to use.
        out: folder to write to, new or empty; runs/count-NNN here if not given.
        max_objects: the most objects to look for in a picture; None as in training. A model trained with
            `--model dair` may look for more than it was trained on.
        looks: how often to look at each picture, to find what explains it better; `dair` only.
        fit: how pictures of other sizes are brought to the model's: resize, crop or pad; None as in training.
        invert: turn dark objects on a bright ground around: auto, always or never; None as in training.
        debug: show the traceback of an error.
    """

    paths: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PATH...")] = ()
    model: Path | None = None
    out: Path | None = None
    max_objects: int | None = None
    looks: int = 1
    fit: str | None = None
    invert: str | None = None
    debug: bool = False

    def __post_init__(self):
        if not self.paths or self.model is None:
            raise UsageError(
                "Counting needs pictures and a model. Write `subitize count PATH... --model RUN`, with a RUN "
                "that `subitize train` made."
            )
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Count, "count", words)
    from subitize.core.picture_files import find_pictures
    from subitize.core.preprocess import FITS, INVERTS
    from subitize.evaluation.pictures import count_pictures
    from subitize.training.run import new_folder, open_run

    check(options.fit, "--fit", FITS)
    check(options.invert, "--invert", INVERTS)
    run, files = (
        open_run(str(options.model), options.max_objects, options.looks),
        find_pictures(options.paths).files,
    )
    out = fresh((options.out or new_folder("count")).absolute())
    print(f"model: {run.path.absolute()}", f"out: {out}", sep="\n", flush=True)
    with Watch("count") as watch:
        counted = count_pictures(run, options.paths, options.fit, options.invert)
        objects, failed, doubtful = write(counted, out, run, len(files), watch)
    done = len(files) - failed
    print(f"total: {objects} objects in {done} pictures, {doubtful} to review, {failed} failed")
    if not done:
        raise NoInputError(f"None of the {failed} files could be read; {out / 'counts.csv'} says why.")
    return 4 if failed else 0


def check(word: str | None, option: str, known: Sequence[str]) -> None:
    """Refuse a word that an option does not know."""
    if word is not None and word not in known:
        raise UsageError(f"{option} is {', '.join(known)}; got '{word}'.{did_you_mean(word, known)}")


def fresh(folder: Path) -> Path:
    """A new or empty folder: nothing is ever overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        names = (folder.with_name(f"{folder.name}-{number}") for number in range(2, 1_000_000))
        free = next(name for name in names if not name.exists())
        raise UsageError(f"{folder} is there and not empty; nothing is overwritten. Use --out {free}.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(counted: Iterable[Any], out: Path, run: Any, files: int, watch: Watch) -> tuple[int, int, int]:
    """Write rows and overlays as they come; returns objects, failed files, pictures to review."""
    objects = failed = doubtful = 0
    taken: set[Path] = set()
    with table(out / "counts.csv") as one, table(out / "objects.csv") as two:
        rows, boxes = csv.writer(one, lineterminator="\n"), csv.writer(two, lineterminator="\n")
        rows.writerow(COUNTS)
        boxes.writerow(OBJECTS)
        for step, picture in enumerate(counted, 1):
            rows.writerow(row(picture, run))
            if picture.failed:
                failed += 1
                print(f"subitize: {picture.sentence}", file=sys.stderr)
            else:
                objects, doubtful = objects + picture.count, doubtful + picture.needs_review
                boxes.writerows(object_rows(picture))
                draw(picture, target(out / "overlays", picture.file, taken))
            watch({"step": step, "steps": files})
    return objects, failed, doubtful


def table(path: Path) -> TextIO:
    """A new file for rows."""
    return path.open("x", newline="", encoding="utf-8")


def row(picture: Any, run: Any) -> list[Any]:
    """One line of counts.csv."""
    if picture.failed:
        return [picture.file, "failed", *[""] * 5, "true", picture.reason, 0, "", run.path.name, run.digest]
    numbers = [picture.count, f"{picture.expected:.3f}", *picture.interval, f"{picture.posterior.max():.4f}"]
    review = "true" if picture.needs_review else "false"
    ms = f"{picture.ms:.1f}"
    return [picture.file, "ok", *numbers, review, picture.reason, 1, ms, run.path.name, run.digest]


def object_rows(picture: Any) -> list[list[Any]]:
    """The lines of objects.csv for one picture."""
    return [
        [picture.file, number, *(f"{v:.1f}" for v in (x0, y0, x1 - x0, y1 - y0)), f"{score:.4f}"]
        for number, ((x0, y0, x1, y1), score) in enumerate(zip(picture.boxes, picture.scores, strict=True), 1)
    ]


def target(folder: Path, name: str, taken: set[Path]) -> Path:
    """Where a picture's overlay goes: its own relative path, with .png at the end; never twice the same."""
    path = folder / (name if name.lower().endswith(".png") else f"{name}.png")
    while path in taken:
        path = path.with_name(f"{path.name}.png")
    taken.add(path)
    return path


def draw(picture: Any, path: Path) -> None:
    """Save one overlay."""
    from subitize.figures.scenes import overlay

    path.parent.mkdir(parents=True, exist_ok=True)
    note = picture.reason.replace(";", ", ").replace("_", " ")
    overlay(picture.picture, picture.boxes, picture.posterior, note=note).save(path)

"""`subitize count`: how many objects are in each of these pictures?

It writes counts.csv, objects.csv, timings.csv (`subitize.evaluation.tables`) and images, each picture's as
soon as it is counted (`subitize.evaluation.count_folder`), and at the end what is made of all tables.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from subitize.cli.parse import parse
from subitize.cli.progress import Watch, say
from subitize.core.bounds import check_bounds
from subitize.core.errors import (
    CheckpointError,
    NoInputError,
    SubitizeError,
    UsageError,
    did_you_mean,
    printable,
)
from subitize.core.files import OWN_MODEL

if TYPE_CHECKING:
    from subitize.evaluation.job import Job
    from subitize.evaluation.tables import Totals
    from subitize.training.run import Run

FAILED, UNTRUSTED = "run_failed", 8  # what a run says that went wrong, and the exit code for it


@dataclasses.dataclass(frozen=True)
class Count:
    """Count what is in pictures: files, and folders with all that is in them.

    Without `--model` it learns from the folder first, without labels. What it learned is kept in OUT/model.

    Args:
        paths: files and folders.
        model: folder of the run to use; if not given, a model that suits the folder is trained on it, which
            is a catalogue or dair. `watershed` stands for that classical method, which learns nothing.
        out: folder to write to, new or empty; runs/count-NNN here if not given.
        resume: go on with the count in --out that was stopped, with all else as it was, or count files of
            it that could not be reached and can be now.
        part: count only one of so many parts, such as 2/8; whoever ends the last one joins their tables.
        engine: what counts: `dask`, processes on all cores, or `dask=ADDRESS`, the workers of the scheduler
            there; this process if not given.
        max_objects: the most objects to look for in a picture; None as in training. A model trained with
            `--model dair` may look for more than it was trained on.
        passes: over each picture; those after the first refine what was found. For `dair`.
        fit: how pictures of other sizes are brought to the model's: resize, crop or pad; None as in training.
        invert: turn dark objects on a bright ground around: auto, always or never; None as in training.
        edge: whether what is cut by the border of a picture counts: count, it does; half, only at the upper
            and left border; skip, it does not. For catalogues.
        pages: what to count in a file of several pages: each page, the first one, or max, the brightest that
            any page has in each pixel.
        save: what to write beside the tables: overlays, labels (by a catalogue: which pixels are of which
            object), coco (objects.json), excel (counts.excel.csv), report (report.html); or none. All if not
            given.
        debug: show the traceback of an error.
    """

    paths: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PATH...")] = ()
    model: Path | None = None
    out: Path | None = None
    resume: bool = False
    part: str | None = None
    engine: Annotated[str | None, tyro.conf.arg(metavar="dask[=ADDRESS]")] = None
    max_objects: int | None = None
    passes: int = 1
    fit: str | None = None
    invert: str | None = None
    edge: Literal["count", "half", "skip"] | None = None
    pages: Literal["each", "first", "max"] = "each"
    save: tuple[Literal["overlays", "labels", "coco", "excel", "report", "none"], ...] = ()
    debug: bool = False

    def __post_init__(self):
        if not self.paths:
            raise UsageError("Counting needs pictures. Write `subitize count FOLDER`.")
        if self.model is None and len(self.paths) > 1:
            raise UsageError(
                "Without --model it learns from the pictures that it counts, which are one folder; "
                f"got {len(self.paths)} paths. Give a folder that holds them all, or --model RUN."
            )
        of_others = self.max_objects, self.passes, self.fit, self.invert
        if (self.model is None or self.by_watershed) and of_others != (None, 1, None, None):
            raise UsageError(
                "--max-objects, --passes, --fit and --invert are for runs of models such as dair, given by "
                "--model RUN. Leave them out, or train such a run by `subitize train --model dair`."
            )
        if "none" in self.save and len(self.save) > 1:
            raise UsageError(
                f"--save none writes nothing more; got {' '.join(self.save)}. Leave out the rest."
            )
        check_bounds(self)
        if self.resume and self.out is None:
            raise UsageError("--resume goes on with a count that was stopped; say which by --out.")
        if self.part is not None:
            self.check_part()
        if self.by_watershed and self.engine is not None:
            raise UsageError(
                "The workers of --engine open a run, and the watershed is none. Leave --engine out."
            )

    def check_part(self) -> None:
        """Refuse what does not go with --part."""
        if self.model is None:
            raise UsageError(
                "With --part each process would learn a model of its own. Learn one, give --model."
            )
        if self.out is None:
            raise UsageError("All parts of a count are written to one folder; say which by --out.")
        if self.engine is not None:
            raise UsageError("--engine dask counts all parts, and --part one of them. Leave one of them out.")

    @property
    def by_watershed(self) -> bool:
        """Whether no run is meant, but the method of this name."""
        from subitize.core.picture_files import RUN_RECIPE

        return str(self.model) == "watershed" and not Path("watershed", RUN_RECIPE).is_file()


class StoppedLearning(SubitizeError):
    """A signal ended the learning before a count; what was learned is saved."""

    def __init__(self, exit_code: int, out: Path):
        super().__init__(f"Stopped while learning, and saved. Go on with --out {printable(out)} --resume.")
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue]


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Count, "count", words)
    from subitize.cli.count_engines import check_engine
    from subitize.core.picture_files import find_pictures, paged
    from subitize.core.preprocess import FITS, INVERTS
    from subitize.evaluation.job import Job
    from subitize.evaluation.pictures import preprocessor_of
    from subitize.figures.outputs import REPORT, files_of, images_of
    from subitize.training.run import new_folder

    check(options.fit, "--fit", FITS)
    check(options.invert, "--invert", INVERTS)
    check_engine(options.engine)
    out = (options.out or new_folder("count")).absolute()
    run = run_of(options, out)
    found = find_pictures(options.paths)
    for remark in found.remarks():
        say(remark)
    preprocessor = preprocessor_of(run, options.fit, options.invert)
    images, made = images_of(run, options.save), files_of(run, options.save)
    job = Job.of(out, run, paged(found.files, options.pages), preprocessor, images, made)
    totals, tables = count(job, run, options)
    if (out / REPORT).exists():
        print(f"report: {printable(out / REPORT)}")
    return concluded(run, totals, tables)


def run_of(options: Count, out: Path) -> "Run":
    """What counts: a run that is given, one that learns now and is kept in `out`, or the watershed."""
    from subitize.training.run import open_run

    if options.model is None:
        needs_catalogue = options.edge is not None or "labels" in options.save
        run = learned(options.paths[0], out, "catalogue" if needs_catalogue else None, resume=options.resume)
    elif options.by_watershed:
        run = watershed(options.paths)
    else:
        run = open_run(str(options.model), options.max_objects, options.passes)
    return run.with_edge(options.edge) if options.edge else run


def concluded(run: "Run", totals: "Totals", tables: Path) -> int:
    """Say what a count comes to; returns its exit code.

    Raises:
        NoInputError, CheckpointError: no file has a count.
    """
    failed = totals.failures.total()
    done = totals.done - failed
    print(f"total: {totals.objects} objects in {done} pictures, {totals.doubtful} to review, {failed} failed")
    if not done:
        raise none_counted(totals.failures, tables)
    if FAILED in run.flags:
        say(
            "the run says of itself that it failed: do not trust its counts. Train another by `subitize "
            "train --scenes FOLDER` with more --steps, and count with it as --model RUN."
        )
        return UNTRUSTED
    return 4 if failed else 0


def count(job: "Job", run: "Run", options: Count) -> "tuple[Totals, Path]":
    """Have a job done by what is asked for; returns what it comes to, and the folder of its tables."""
    from subitize.cli.count_engines import count_by_dask, count_here, count_one_part
    from subitize.evaluation.dask_worker import RunSource
    from subitize.evaluation.job import part_of
    from subitize.evaluation.pictures import edge_of

    if options.part is not None:
        return count_one_part(job, run, part_of(options.part), resume=options.resume)
    if options.engine is not None:
        where = run.path.absolute(), run.path, run.digest
        source = RunSource(*where, options.max_objects, options.passes, edge_of(run), run.calibration)
        return count_by_dask(job, run, source, options.engine, resume=options.resume), job.out
    return count_here(job, run, resume=options.resume), job.out


def watershed(paths: Sequence[Path]) -> "Run":
    """What counts by watershed in pictures such as those of a path."""
    from subitize.core.picture_files import check_input
    from subitize.counter.watershed import watershed_run

    if len(paths) > 1:
        raise UsageError(
            f"The watershed measures its objects in one folder, or one picture; got {len(paths)} paths. Give "
            "a folder that holds them all."
        )
    check_input(paths[0])
    return watershed_run(paths[0])


def learned(folder: Path, out: Path, model: str | None, *, resume: bool) -> "Run":
    """The run that learns from a folder, kept beside the counts; one that was stopped goes on.

    Args:
        folder: with pictures.
        out: of the count.
        model: by its name; the one that suits the folder if None.
        resume: go on with a count that was stopped.
    """
    from subitize.cli.choose_model import model_of_folder
    from subitize.core.picture_files import check_input
    from subitize.evaluation.count_folder import has_lost_files
    from subitize.evaluation.count_request import check_unlearned
    from subitize.training import Interrupted, Recipe, open_run, train
    from subitize.training.weights import WEIGHTS

    check_input(folder)
    if not folder.is_dir():
        raise UsageError(
            f"Without --model it learns from the folder that it counts; {printable(folder)} is a file. Give "
            "the folder it is in, or --model RUN."
        )
    check_unlearned(out, resume=resume, again=resume and has_lost_files(out))
    if resume and (out / OWN_MODEL / WEIGHTS).exists():
        return open_run(out / OWN_MODEL)
    path = str(folder.absolute())
    recipe = Recipe.of(model or model_of_folder(path, out / OWN_MODEL), scenes=path)
    with Watch("learn") as watch:
        try:
            return train(recipe, out / OWN_MODEL, watch=watch)
        except Interrupted as stop:
            raise StoppedLearning(stop.exit_code, out) from None


def none_counted(failures: Counter[str], tables: Path) -> SubitizeError:
    """The error that says whose fault it is that no file has a count."""
    where = printable(tables / "counts.csv")
    if set(failures) == {"no_answer"}:
        return CheckpointError(f"The model finds a number in no picture, as {where} says. Train it again.")
    return NoInputError(f"None of the {failures.total()} files could be read; {where} says why.")


def check(word: str | None, option: str, known: Sequence[str]) -> None:
    """Refuse a word that an option does not know."""
    if word is not None and word not in known:
        raise UsageError(f"{option} is {', '.join(known)}; got '{word}'.{did_you_mean(word, known)}")

"""What is made of a count beside its tables?

overlays   an image of each picture with its numbered windows
labels     an image of which pixels are of which object, where the model says so
coco       objects.json, of all objects
excel      counts.excel.csv, the table as Excel opens it
report     report.html, of the whole count
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from subitize.core.errors import UsageError
from subitize.core.interfaces import PictureCounter
from subitize.core.picture_files import LABELS, OVERLAYS
from subitize.evaluation.coco import coco
from subitize.evaluation.images import label_image
from subitize.evaluation.pictures import Counted, edge_of
from subitize.evaluation.tables import for_excel
from subitize.figures.report import in_words, report
from subitize.figures.scenes import overlay
from subitize.training.run import Run

REPORT = "report.html"
CUT = {"count": "counts", "half": "counts above and on the left", "skip": "does not count"}


def images_of(run: Run, save: Sequence[str]) -> dict[str, Callable[[Counted], Image.Image]]:
    """What makes the images of a picture, by the folders that they go to.

    Args:
        run: the model.
        save: words for what to write; none for all that the model can.

    Raises:
        UsageError: labels are asked for, and the model has none.
    """
    has_labels = isinstance(run.learner, PictureCounter)
    if LABELS in save and not has_labels:
        raise UsageError(
            f"Labels say which pixels are an object's; a model of '{run.recipe.name}' has windows only. "
            "Leave `labels` out of --save, or count with a catalogue."
        )
    able = {OVERLAYS: overlay_of} | ({LABELS: labels_of} if has_labels else {})
    return {name: draw for name, draw in able.items() if not save or name in save}


def files_of(run: Run, save: Sequence[str]) -> dict[str, Callable[[Path], Iterator[str]]]:
    """What makes the files that are made of all tables, by their names."""
    about = {"model": f"{run.path.name}, SHA-256 {run.digest}"}
    if edge := edge_of(run):
        about["what the border of a picture cuts"] = CUT[edge]
    if run.flags:
        about["what the run says against itself"] = in_words(";".join(run.flags))
    made = {
        "coco": ("objects.json", coco),
        "excel": ("counts.excel.csv", for_excel),
        "report": (REPORT, partial(report, about=about)),
    }
    return dict(made[name] for name in made if not save or name in save)


def overlay_of(counted: Counted) -> Image.Image:
    """The picture with its numbered windows, its count, and the reasons to look twice."""
    note = in_words(counted.reason)
    return overlay(counted.picture, counted.boxes, counted.posterior, interval=counted.interval, note=note)


def labels_of(counted: Counted) -> Image.Image:
    """Which pixels are of which object."""
    assert counted.labels is not None, "a model of whole pictures says which pixels are an object's"
    return label_image(counted.labels)

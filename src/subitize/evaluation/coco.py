"""How does a count look as COCO annotations, which many programs for pictures read?

After "Data format" of the COCO dataset (Lin et al. 2014): an image for each picture with a count, and for
each object an annotation with its box, its area in pixels, its score, and, where there are labels, its
outline as polygons. All are of one category, `object`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from subitize.core.json import JSON
from subitize.core.picture_files import COUNTS_TABLE, LABELS, OBJECTS_TABLE
from subitize.evaluation.images import image_paths
from subitize.evaluation.tables import as_name, rows_of


def coco(folder: Path) -> Iterator[str]:
    """The annotations of a count as pieces of JSON, from its tables and labels."""
    numbers: dict[str, int] = {}
    yield '{"info": {"description": "counted by subitize"},\n"licenses": [],\n'
    yield '"categories": [{"id": 1, "name": "object"}],\n"images": ['
    for row in rows_of(folder, COUNTS_TABLE):
        name = as_name(row["file"])
        if row["status"] == "ok":
            numbers[name] = len(numbers) + 1
            size = {"width": int(row["width"]), "height": int(row["height"])}
            yield separated(len(numbers), {"id": numbers[name], "file_name": name, **size})
    yield '\n],\n"annotations": ['
    for number, annotation in enumerate(annotations(folder, numbers), 1):
        yield separated(number, {"id": number, **annotation})
    yield "\n]}\n"


def separated(number: int, item: JSON) -> str:
    """An item of a list, on a line of its own."""
    return ("\n" if number == 1 else ",\n") + json.dumps(item, ensure_ascii=False)


def annotations(folder: Path, numbers: dict[str, int]) -> Iterator[JSON]:
    """What is known of each object of a count.

    Args:
        folder: of the count.
        numbers: of its pictures with a count, by their names.
    """
    paths = dict(zip(numbers, label_paths(folder), strict=False))
    name, outlines = "", {}
    for row in rows_of(folder, OBJECTS_TABLE):
        if as_name(row["file"]) != name:
            name = as_name(row["file"])
            outlines = polygons(np.asarray(Image.open(paths[name]))) if name in paths else {}
        x, y, width, height = (float(row[side]) for side in "xywh")
        area, outline = outlines.get(int(row["id"]), (width * height, []))
        yield {
            "image_id": numbers[name],
            "category_id": 1,
            "bbox": [x, y, width, height],
            "area": area,
            "segmentation": outline,
            "iscrowd": 0,
            "score": float(row["score"]),
        }


def label_paths(folder: Path) -> list[Path]:
    """Where the labels are of each picture with a count; none if they were not saved."""
    if not (folder / LABELS).is_dir():
        return []
    rows = [(as_name(row["file"]), row["status"]) for row in rows_of(folder, COUNTS_TABLE)]
    paths = image_paths(folder / LABELS, [name for name, _ in rows])
    return [path for path, (_, status) in zip(paths, rows, strict=True) if status == "ok"]


def polygons(labels: np.ndarray) -> dict[int, tuple[float, list[list[float]]]]:
    """Area of each label in pixels, and its outline: x, y, x, y, … of one polygon for each part."""
    found = {}
    for number, place in enumerate(ndimage.find_objects(labels.astype(np.int32)), 1):
        if place is not None:
            mask = np.zeros([side.stop - side.start + 2 for side in place], bool)  # with a border around
            mask[1:-1, 1:-1] = labels[place] == number
            corner = np.array([place[1].start, place[0].start]) - 0.5  # of the border; pixel i is i … i + 1
            outline = [
                (line[:, ::-1] + corner).round(1).ravel().tolist() for line in find_contours(mask, 0.5)
            ]
            found[number] = (float(mask.sum()), outline)
    return found

"""Annotations as other programs read them: pycocotools for JSON, tifffile for labels."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pycocotools import mask as masks
from pycocotools.coco import COCO

from subitize.evaluation.coco import coco, polygons
from subitize.evaluation.images import image_paths, label_image, save_image
from subitize.evaluation.tables import COUNTS, OBJECTS, as_lines

LABELS = np.zeros((40, 60), int)
LABELS[5:15, 10:30] = 1
LABELS[15:25, 12:20] = 2  # touches the first
LABELS[30:40, 50:60] = 3  # in a corner
NAMES = ["first.png", "gone.png", "more/last.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A count of three pictures, one of them failed, by hand."""
    ok = {"status": "ok", "width": 60, "height": 40}
    rows = [dict.fromkeys(COUNTS, "") | {"file": name} | ok for name in NAMES]
    rows[1] |= {"status": "failed", "width": "", "height": ""}
    objects = [
        [name, i, x, y, w, h, 0.5 + i / 10]
        for name in (NAMES[0], NAMES[2])
        for i, (x, y, w, h) in enumerate([(10, 5, 20, 10), (12, 15, 8, 10), (50, 30, 10, 10)], 1)
    ]
    (tmp_path / "counts.csv").write_text(as_lines([COUNTS, *(list(row.values()) for row in rows)]))
    (tmp_path / "objects.csv").write_text(as_lines([OBJECTS, *objects]))
    return tmp_path


def saved(folder: Path) -> Path:
    for name, path in zip(NAMES, image_paths(folder / "labels", NAMES), strict=True):
        if name != "gone.png":
            save_image(label_image(LABELS), path)
    (folder / "objects.json").write_text("".join(coco(folder)))
    return folder / "objects.json"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_another_program_finds_each_object_where_it_is(folder, capsys):
    read = COCO(str(saved(folder)))
    assert [image["file_name"] for image in read.loadImgs(read.getImgIds())] == ["first.png", "more/last.png"]
    for image in read.getImgIds():
        own = read.loadAnns(read.getAnnIds(image))
        assert [each["bbox"] for each in own] == [[10, 5, 20, 10], [12, 15, 8, 10], [50, 30, 10, 10]]
        assert [each["score"] for each in own] == pytest.approx([0.6, 0.7, 0.8])
        for number, each in enumerate(own, 1):
            assert each["area"] == (number == LABELS).sum()
            np.testing.assert_allclose(read.annToMask(each).sum(), each["area"], rtol=0.15)
            both = (read.annToMask(each) > 0) & (number == LABELS)
            assert both.sum() > 0.85 * each["area"]


def test_without_labels_there_are_boxes(folder):
    found = json.loads("".join(coco(folder)))["annotations"]
    assert [each["segmentation"] for each in found] == [[]] * 6
    assert [each["area"] for each in found[:3]] == [200, 80, 100]
    assert [each["id"] for each in found] == [1, 2, 3, 4, 5, 6]


def test_a_count_of_nothing_is_whole(folder):
    for name, head in (("counts.csv", COUNTS), ("objects.csv", OBJECTS)):
        (folder / name).write_text(as_lines([head]))
    found = json.loads("".join(coco(folder)))
    assert (found["images"], found["annotations"]) == ([], [])


def test_an_outline_goes_around_the_edges_of_pixels():
    area, (outline,) = polygons(LABELS)[3]
    assert area == 100
    points = np.array(outline).reshape(-1, 2)
    assert points.min(0).tolist() == [50, 30]
    assert points.max(0).tolist() == [60, 40]
    rle = masks.frPyObjects([outline], 40, 60)
    assert masks.area(rle)[0] == pytest.approx(100, abs=12)


@pytest.mark.parametrize(("most", "kind"), [(3, np.uint16), (70_000, np.int32)])
def test_labels_come_back_as_they_are(most, kind, tmp_path):
    labels = np.where(LABELS == 3, most, LABELS)
    save_image(label_image(labels), tmp_path / "labels.tif")
    read = tifffile.imread(tmp_path / "labels.tif")
    assert read.dtype == kind
    np.testing.assert_array_equal(read, labels)

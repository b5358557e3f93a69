"""The page that a count ends with: what is on it, in which order, and that names of files cannot break it."""

import base64
import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subitize.evaluation.tables import COUNTS, OBJECTS, as_lines
from subitize.figures import report as module
from subitize.figures.report import histogram, report

EVIL = '<script>alert(1)</script>&".png'
ROWS = [  # file, count, interval, review, reason
    ("sure.png", 3, (3, 3), "false", ""),
    ("wide.png", 10, (5, 15), "true", "low_confidence;rivals_disagree"),
    (EVIL, 40, (39, 41), "true", "low_confidence"),
    ("gone.png", None, (), "true", "missing"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A count about to end, by hand."""
    rows = []
    for name, count, interval, review, reason in ROWS:
        known = dict.fromkeys(COUNTS, "") | {"file": name, "needs_review": review, "reason": reason}
        known |= {"status": "failed"} if count is None else {"status": "ok", "count": count, "watershed": 7}
        known.update(zip(("count_lo90", "count_hi90"), interval, strict=False))
        rows.append(list(known.values()))
        if count is not None:
            (tmp_path / "overlays" / name).parent.mkdir(exist_ok=True, parents=True)
            Image.new("RGB", (600, 400), (count, 0, 0)).save(tmp_path / "overlays" / name)
    objects = [["sure.png", i + 1, 0, 0, 4, 9, 1] for i in range(3)]
    for name, head, own in (("counts.csv", COUNTS, rows), ("objects.csv", OBJECTS, objects)):
        (tmp_path / f"{name}.partial").write_text(as_lines([head, *own]))
    return tmp_path


class Page(HTMLParser):
    """The tags, texts and images of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts, self.images = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            kind, data = dict(attrs)["src"].split(",")
            assert kind == "data:image/jpeg;base64"
            self.images.append(Image.open(io.BytesIO(base64.b64decode(data))))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_total_and_the_most_doubtful_pictures_come_first(folder):
    page = Page("".join(report(folder, {"model": "run <b>"})))
    assert page.texts.count("53 objects in 3 pictures") == 2  # title and heading
    assert "2 to review, 1 without a count." in page.texts
    assert "model: run <b>" in page.texts
    names = [text for text in page.texts if text in [row[0] for row in ROWS]]
    assert names == ["gone.png", "wide.png", EVIL, "sure.png"]
    assert [image.getpixel((5, 5))[0] for image in page.images] == pytest.approx([10, 40, 3], abs=3)
    assert all(image.size == (240, 160) for image in page.images)
    assert "5 – 15" in page.texts
    assert "low confidence, rivals disagree" in page.texts


def test_each_reason_stands_with_its_number_and_its_meaning(folder):
    texts = Page("".join(report(folder, {}))).texts
    at = texts.index("low confidence")
    assert texts[at - 1] == "2"
    assert "more than 50% of the count" in texts[at + 1]
    assert any("no longer there" in text for text in texts)


def test_it_needs_no_script_and_no_other_file(folder):
    text = "".join(report(folder, {}))
    tags = Page(text).tags
    assert not {"script", "link", "iframe"} & set(tags)
    assert not re.search(r"https?://|url\(", text)
    assert tags.count("svg") == 2


def test_of_many_pictures_the_most_doubtful_are_shown(folder, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 2)
    page = Page("".join(report(folder, {})))
    assert "Pictures, the most doubtful first: 2 of 4; all are in counts.csv" in page.texts
    assert EVIL not in page.texts
    assert "wide.png" in page.texts


def test_without_overlays_there_are_no_pictures_on_it(folder):
    (folder / "overlays").rename(folder / "elsewhere")
    page = Page("".join(report(folder, {})))
    assert (len(page.images), "wide.png" in page.texts) == (0, True)


def test_bars_of_a_histogram_are_as_high_as_there_are_values():
    drawn = histogram(np.array([2, 2, 2, 3, 5]), "things")
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', drawn)]
    assert heights == pytest.approx([120, 40, 0, 40])
    assert re.findall(r"<text[^>]*>([^<]*)<", drawn) == ["2", "5"]
    many = re.findall(r'<rect [^>]*height="([\d.]+)"', histogram(np.arange(60), "one of each"))
    assert set(many) == {"120.0"}
    assert len(many) == 20
    assert histogram(np.zeros(0), "nothing") == ""
    assert histogram(np.array([4.2, 4.2]), "the same").count("<rect") == 1


def test_tables_that_are_finished_make_the_same_page(folder):
    before = "".join(report(folder, {}))
    for name in ("counts.csv", "objects.csv"):
        (folder / f"{name}.partial").rename(folder / name)
    assert "".join(report(folder, {})) == before
    with (folder / "counts.csv").open() as file:
        assert len(list(csv.reader(file))) == len(ROWS) + 1

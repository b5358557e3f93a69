import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEAD = (
    "file,status,count,count_expected,count_lo90,count_hi90,uncorrected_lo90,uncorrected_hi90,confidence,"
    "watershed,log,edge,needs_review,reason,width,height,model,model_sha256"
)


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "counts.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_is_counted(run, pictures, said, tmp_path):
    code, out, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert (code, error.count("subitize:")) == (0, 0), error
    assert (tmp_path / "out" / "counts.csv").read_text().splitlines()[0] == HEAD
    found = rows(tmp_path / "out")
    assert list(found) == ["a.png", "b.jpg", "more/c.png"]
    for row in found.values():
        assert row["status"] == "ok"
        assert 0 <= int(row["count_lo90"]) <= int(row["count"]) <= int(row["count_hi90"]) <= 2
        assert 0 <= float(row["confidence"]) <= 1
        assert row["needs_review"] in ("true", "false")
        assert len(row["model_sha256"]) == 64
    total = sum(int(row["count"]) for row in found.values())
    assert out.splitlines()[-1].startswith(f"total: {total} objects in 3 pictures, ")
    assert out.splitlines()[-1].endswith(", 0 failed")
    overlays = tmp_path / "out" / "overlays"
    for name, side in (("a.png", 320), ("b.jpg.png", 360), ("more/c.png", 550)):
        with Image.open(overlays / name) as image:
            assert image.width == side


def test_objects_lie_inside_their_pictures(run, pictures, said, tmp_path):
    said("count", pictures, "--model", run, "--out", tmp_path / "out")
    counted = rows(tmp_path / "out")
    with (tmp_path / "out" / "objects.csv").open(newline="") as file:
        objects = list(csv.DictReader(file))
    assert len(objects) == sum(int(row["count"]) for row in counted.values())
    for row in objects:
        with Image.open(pictures / row["file"]) as image:
            width, height = image.size
        assert 0 <= float(row["x"]) <= float(row["x"]) + float(row["w"]) <= width + 0.1
        assert 0 <= float(row["y"]) <= float(row["y"]) + float(row["h"]) <= height + 0.1
        assert 0 <= float(row["score"]) <= 1


def make_bad(folder: Path) -> dict[str, str]:
    """Every kind of file that only claims to be a picture, and the reason expected for each."""
    good = (folder / "a.png").read_bytes()
    (folder / "text.png").write_text("this is no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    Image.new("L", (1, 1)).save(folder / "dot.png")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    values = np.full((20, 20), np.nan, np.float32)
    Image.fromarray(values).save(folder / "nan.tif")
    return {
        "text.png": "not_a_picture",
        "empty.png": "empty",
        "cut.png": "truncated",
        "dot.png": "too_small",
        "huge.png": "too_large",
        "dangling.png": "missing",
        "nan.tif": "not_finite",
    }


def test_bad_pictures_are_listed_and_harm_no_other(run, pictures, said, tmp_path):
    said("count", pictures, "--model", run, "--out", tmp_path / "clean")
    expected = make_bad(pictures)
    code, out, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert code == 4
    found = rows(tmp_path / "out")
    assert {name: row["reason"] for name, row in found.items() if row["status"] == "failed"} == expected
    assert all(row["count"] == "" for row in found.values() if row["status"] == "failed")
    assert {name: row for name, row in found.items() if row["status"] == "ok"} == rows(tmp_path / "clean")
    for name in expected:
        assert name in error
    assert out.splitlines()[-1].endswith(f", {len(expected)} failed")
    assert "Traceback" not in error


def test_unusual_pictures_are_counted(run, said, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(grey).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(grey).convert("P").save(folder / "palette.png")
    Image.fromarray(np.stack([grey] * 4, -1)).save(folder / "alpha.png")
    Image.fromarray(grey).save(folder / 'wörter, mit "Komma".png')
    code, _, error = said("count", folder, "--model", run, "--out", tmp_path / "out")
    assert code == 0, error
    assert {row["status"] for row in rows(tmp_path / "out").values()} == {"ok"}
    assert len(rows(tmp_path / "out")) == 5


@pytest.mark.parametrize("fit", ["resize", "crop", "pad"])
def test_any_fit_is_understood(fit, run, pictures, said, tmp_path):
    words = ["count", pictures / "b.jpg", f"model={run}", f"out={tmp_path / 'out'}", f"fit={fit}"]
    code, out, _ = said(*words)
    assert code == 0
    assert "in 1 pictures" in out or "in 1 picture" in out


def test_when_all_fail_it_is_exit_3_and_the_rows_are_there(run, said, tmp_path):
    (tmp_path / "a.png").write_text("no")
    code, out, error = said("count", tmp_path / "a.png", "--model", run, "--out", tmp_path / "out")
    assert code == 3
    assert rows(tmp_path / "out")["a.png"]["reason"] == "not_a_picture"
    assert "None of the 1 files could be read" in error
    assert out.splitlines()[-1] == "total: 0 objects in 0 pictures, 0 to review, 1 failed"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["{pictures}", "--model", "{run}", "--fit", "strech"],
            2,
            "--fit is resize, crop, pad; got 'strech'",
        ),
        (["{pictures}", "--model", "{run}", "--invert", "yes"], 2, "--invert is auto, always, never"),
        ([], 2, "Counting needs pictures"),
        (["{pictures}", "--modle", "{run}"], 2, "Did you mean '--model'?"),
        (["{tmp}/pictuers", "--model", "{run}"], 3, "Did you mean 'pictures'?"),
        (["{tmp}/empty", "--model", "{run}"], 3, "there is none in"),
        (["{pictures}", "--model", "{tmp}/nothing"], 3, "there is none at"),
        (["{pictures}", "--model", "{pictures}"], 3, "there is none at"),
    ],
)
def test_requests_that_cannot_be_met(words, code, message, run, pictures, said, tmp_path):
    (tmp_path / "empty").mkdir()
    filled = [word.format(pictures=pictures, run=run, tmp=tmp_path) for word in words]
    found, _, error = said("count", *filled, "--out", tmp_path / "out")
    assert (found, message in error) == (code, True), error
    assert error.startswith("subitize: ")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(run, pictures, said, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    (tmp_path / "out-2").mkdir()
    code, _, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert code == 2
    assert f"--out {tmp_path / 'out-3'}" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_without_out_it_writes_below_the_current_folder(run, pictures, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said("count", pictures, "--model", run)[0] == 0
    assert said("count", pictures, "--model", run)[0] == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["count-001", "count-002"]


def damage(kind: str, run: Path) -> None:
    weights, recipe = run / "weights.safetensors", run / "recipe.json"
    data = weights.read_bytes()
    if kind == "flipped":
        at = len(data) // 2
        weights.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    elif kind == "cut":
        weights.write_bytes(data[: len(data) // 2])
    elif kind == "empty":
        weights.write_bytes(b"")
    elif kind == "gone":
        weights.unlink()
    elif kind == "recipe":
        recipe.write_text(recipe.read_text().replace('"steps"', '"stepz"'))
    elif kind == "pickle":
        weights.write_bytes(b"\x80\x04cposix\nsystem\n(S'touch hacked'\ntR.")


@pytest.mark.parametrize("kind", ["flipped", "cut", "empty", "gone", "recipe", "pickle"])
def test_a_damaged_model_is_never_used(kind, run, pictures, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "copy")
    damage(kind, tmp_path / "copy")
    code, _, error = said("count", pictures, "--model", tmp_path / "copy", "--out", tmp_path / "out")
    assert code == 5, error
    assert error.startswith("subitize: ")
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "hacked").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_picture_that_may_not_be_read(run, pictures, said, tmp_path):
    (pictures / "a.png").chmod(0)
    code, _, _ = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert code == 4
    assert rows(tmp_path / "out")["a.png"]["reason"] == "unreadable"


def test_what_a_canvas_cannot_do_is_refused(run, pictures, said, tmp_path):
    for words, message in (
        (("--edge", "skip"), "has no rule for what is cut by the border"),
        (("--save", "labels"), "has windows only"),
    ):
        code, _, error = said("count", pictures, "--model", run, "--out", tmp_path / "out", *words)
        assert (code, message in error) == (2, True), error
        assert not (tmp_path / "out").exists()

"""What `count` takes for pictures, what it says of the rest, and requests that are the user's to change."""

import csv
import errno
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from subitize.cli import main, of_the_system
from subitize.cli.count import none_counted


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "counts.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_counted_again_has_the_same_rows(run, pictures, said, monkeypatch):
    monkeypatch.chdir(pictures)
    shutil.copytree(run, pictures / "run")
    (pictures / "run" / "pictures").mkdir(exist_ok=True)
    Image.new("L", (40, 40)).save(pictures / "run" / "pictures" / "board.png")
    outs = [pictures / "runs" / "count-001", pictures / "more" / "out", pictures / "runs" / "count-002"]
    for i, out in enumerate(outs):
        code, _, error = said("count", ".", "--model", "run", *(("--out", out) if i == 1 else ()))
        assert code == 0, error
        assert list(rows(out)) == ["a.png", "b.jpg", "more/c.png"]
        before = ["run", *(str(other.relative_to(pictures)) for other in outs[:i])]
        assert f"left out what subitize wrote: {', '.join(sorted(before))}\n" in error


def test_our_own_pictures_are_refused_when_they_are_named(run, pictures, said, tmp_path):
    said("count", pictures, "--model", run, "--out", tmp_path / "out")
    for own in (
        tmp_path / "out",
        tmp_path / "out" / "overlays",
        tmp_path / "out" / "overlays" / "a.png",
        run,
    ):
        code, _, error = said("count", pictures, own, "--model", run, "--out", tmp_path / "again")
        assert code == 2
        assert f"{own} is what subitize wrote" in error
        assert not (tmp_path / "again").exists()


def test_files_of_other_kinds_are_told(run, pictures, said, tmp_path):
    for name in ("notes.txt", "table.xlsx", "more/notes.txt"):
        (pictures / name).write_bytes(b"?")
    code, _, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert (code, len(rows(tmp_path / "out"))) == (0, 3)
    assert "subitize: left out files that are no pictures by their suffix: 2 .txt, 1 .xlsx\n" in error


def test_pictures_of_formats_that_are_not_read_are_rows_that_failed(run, pictures, said, tmp_path):
    for name in ("field.dng", "field.czi", "more/stack.nd2"):
        (pictures / name).write_bytes(b"?")
    code, out, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    found = {
        row["file"]: row["reason"] for row in rows(tmp_path / "out").values() if row["status"] == "failed"
    }
    assert found == dict.fromkeys(("field.dng", "field.czi", "more/stack.nd2"), "unknown_format")
    assert code == 4
    assert "3 failed" in out
    assert "a camera's raw data; save it as JPEG or TIFF" in error


ODD = (
    "=1+2.png",
    "-3.png",
    "+4.png",
    "@5.png",
    "\t6.png",
    "cr\r.png",
    "lf\n.png",
    '"q",.png',
    "Größe_20µm.png",
    "'.png",
)


def test_odd_names_are_one_row_each_and_come_back(run, pictures, said, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ODD:
        shutil.copy(pictures / "a.png", folder / name)
    code, _, error = said("count", folder, "--model", run, "--out", tmp_path / "out")
    assert code == 0, error
    cells = rows(tmp_path / "out")
    assert {cell.removeprefix("'") if cell != "'.png" else cell for cell in cells} == set(ODD)
    assert not any(cell[0] in "=+-@\t\r\n" for cell in cells)


def test_a_name_does_not_steer_the_terminal(run, pictures, said, tmp_path):
    (pictures / "\x1b[2J\nfake: 9 objects.png").write_bytes(b"")
    code, out, error = said("count", pictures, "--model", run, "--out", tmp_path / "out\x1b[1m")
    assert code == 4
    assert "\x1b" not in out + error
    assert r"\x1b[2J\nfake: 9 objects.png: the file has 0 bytes" in error


def test_one_picture_by_several_spellings_is_counted_once(run, pictures, said, tmp_path):
    spellings = (pictures / "a.png", pictures / "more" / ".." / "a.png", pictures)
    assert said("count", *spellings, "--model", run, "--out", tmp_path / "out")[0] == 0
    assert list(rows(tmp_path / "out")) == ["a.png", "b.jpg", "more/c.png"]


def test_the_longest_name_that_a_disk_takes_has_its_overlay(run, pictures, said, tmp_path):
    shutil.copy(pictures / "b.jpg", pictures / f"{'x' * 251}.jpg")
    code, _, error = said("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert code == 0, error
    assert sum(path.is_file() for path in (tmp_path / "out" / "overlays").rglob("*")) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-dash.png", "--model", "{run}"], "To name the file, write ./-dash.png."),
        (["--dash.png", "--model", "{run}"], "To name the file, write ./--dash.png."),
        (["", "--model", "{run}"], "is empty. Say what it shall be"),
        (["a.png", "--model", ""], "is empty after --model"),
        (["a.png", "--model", "{run}", "out="], "is empty after --out"),
        (["a.png", "--model", "{run}", "--resume"], "say which by --out"),
        (["x" * 300, "--model", "{run}"], "File name too long"),
        (["a.png", "--model", "x" * 300], "File name too long"),
        (["a.png", "--model", "{run}", "--out", "x" * 300], "File name too long"),
        (["a.png", "--model", "{run}", "--out", "y/" * 3000], "File name too long"),
        (["a.png", "--model", "{run}", "--out", "a.png/x"], "Not a directory"),
        (["a.png", "--model", "{run}", "--out", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_the_user_can_change_is_not_our_fault(words, message, run, pictures, said, monkeypatch):
    monkeypatch.chdir(pictures)
    for name in ("-dash.png", "--dash.png"):
        shutil.copy("a.png", name)
    code, _, error = said("count", *(word.format(run=run) for word in words))
    assert (code, message in error) == (2, True), error


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((number, 7) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
        *(
            (number, 2)
            for number in (errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
        ),
    ],
)
def test_errors_of_the_system_have_the_code_of_who_can_mend_them(number, code):
    sentence, found = of_the_system(OSError(number, os.strerror(number), "a.png"))
    assert found == code
    assert "a.png" in sentence


def test_where_nothing_is_counted_the_code_says_whether_files_or_weights_are_to_blame(tmp_path):
    for failures, code in (
        ({"empty": 3}, 3),
        ({"empty": 1, "no_answer": 2}, 3),
        ({"no_answer": 2}, 5),
    ):
        error = none_counted(Counter(failures), tmp_path)
        assert error.exit_code == code
        assert str(tmp_path / "counts.csv") in str(error)


def test_a_finished_count_is_not_gone_on_with(run, pictures, said, tmp_path):
    words = ("count", pictures, "--model", run, "--out", tmp_path / "out")
    assert said(*words, "--resume")[0] == 0, "one that never began begins"
    code, _, error = said(*words, "--resume")
    assert (code, "is finished" in error) == (2, True), error
    assert main([str(word) for word in words]) == 2

"""A count is checked by eye: asked for, read, told, kept, and used by the next count."""

import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MANY = [(f"{i:02d}.png", 10, 9, 11) for i in range(30)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(path: Path, truth: dict[str, object]) -> Path:
    path.write_text("".join(f"{name},{count}\n" for name, count in {"file": "count", **truth}.items()))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def typed(monkeypatch):
    """What a person types on a terminal, line by line."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return lambda *lines: monkeypatch.setattr("sys.stdin", Terminal("".join(f"{x}\n" for x in lines)))


def test_a_truth_gives_intervals_and_a_total_and_leaves_the_counts_alone(finished, said, tmp_path):
    out = finished(*MANY)
    before = (out / "counts.csv").read_bytes()
    truth = table(tmp_path / "truth.csv", {f"{i:02d}.png": 10 + i for i in range(19)})
    code, told, error = said("verify", out, "--truth", truth)
    assert code == 0, error
    assert "total: 300 objects counted, 570 corrected, 90 % interval" in told  # each should be 9 more
    assert "random: 1 of 19 counts right, off by 9.00 on average, bias -9.00" in told
    assert "holds 2 of 19" in told
    assert "intervals: 11.33 times as wide" in told  # 17 / 1.5
    assert "all are taken for a random sample" in error
    found = rows(out / "verified.csv")
    assert [(row["count_lo90"], row["count_hi90"], row["truth"]) for row in found] == [
        *((f"{10 + i}",) * 3 for i in range(19)),
        *[("0", "27", "")] * 11,
    ]
    assert json.loads((out / "verification.json").read_text())["total"]["corrected"] == 570
    assert json.loads((out / "model" / "calibration.json").read_text())["factor"] == pytest.approx(17 / 1.5)
    assert (out / "counts.csv").read_bytes() == before


def test_without_a_terminal_it_lists_pictures_and_never_overwrites_the_list(finished, said, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    out = finished(*MANY)
    code, told, _ = said("verify", out)
    assert code == 0
    assert f"Fill in the column count of {out / 'to_verify.csv'}" in told
    listed = rows(out / "to_verify.csv")
    assert [row["chosen"] for row in listed] == ["doubtful"] * 3 + ["random"] * 19
    code, _, error = said("verify", out, "--truth", out / "to_verify.csv")
    assert (code, "has no counts yet" in error) == (2, True)
    filled = (out / "to_verify.csv").read_text().replace(",\n", ",10\n")
    (out / "to_verify.csv").write_text(filled)
    assert said("verify", out)[0] == 0
    assert (out / "to_verify.csv").read_text() == filled
    code, told, error = said("verify", out, "--truth", out / "to_verify.csv")
    assert (code, "verified: 22 of 30 pictures, 19 random and 3 doubtful" in told) == (0, True)
    assert "random sample" not in error


def test_on_a_terminal_it_asks_and_what_was_typed_is_kept(finished, said, typed):
    out = finished(*MANY)
    typed("10", "", "ten", "11", "q")
    code, told, error = said("verify", out)
    assert code == 0, error
    assert "A whole number from 0 on is needed" in told
    assert "1 of 22: 00.png" in told
    asked = told.split("1 of 22: 00.png")[1].split("2 of 22")[0]
    assert asked.strip() == "How many do you count?", "and not what was counted, which would sway"
    assert [row["count"] for row in rows(out / "to_verify.csv")[:4]] == ["10", "", "11", ""]
    typed("12")  # and then the end of all input
    code, told, _ = said("verify", out)
    assert "1 of 20: " in told
    assert [row["count"] for row in rows(out / "to_verify.csv")[:4]] == ["10", "12", "11", ""]
    assert "verified: 3 of 30 pictures, 3 doubtful" in told
    typed(*["10"] * 19)
    code, told, _ = said("verify", out)
    assert "verified: 22 of 30 pictures, 19 random and 3 doubtful" in told


def test_who_says_nothing_has_verified_nothing(finished, said, typed):
    out = finished(*MANY)
    typed("q")
    code, _, error = said("verify", out)
    assert (code, "has no counts yet" in error) == (2, True)
    assert not (out / "verified.csv").exists()


@pytest.mark.processes
def test_what_was_typed_outlives_ctrl_c(finished):
    out = finished(*MANY)
    ours, theirs = pty.openpty()
    words = [
        sys.executable,
        "-c",
        "import signal; signal.signal(2, signal.default_int_handler); "
        "from subitize.cli import main; raise SystemExit(main())",
        "verify",
        str(out),
    ]
    process = subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"12\n7\n")
    end = time.monotonic() + 120
    while not (out / "to_verify.csv").exists() or [r["count"] for r in rows(out / "to_verify.csv")][1] != "7":
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 130, error
    assert "Stopped by SIGINT. What you typed is in" in error
    assert [row["count"] for row in rows(out / "to_verify.csv")][:3] == ["12", "7", ""]


@pytest.mark.parametrize(
    ("words", "code", "said_so"),
    [
        (["{tmp}/conuts", "--truth", "{truth}"], 3, "none at {tmp}/conuts. Did you mean 'counts'?"),
        (["{tmp}", "--truth", "{truth}"], 3, "The folder of a count is needed"),
        (["{tmp}/begun", "--truth", "{truth}"], 2, "is not finished"),
        (["{tmp}/counts", "--truth", "{tmp}/none.csv"], 3, "There is no file {tmp}/none.csv"),
        (["{tmp}/counts", "--truth", "{tmp}/counts/counts.csv"], 2, "is what the program counted"),
        (["{tmp}/counts", "--truth", "{truth}", "--model", "{tmp}/other"], 2, "is not the run that made"),
        (["{tmp}/counts", "--truth", "{tmp}/wrong.csv"], 2, "row 1: a count is a whole number from 0 on"),
    ],
)
def test_what_cannot_be_verified_is_one_sentence_and_changes_nothing(
    words, code, said_so, finished, said, tmp_path
):
    finished(*MANY)
    finished(*MANY, folder="begun")
    (tmp_path / "begun" / "counts.csv").rename(tmp_path / "begun" / "counts.csv.partial")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "weights.safetensors").write_bytes(b"others")
    names = {"tmp": tmp_path, "truth": table(tmp_path / "truth.csv", {"00.png": 10})}
    table(tmp_path / "wrong.csv", {"00.png": "-1"})
    before = contents(tmp_path)
    found, _, error = said("verify", *(word.format(**names) for word in words))
    assert (found, said_so.format(**names) in error) == (code, True), error
    assert error.startswith("subitize: ")
    assert len(error.splitlines()) == 1
    assert {name for name, data in contents(tmp_path).items() if before.get(name) != data} <= {"counts/.lock"}


def test_too_few_random_ones_correct_nothing_and_it_says_how_many_are_missing(finished, said, tmp_path):
    out = finished(*MANY)
    truth = table(tmp_path / "truth.csv", {f"{i:02d}.png": 20 for i in range(8)})
    code, told, error = said("verify", out, "--truth", truth)
    assert (code, "intervals:" in told) == (0, False)
    assert "takes 9 random pictures, and 8 are verified. Still needed: 1." in error
    assert [row["count_hi90"] for row in rows(out / "verified.csv")] == ["20"] * 8 + ["11"] * 22
    assert not (out / "model" / "calibration.json").exists()


def test_a_run_that_is_gone_is_missed_after_all_else_is_done(finished, said, tmp_path):
    out = finished(*MANY)
    (out / "model").rename(tmp_path / "moved")
    truth = table(tmp_path / "truth.csv", {f"{i:02d}.png": 10 for i in range(9)})
    code, _, error = said("verify", out, "--truth", truth)
    assert (code, "Say where it is by --model RUN" in error) == (2, True)
    assert len(rows(out / "verified.csv")) == 30
    assert said("verify", out, "--truth", truth, "--model", tmp_path / "moved")[0] == 0
    assert (tmp_path / "moved" / "calibration.json").exists()


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    """Pictures that a model which has learned nothing counts as it likes."""
    rng, folder = np.random.default_rng(0), tmp_path / "twelve"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(folder / f"{i:02d}.png")
    return folder


def test_the_next_count_is_corrected_and_to_verify_it_corrects_no_further(run, twelve, said, tmp_path):
    own, truth = tmp_path / "run", table(tmp_path / "truth.csv", {f"{i:02d}.png": i for i in range(12)})
    shutil.copytree(run, own)
    count = ("count", twelve, "--model", own, "--out")
    assert said(*count, tmp_path / "a")[0] == 0
    assert said("verify", tmp_path / "a", "--truth", truth)[0] == 0  # count.json knows where the run is
    first = (own / "calibration.json").read_bytes()
    code, told, _ = said(*count, tmp_path / "b")
    assert (code, "times as wide as the model's own, by 12 verified pictures" in told) == (0, True)
    before, after = rows(tmp_path / "a" / "counts.csv"), rows(tmp_path / "b" / "counts.csv")
    for old, new in zip(before, after, strict=True):
        assert old["uncorrected_hi90"] == old["count_hi90"] == new["uncorrected_hi90"]
        assert int(new["count_hi90"]) > int(old["count_hi90"]), "the model sees two at most"
        corrected = {"count_lo90", "count_hi90"}
        assert {k: v for k, v in old.items() if k not in corrected} == {
            k: v for k, v in new.items() if k not in corrected
        }
    assert said("verify", tmp_path / "b", "--truth", truth)[0] == 0
    assert (own / "calibration.json").read_bytes() == first
    a, b = (json.loads((tmp_path / x / "verification.json").read_text()) for x in "ab")
    code, _, error = said(*count, tmp_path / "other", "--fit", "crop")
    assert (code, "and this is none: its intervals are uncorrected" in error) == (0, True)
    for row in rows(tmp_path / "other" / "counts.csv"):
        assert row["uncorrected_hi90"] == row["count_hi90"]
    assert b["random"]["coverage_90"] > a["random"]["coverage_90"], "of the intervals as each count has them"
    assert a | {"random": 0} == b | {"random": 0}
    (own / "calibration.json").write_text("{}")
    code, _, error = said(*count, tmp_path / "c")
    assert (code, "calibration.json cannot be trusted" in error) == (5, True)
    assert said("verify", tmp_path / "a", "--truth", truth)[0] == 0, "which mends it"
    assert (own / "calibration.json").read_bytes() == first


def test_a_count_that_was_stopped_does_not_go_on_with_other_intervals(run, twelve, said, tmp_path):
    own, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(run, own)
    truth = table(tmp_path / "truth.csv", {f"{i:02d}.png": i for i in range(12)})
    count = ("count", twelve, "--model", own, "--out", out)
    assert said(*count)[0] == 0
    shutil.copytree(out, tmp_path / "whole")
    for name in ("counts.csv", "objects.csv", "timings.csv"):
        (out / name).rename(out / f"{name}.partial")
    assert said("verify", tmp_path / "whole", "--truth", truth)[0] == 0
    code, _, error = said(*count, "--resume")
    assert (code, "began with other calibration" in error) == (2, True)
    (own / "calibration.json").unlink()
    assert said(*count, "--resume")[0] == 0

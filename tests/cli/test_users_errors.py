"""What a user does wrong is never told as a fault of ours, and nothing is written."""

import os
import subprocess
import sys

import pytest

from subitize.cli import of_the_system

LONG = "n" * 300  # no file system takes such a name


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["train", name, value]
            for name in ("--steps", "--max-objects", "--batch-size")
            for value in ("-1", "1" * 31)
        ),
        *(["train", "--what-dim", value] for value in ("0", "9" * 5000)),
        *(["train", "--learning-rate", value] for value in ("nan", "inf", "0", "1e9")),
        ["train", "--counts", "0", "1", "9" * 31],
        ["train", "--object-size", "41"],
        ["train", "--batch-size", "16384", "--max-objects", "64", "--canvas", "512"],
        *(["val", "nowhere", "--scenes-n", value] for value in ("0", "1" * 31)),
        ["val", "nowhere", "--passes", "1" * 31],
        ["count", "nothing.png", "--model", "nowhere", "--max-objects", "1" * 31],
        ["sample", "nowhere", "--n", "1" * 31],
        *(["bench", "gradients", "--draws", value] for value in ("1", "1" * 31)),
        ["bench", "gradients", "--burn-in", "1" * 31],
        ["reproduce", "extrapolation", "--seeds", "1" * 31],
    ],
    ids=lambda words: " ".join(words)[:50],
)
def test_numbers_beyond_their_bounds(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = said(*words)
    assert code == 2, error
    assert len(error) < 500
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--scenes", ""],
        ["train", "--scenes="],
        ["train", "scenes="],
        ["train", "--out", ""],
        ["train", "--estimator", ""],
        ["val", ""],
        ["sample", "nowhere", "--out", ""],
        ["count", "", "--model", "nowhere"],
        ["count", "a.png", "--model", ""],
        ["bench", "--on", "coins", ""],
        ["reproduce", ""],
    ],
    ids=repr,
)
def test_empty_words(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, error = said(*words)
    assert (code, out) == (2, ""), error
    assert "is empty" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--scenes", "digits", "--out", LONG],
        ["train", "--scenes", LONG],
        ["val", LONG],
        ["sample", "nowhere", "--out", f"{LONG}.png"],
        ["show", LONG],
        ["count", "a.png", "--model", LONG],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_names_that_are_too_long(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = said(*words)
    assert (code, "too long" in error) == (2, True), error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", range(1, 134))
def test_errors_about_a_path_are_never_ours(number):
    sentence, code = of_the_system(OSError(number, os.strerror(number), "/some/path"))
    assert code in (2, 7)
    assert "/some/path" in sentence


def test_a_device_that_is_not_there(tmp_path):
    words = ["train", "--scenes", "digits", "--steps", "1", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "subitize", *words],
        env=os.environ | {"JAX_PLATFORMS": "abacus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "JAX_PLATFORMS=abacus" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()

"""Omniglot: archives as they are published, hands that are held out, and what is said of damage."""

import io
import zipfile

import numpy as np
import pooch
import pytest
from PIL import Image

from subitize.core.errors import NoInputError, UsageError
from subitize.scenes import BinarizedImages, load, omniglot
from subitize.scenes.omniglot import ARCHIVES, DRAWN_ON, Omniglot


def drawing(row):
    """Black ink on white, a line across."""
    values = np.full((DRAWN_ON, DRAWN_ON), 255, np.uint8)
    values[row : row + 3, 20:80] = 0
    file = io.BytesIO()
    Image.fromarray(values).convert("1").save(file, "png")
    return file.getvalue()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two archives that share an alphabet; person h draws a line in row 4 h, one lower for character 1."""
    monkeypatch.setenv("SUBITIZE_DATA", str(tmp_path))
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(omniglot, "MIRRORS", ("http://127.0.0.1:9/",))
    (tmp_path / "omniglot").mkdir()
    for name, alphabets in zip(ARCHIVES, (("Greek", "Latin"), ("Greek", "Tagalog")), strict=True):
        with zipfile.ZipFile(tmp_path / "omniglot" / name, "w") as archive:
            for alphabet in alphabets:
                for character in range(2):
                    for hand in range(1, 21):
                        where = f"{name[:-4]}/{alphabet}/character{character:02}/0{character}_{hand:02}.png"
                        archive.writestr(where, drawing(4 * hand + character))
    return tmp_path / "omniglot"


def test_hands_are_held_out_and_shared_alphabets_taken_once(data):
    train, test = Omniglot("train"), Omniglot("test")
    assert train.pictures.shape == (3 * 2 * 15, 50, 50, 1)
    assert test.pictures.shape == (3 * 2 * 5, 50, 50, 1)

    def lowest(dataset):
        rows = np.nonzero(np.asarray(dataset.pictures).max((0, 2, 3)))[0]
        return rows.max() * DRAWN_ON / 50

    assert lowest(train) < 4 * 15 + 8 < 4 * 20 <= lowest(test) + 4


def test_a_drawing_is_white_ink_on_black(data):
    pictures = np.asarray(Omniglot("train", canvas=40).pictures)
    assert pictures.max((1, 2, 3)).min() == 255
    assert np.median(pictures) == 0
    assert load("omniglot", "test", canvas=40).batch(0, np.arange(3)).image.shape == (3, 40, 40, 1)


def test_drawings_in_black_and_white(data):
    bits = BinarizedImages("train", of="omniglot")
    assert bits.pictures.shape == (3 * 2 * 15, 28, 28, 1)
    assert set(np.unique(bits.pictures)) == {0, 255}
    grey = np.asarray(Omniglot("train", canvas=28).pictures)
    assert np.all(np.asarray(bits.pictures)[grey == 0] == 0)
    with pytest.raises(UsageError, match="`split`"):
        BinarizedImages("valid", of="omniglot")


def test_options_rebuild_the_world(data):
    dataset = Omniglot("test", canvas=33)
    again = load(dataset.name, dataset.split, **dataset.options())
    np.testing.assert_array_equal(dataset.pictures, again.pictures)


@pytest.mark.parametrize("damage", ["cut", "text", "names"])
def test_damaged_archives_are_said_to_be_so(data, damage):
    file = data / next(iter(ARCHIVES))
    if damage == "names":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/b/nobody.png", drawing(3))
    else:
        file.write_bytes(file.read_bytes()[:500] if damage == "cut" else b"hello")
    with pytest.raises(NoInputError, match="not a sound archive"):
        Omniglot()


def test_offline_says_where_to_put_the_archives(data):
    for name in ARCHIVES:
        (data / name).unlink()
    with pytest.raises(NoInputError, match="Put both zip files") as caught:
        Omniglot()
    assert str(data) in str(caught.value)


@pytest.mark.parametrize("canvas", [8, 106])
def test_impossible_sides_are_refused(data, canvas):
    with pytest.raises(UsageError, match="from 16 to 105"):
        load("omniglot", canvas=canvas)

"""The salient object subitizing set in the files of its authors, in both formats of their index."""

import sys
from functools import partial

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from subitize.core.errors import NoInputError, UsageError
from subitize.scenes import load
from subitize.scenes.salient import INDEX, Salient

LINES = [(f"photo {i}.jpg", label, i % 3 == 0) for i, label in enumerate((0, 1, 2, 3, 4, 1, 0))]
TRAIN = [label for _, label, test in LINES if not test]


def write_old(path, lines=LINES, fields=("name", "label", "istest"), **options):
    kinds = dict(zip(("name", "label", "istest"), (object, float, bool), strict=True))
    array = np.zeros((1, len(lines)), [(field, object) for field in fields])
    for i, line in enumerate(lines):
        for field, value in zip(kinds, line, strict=True):
            if field in fields:
                array[field][0, i] = value
    savemat(path, {"imgIdx": array}, **options)


def write_new(path, lines=LINES, fields=("name", "label", "istest"), *, row=False):
    """As MATLAB lays out an array of structures in HDF5: references for each field, in a column or a row."""
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("imgIdx")
        columns = zip(*lines, strict=True)
        for field, values in zip(("name", "label", "istest"), columns, strict=True):
            references = np.empty((len(lines), 1), h5py.ref_dtype)
            for i, value in enumerate(values):
                codes = [[ord(c)] for c in value] if field == "name" else [[float(value)]]
                kind = np.uint16 if field == "name" else float
                stored = file.create_dataset(f"#refs#/{field}{i}", data=np.array(codes, kind))
                references[i, 0] = stored.ref
            if field in fields:
                group.create_dataset(field, data=references.T if row else references, dtype=h5py.ref_dtype)
    with path.open("r+b") as file:  # the header by which MATLAB, and scipy, know version 7.3
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM")


WRITERS = {
    "v5": write_old,
    "v5, compressed": partial(write_old, do_compression=True),
    "v7.3": write_new,
    "v7.3, a row": partial(write_new, row=True),
}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def write(request):
    return request.param


@pytest.fixture
def folder(tmp_path, write):
    write(tmp_path / INDEX)
    for i, (name, _, _) in enumerate(LINES):
        Image.fromarray(np.full((30 + i, 40, 3), (20 * i, 100, 200), np.uint8)).save(tmp_path / name)
    return tmp_path


def test_photographs_come_with_the_class_of_their_number(folder):
    train, test = load(folder, "train"), load(folder, "test", canvas=(24, 32), channels=1)
    assert isinstance(train, Salient)
    assert train.known.tolist() == TRAIN
    assert train.files == tuple(name for name, _, test in LINES if not test)
    assert train.pictures.shape == (len(TRAIN), 64, 64, 3)
    assert np.abs(train.pictures[0] - np.array([20, 100, 200])).max() < 8  # JPEG
    assert test.pictures.shape == (len(LINES) - len(TRAIN), 24, 32, 1)
    assert type(train)(folder, **train.options()).files == train.files


def test_the_subset_has_no_split_and_a_folder_for_its_photographs(folder, write):
    write(folder / INDEX, fields=("name", "label"))
    (folder / "img").mkdir()
    for name, _, _ in LINES[:4]:
        (folder / name).rename(folder / "img" / name)
    assert Salient(folder, "test").known.tolist() == [label for _, label, _ in LINES]
    with pytest.raises(NoInputError, match="no photograph of the train split"):
        Salient(folder, "train")


def test_what_cannot_be_read_is_told_and_left_out(folder):
    (folder / "photo 1.jpg").unlink()
    (folder / "photo 2.jpg").write_bytes(b"no picture")
    train = Salient(folder)
    assert train.known.tolist() == TRAIN[2:]
    assert [name for name, _ in train.skipped] == ["photo 1.jpg", "photo 2.jpg"]
    for name in train.files:
        (folder / name).unlink()
    with pytest.raises(NoInputError, match=r"beside imgIdx\.mat"):
        Salient(folder)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM" + b"x" * 600]
)
def test_a_damaged_index_is_told(tmp_path, content):
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(NoInputError, match="not the index"):
        Salient(tmp_path)


@pytest.mark.parametrize(
    "line", [("a.jpg", 7, 0), ("a.jpg", 2.7, 0), ("a.jpg", np.inf, 0), ("../a.jpg", 1, 0), ("\0\0", 1, 0)]
)
def test_an_index_of_something_else_is_told(tmp_path, write, line):
    write(tmp_path / INDEX, [line, ("b.jpg", 1, 0)])
    with pytest.raises(NoInputError, match="not the index"):
        Salient(tmp_path)


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: whole[:200]])
def test_a_cut_index_is_told(tmp_path, write, damage):
    write(tmp_path / INDEX)
    (tmp_path / INDEX).write_bytes(damage((tmp_path / INDEX).read_bytes()))
    with pytest.raises(NoInputError, match="not the index"):
        Salient(tmp_path)


def test_a_damaged_compressed_index_is_told(tmp_path):
    write_old(tmp_path / INDEX, do_compression=True)
    whole = bytearray((tmp_path / INDEX).read_bytes())
    whole[len(whole) // 2] ^= 0x55
    (tmp_path / INDEX).write_bytes(whole)
    with pytest.raises(NoInputError, match="not the index"):
        Salient(tmp_path)


def test_an_index_without_the_variable_is_told(tmp_path):
    savemat(tmp_path / INDEX, {"other": np.ones(3)})
    with pytest.raises(NoInputError, match="not the index"):
        Salient(tmp_path)


def test_wrong_options_and_places_are_told(folder, tmp_path):
    with pytest.raises(UsageError, match="channels"):
        Salient(folder, channels=2)
    with pytest.raises(UsageError, match="no option `counts`"):
        load(folder, counts=(1, 2))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError, match=r"no .*imgIdx\.mat"):
        Salient(tmp_path / "empty")


def test_without_the_library_version_7_3_says_what_to_install(tmp_path, monkeypatch):
    write_new(tmp_path / INDEX)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"subitize\[salient\]"):
        Salient(tmp_path)

"""Which files are taken, under which names, and what is said of the others."""

import os
from pathlib import Path

import pytest

from subitize.core.errors import NoInputError, UsageError
from subitize.core.picture_files import find_pictures, is_output


def names(*paths):
    return [name for _, name in find_pictures(paths).files]


@pytest.fixture
def tree(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.tiff", "sub/a.png", "note.txt", ".hidden.png", ".secret/x.png"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"?")
    (tmp_path / "tree" / "link.png").symlink_to("nowhere.png")
    (tmp_path / "tree" / "round").symlink_to(tmp_path / "tree")
    return tmp_path / "tree"


def test_folders_are_walked_in_the_order_of_names(tree):
    found = find_pictures([tree]).files
    assert [name for _, name in found] == ["a.JPG", "b.png", "link.png", "sub/a.png", "sub/c.tiff"]
    assert [file for file, _ in found] == [tree / name for _, name in found]


def test_files_named_explicitly_are_always_tried_and_names_stay_unique(tree):
    assert names(tree / "note.txt", tree / "sub", tree / "sub" / "a.png", tree / "b.png", tree / "sub") == [
        *("note.txt", "a.png", "c.tiff", "b.png")
    ]
    assert names(tree / "sub", tree) == ["a.png", "c.tiff", "a.JPG", "b.png", "link.png"]
    other = tree / "other"
    other.mkdir()
    (other / "a.png").write_bytes(b"?")
    assert names(tree / "sub", other) == ["a.png", "c.tiff", "a~2.png"]


def test_two_spellings_are_one_picture_and_a_link_to_a_file_is_another(tree, monkeypatch):
    (tree / "sub" / "twin.png").symlink_to("a.png")
    (tree / "same").symlink_to("sub")
    monkeypatch.chdir(tree)
    spellings = ("sub/a.png", "sub/../sub/a.png", tree / "sub" / "a.png", "same/a.png", "./sub//a.png")
    assert names(*spellings) == ["a.png"]
    assert names("sub", "same", "sub/../sub") == ["a.png", "c.tiff", "twin.png"]


def test_a_name_in_no_encoding_can_be_written(tmp_path):
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    file.write_bytes(b"?")
    assert find_pictures([tmp_path]).files == [(file, "caf\N{REPLACEMENT CHARACTER}.png")]


def test_a_dangling_link_named_explicitly_is_left_to_the_reader(tree):
    assert find_pictures([tree / "link.png"]).files == [(tree / "link.png", "link.png")]


def test_what_is_left_out_is_told(tree):
    (tree / "sub" / "movie.AVI").write_bytes(b"?")
    (tree / "sub" / "more.avi").write_bytes(b"?")
    (tree / "sub" / "README").write_bytes(b"?")
    assert find_pictures([tree]).remarks() == [
        f"left out links to folders: {tree / 'round'}",
        "left out files that are no pictures by their suffix: 2 .avi, 1 .txt, 1 without one",
    ]
    assert find_pictures([tree / "b.png"]).remarks() == []


def test_no_more_than_a_few_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"?")
    for i in range(9):
        (tmp_path / f"a.x{i}").write_bytes(b"?")
    (line,) = find_pictures([tmp_path]).remarks()
    assert line.endswith(": 1 .x0, 1 .x1, 1 .x2, 1 .x3, 1 .x4 and 4 more")


OUTPUTS = {  # files that a folder of each kind holds, one of them a picture of our own
    "a count": ("counts.csv", "objects.csv", "overlays/a.png"),
    "an unfinished count": ("counts.csv.partial", "overlays/deep/a.png"),
    "a run": ("recipe.json", "records.jsonl", "weights.safetensors", "pictures/board.png"),
    "a run that began": ("recipe.json", "provenance.json", "pictures/board.png"),
}
LOOK_ALIKES = {
    "a table of counts beside pictures": ("counts.csv", "a.png"),
    "overlays of another program": ("overlays/a.png", "table.csv"),
    "a recipe of another program": ("recipe.json", "a.png"),
}


def make(folder, files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"?")


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_subitize_wrote_is_left_out_wherever_it_lies(tree, kind):
    before = names(tree)
    for place in ("out", "sub/deeper/out"):
        make(tree / place, OUTPUTS[kind])
    found = find_pictures([tree])
    assert [name for _, name in found.files] == before
    places = f"{tree / 'out'}, {tree / 'sub' / 'deeper' / 'out'}"
    assert f"left out what subitize wrote: {places}" in found.remarks()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_subitize_wrote_is_refused_when_it_is_named(tree, kind):
    own = tree / "out"
    make(own, OUTPUTS[kind])
    (tree / "way").symlink_to(own)
    picture = OUTPUTS[kind][-1]
    for path in (own, own / picture, (own / picture).parent, tree / "way", tree / "way" / picture):
        with pytest.raises(UsageError, match="is what subitize wrote") as caught:
            find_pictures([tree, path])
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_own_pictures_that_are_named_may_lie_in_a_folder_that_subitize_wrote(tree, kind):
    make(tree / "out", OUTPUTS[kind])
    make(tree / "out" / "new", ("x.png",))
    assert names(tree / "out" / "new") == ["x.png"]
    assert names(tree / "out" / "new" / "x.png") == ["x.png"]


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_folders_that_only_look_alike_are_read(tmp_path, kind):
    make(tmp_path, LOOK_ALIKES[kind])
    assert not is_output(tmp_path)
    assert len(find_pictures([tmp_path]).files) == 1


def test_what_is_not_there_is_no_input(tree):
    with pytest.raises(NoInputError) as caught:
        find_pictures([tree, tree / "subb"])
    assert str(caught.value) == (
        f"There is no file or folder {tree / 'subb'}. Did you mean 'sub'? Give one that exists."
    )
    (tree / "empty").mkdir()
    for paths in ([tree / "empty"], []):
        with pytest.raises(NoInputError, match="Pictures are needed, but there is none in"):
            find_pictures(paths)
    assert len(find_pictures([tree / "empty", tree / "sub"]).files) == 2
    (tree / "empty" / "a.txt").write_bytes(b"?")
    with pytest.raises(NoInputError, match=r"no pictures by their suffix: 1 \.txt\. Files that count: \.png"):
        find_pictures([tree / "empty"])


def test_a_folder_that_may_not_be_opened_is_listed(tree, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "sub" in names(tree)

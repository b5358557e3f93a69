"""A folder of pictures as a dataset without truth."""

import json

import numpy as np
import pytest
from PIL import Image

from subitize.core.errors import NoInputError, UsageError
from subitize.scenes import Folder, load
from subitize.scenes.folder import held_out


@pytest.fixture
def folder(tmp_path):
    """Thirty pictures of different sizes and modes, three files that are none."""
    rng = np.random.default_rng(0)
    place = tmp_path / "shots"
    (place / "inner").mkdir(parents=True)
    for i in range(30):
        size = (20 + i, 30 + 2 * i, 3) if i % 2 else (25, 25)
        where = place / "inner" if i % 3 else place
        Image.fromarray((rng.random(size) * 100).astype(np.uint8)).save(where / f"{i:02}.png")
    (place / "bad.png").write_text("no picture")
    (place / "cut.jpg").write_bytes(b"")
    (place / "notes.txt").write_text("not even called a picture")
    return place


def test_train_and_test_split_the_readable_pictures(folder):
    train, test = Folder(folder, "train", canvas=32), Folder(folder, "test", canvas=32)
    assert set(train.files) | set(test.files) == {
        f"inner/{i:02}.png" if i % 3 else f"{i:02}.png" for i in range(30)
    }
    assert not set(train.files) & set(test.files)
    assert set(test.files) == held_out(train.files + test.files)
    assert len(test.files) < len(train.files)
    sides = [{p.tobytes() for p in np.asarray(part.pictures)} for part in (train, test)]
    assert not sides[0] & sides[1]


def test_files_that_cannot_be_read_are_listed_with_a_reason(folder):
    scenes = Folder(folder)
    assert [name for name, _ in scenes.skipped] == ["bad.png", "cut.jpg"]
    assert "this is no PNG, JPEG" in scenes.skipped[0][1]
    assert "0 bytes" in scenes.skipped[1][1]


def test_what_subitize_wrote_is_not_learned_from_and_that_is_told(folder):
    """A count into the folder, and a run in it, change nothing of what is learned."""
    before = {split: Folder(folder, split) for split in ("train", "test")}
    for own in ("inner/runs/count-001/overlays", "run/pictures"):
        (folder / own).mkdir(parents=True)
        Image.new("L", (40, 40), 99).save(folder / own / "00.png")
    (folder / "inner" / "runs" / "count-001" / "counts.csv.partial").touch()
    (folder / "run" / "recipe.json").touch()
    (folder / "run" / "records.jsonl").touch()
    for split, scenes in before.items():
        after = Folder(folder, split)
        assert after.files == scenes.files
        np.testing.assert_array_equal(after.pictures, scenes.pictures)
        assert after.remarks == (
            f"left out what subitize wrote: {folder / 'inner/runs/count-001'}, {folder / 'run'}",
            "left out files that are no pictures by their suffix: 1 .txt",
        )
        assert scenes.remarks == after.remarks[1:]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["resize", "crop", "pad"])
def test_scenes_are_the_pictures_and_know_nothing(folder, fit, channels):
    scenes = Folder(folder, canvas=(24, 40), channels=channels, fit=fit)
    batch = scenes.batch(0, np.arange(10))
    assert batch.image.shape == (10, 24, 40, channels)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert not scenes.has_truth
    assert scenes.counts == ()
    assert (batch.count == -1).all()
    assert batch.boxes.shape == (10, 0, 4)
    assert batch.labels.shape == (10, 0)
    known = {p.tobytes() for p in np.asarray(scenes.pictures)}
    for image in np.asarray(batch.image):
        assert np.round(255 * image).astype(np.uint8).tobytes() in known
    np.testing.assert_array_equal(scenes.batch(0, np.array([7])).image[0], batch.image[7])


def test_options_rebuild_it_through_json(folder):
    scenes = load(folder, "test", canvas=(20, 28), channels=3, fit="crop", invert="never")
    again = load(scenes.name, scenes.split, **json.loads(json.dumps(scenes.options())))
    np.testing.assert_array_equal(again.pictures, scenes.pictures)
    assert again.options() == scenes.options()


def test_a_bright_ground_is_turned_over(tmp_path):
    for i in range(4):
        page = np.full((30, 30), 250, np.uint8)
        page[10:20, 10:20] = 20
        Image.fromarray(page).save(tmp_path / f"{i}.png")
    turned, kept = load(tmp_path, canvas=30), load(tmp_path, canvas=30, invert="never")
    assert turned.pictures[0, 0, 0, 0] == 5
    assert turned.pictures[0, 15, 15, 0] == 235
    assert kept.pictures[0, 0, 0, 0] == 250


def test_adding_pictures_moves_none_to_the_other_side():
    names = [f"{i}.png" for i in range(500)]
    assert held_out(names[:250]) == held_out(names) & set(names[:250])
    assert 30 < len(held_out(names)) < 70


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_few_pictures_still_have_both_splits(n):
    for start in range(40):
        names = [f"{start}-{i}.png" for i in range(n)]
        assert 0 < len(held_out(names)) < n


def test_one_picture_cannot_be_split(tmp_path):
    Image.new("L", (20, 20), 30).save(tmp_path / "only.png")
    assert load(tmp_path).files == ("only.png",)
    with pytest.raises(NoInputError, match=r"The test split needs .* has 1 that can be read. Add pictures."):
        load(tmp_path, "test")


def test_nothing_readable_is_no_input(tmp_path):
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(NoInputError, match=r"none of the 2 in .* can be read; the first: .*a.png") as caught:
        load(tmp_path)
    assert caught.value.exit_code == 3


def test_an_empty_folder_is_no_input(tmp_path):
    with pytest.raises(NoInputError, match="there is none in"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fit": "resise"}, "`fit` is one of resize, crop, pad; got 'resise'. Did you mean 'resize'?"),
        ({"invert": "yes"}, "`invert` is one of auto, always, never; got 'yes'."),
        ({"channels": 4}, "Folder: `channels` is 1 (grey) or 3 (colour); got 4."),
        ({"counts": (1,)}, "Folder has no option `counts`. It takes canvas, channels, fit, invert."),
    ],
)
def test_bad_options_are_answered_in_clear_sentences(folder, options, sentence):
    with pytest.raises(UsageError) as caught:
        load(folder, **options)
    assert str(caught.value) == sentence

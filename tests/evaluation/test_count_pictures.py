"""Pictures of people's own: the same array as in training, the same answer in any company, and doubts."""

import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from subitize.core.errors import NoInputError
from subitize.core.image_io import Picture, PictureError, read_picture
from subitize.core.preprocess import FITS, INVERTS, Preprocessor, brightness
from subitize.evaluation.doubts import colour_is_lost, doubts, fullest
from subitize.evaluation.pictures import (
    PIXELS_AT_ONCE,
    Counted,
    Read,
    count_picture,
    count_pictures,
    grouped,
    scores_of,
)
from subitize.scenes import Folder

SURE, UNSURE, FULL = np.array([0.01, 0.98, 0.01]), np.array([0.2, 0.6, 0.2]), np.array([0, 0.01, 0.99])


@pytest.fixture
def spot() -> np.ndarray:
    values = np.zeros((20, 20, 1))
    values[5:9, 5:9] = 1
    return values


def test_reasons_to_doubt(spot):
    nothing = np.zeros_like(spot)
    assert doubts(spot, spot, SURE, 6) == []
    assert doubts(spot, spot, UNSURE, 6) == ["low_confidence"]
    assert doubts(spot, spot, FULL, 6) == ["at_max_count"]
    assert doubts(spot, nothing, SURE, 6) == ["poor_reconstruction", "unexplained_part"]
    assert doubts(nothing, nothing, SURE, 6) == ["blank"]
    assert doubts(0.03 * spot, 0.03 * spot, SURE, 6) == ["low_contrast"]
    two = np.roll(spot, 9, 0) + spot
    three = np.roll(spot, 9, 1) + two
    assert doubts(three, two, SURE, 6) == ["unexplained_part"]
    assert doubts(three, 0.8 * three, SURE, 6) == []


@pytest.mark.parametrize("window", [1, 4, 30])
def test_the_fullest_window_is_that_of_brute_force(window):
    values = np.random.default_rng(window).uniform(size=(9, 12))
    k = min(window, 9)
    sums = [values[y : y + k, x : x + k].sum() for y in range(10 - k) for x in range(13 - k)]
    assert fullest(values, window) == pytest.approx(max(sums))


def test_a_blank_picture_is_only_doubtful_if_something_is_counted_in_it():
    picture = np.zeros((9, 9, 3))
    assert not Counted("a", "blank", picture=picture, posterior=np.array([0.9, 0.1])).needs_review
    assert Counted("a", "blank", picture=picture, posterior=np.array([0.1, 0.9])).needs_review


def test_numbers_of_a_posterior():
    seen = Counted("a", picture=np.zeros((9, 9, 3)), posterior=np.array([0.05, 0.15, 0.7, 0.1]))
    assert (seen.count, seen.interval, seen.failed) == (2, (1, 3), False)
    assert seen.expected == pytest.approx(1.85)
    np.testing.assert_allclose(scores_of(seen.posterior), [0.95, 0.8])


def write_pictures(folder: Path, n: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(n)
    for i in range(n):
        values = rng.integers(0, 255, (24, 24), np.uint8)
        Image.fromarray(values).save(folder / f"{i:03d}.png")


def answers(counted: list[Counted]) -> dict[str, tuple]:
    return {x.file: (x.reason, x.posterior.tobytes(), x.boxes.tobytes()) for x in counted if not x.failed}


@pytest.mark.parametrize("bad", [1, 5, 40])
def test_bad_files_change_nothing_for_the_good_ones(untrained, tmp_path, bad):
    write_pictures(tmp_path / "p", 70)
    clean = answers(list(count_pictures(untrained, [tmp_path / "p"])))
    for i in range(bad):
        (tmp_path / "p" / f"{i:03d}a.png").write_text("no picture")
    found = list(count_pictures(untrained, [tmp_path / "p"]))
    assert sum(x.failed for x in found) == bad
    assert [x.file for x in found] == sorted(x.file for x in found)
    assert {x.reason for x in found if x.failed} == {"not_a_picture"}
    assert answers(found) == clean


def test_a_picture_is_answered_alike_alone_and_among_others(untrained, tmp_path):
    write_pictures(tmp_path / "p", 37)
    together = list(count_pictures(untrained, [tmp_path / "p"]))
    alone = [count_picture(untrained, tmp_path / "p" / each.file, each.file) for each in together]
    assert answers(together) == answers(alone)
    assert all(each.ms > 0 for each in together)


def test_groups_are_of_so_many_files_and_of_few_large_ones():
    def file(name: str, pixels: int) -> Read:
        return Read(name, Picture(np.broadcast_to(np.float32(0), (pixels, 1, 1)), ()), 0.0)

    small = [file(str(i), 10) for i in range(7)]
    failed = Read("x", PictureError("x", "empty", "it is empty"), 0.0)
    large = [file("a", PIXELS_AT_ONCE), file("b", 1), file("c", PIXELS_AT_ONCE + 1), file("d", 1)]
    for files, lengths in ((small, [3, 3, 1]), ([failed, *small], [3, 3, 2]), (large, [2, 1, 1]), ([], [])):
        groups = list(grouped(files, 3))
        assert [len(group) for group in groups] == lengths
        assert [each.name for group in groups for each in group] == [each.name for each in files]


def test_nothing_but_bad_files_is_still_an_answer(untrained, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (found,) = count_pictures(untrained, [tmp_path])
    assert found.failed
    assert found.reason == "empty"


def test_an_empty_folder_is_an_error(untrained, tmp_path):
    with pytest.raises(NoInputError, match="there is none in"):
        list(count_pictures(untrained, [tmp_path]))


@pytest.mark.parametrize("number", [0, 1, 2, 15, 16, 17, 40])
def test_a_look_is_the_same_to_the_bit_in_any_company(untrained, number):
    images = np.random.default_rng(0).random((40, 24, 24, 1), np.float32)
    alone = [untrained.infer(images[i : i + 1]) for i in range(number)]
    together = untrained.infer(images[:number])
    assert [len(part) for part in together] == [number] * len(together)
    for i, inferred in enumerate(alone):
        for one, all_ in zip(inferred, together, strict=True):
            np.testing.assert_array_equal(one[0], all_[i])


@pytest.fixture
def every_mode(tmp_path) -> Path:
    """A folder with a picture of each mode and of several sizes."""
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (37, 51), np.uint8), rng.integers(0, 256, (60, 23, 3), np.uint8)
    pictures = {
        "grey": grey,
        "bright": 255 - grey // 4,
        "colour": colour,
        "deep": rng.integers(0, 65536, (24, 24), np.uint16),
        "alpha": rng.integers(0, 256, (30, 24, 4), np.uint8),
        "real": (rng.random((19, 40)) / 3).astype(np.float32),
    }
    (tmp_path / "modes").mkdir()
    for name, values in pictures.items():
        Image.fromarray(values).save(tmp_path / "modes" / f"{name}.tif")
    return tmp_path / "modes"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("invert", INVERTS)
def test_a_picture_is_the_same_array_in_the_training_folder_and_alone(every_mode, channels, fit, invert):
    preprocessor = Preprocessor(24, 20, channels, fit, invert)
    for split in ("train", "test"):
        dataset = Folder(every_mode, split, canvas=(24, 20), channels=channels, fit=fit, invert=invert)
        for name, learned in zip(dataset.files, np.asarray(dataset.pictures), strict=True):
            for source in (every_mode / name, (every_mode / name).read_bytes()):
                np.testing.assert_array_equal(preprocessor(read_picture(source).pixels), learned)


def test_what_is_counted_is_what_training_sees(untrained, every_mode):
    recipe = untrained.recipe.replace(fit="crop", invert="always")
    run = dataclasses.replace(untrained, recipe=recipe)
    dataset = Folder(every_mode, canvas=24, fit="crop", invert="always")
    scenes = jax.tree.map(np.asarray, dataset.batch(0, np.arange(20)))  # most of its pictures, of a program
    for image, posterior in zip(scenes.image, run.infer(scenes.image).posterior, strict=True):
        (i,) = np.flatnonzero((brightness(np.asarray(dataset.pictures)) == image).all((1, 2, 3)))
        counted = count_picture(run, every_mode / dataset.files[i], "a")
        np.testing.assert_array_equal(counted.posterior, posterior.astype(np.float64))


def test_bytes_are_counted_as_the_file_is(untrained, every_mode):
    for file in every_mode.iterdir():
        one = count_picture(untrained, file, "a")
        two = count_picture(untrained, file.read_bytes(), "a")
        assert answers([one]) == answers([two])


def test_what_is_lost_before_the_model_sees_it_is_a_reason(spot):
    dim = 0.001 * spot
    assert doubts(dim, dim, SURE, 6, ["narrow_range"]) == ["narrow_range"]
    assert doubts(dim, dim, SURE, 6, ["first_of_3_pages"]) == ["first_of_3_pages", "blank"]
    assert doubts(0.03 * spot, 0.03 * spot, UNSURE, 6, ["colour_lost"]) == ["colour_lost", "low_confidence"]
    assert doubts(spot, spot, SURE, 6, ["first_of_3_pages"]) == ["first_of_3_pages"]
    assert Counted("a", "first_of_3_pages;blank", picture=np.zeros((9, 9, 3))).needs_review


def test_colours_that_are_lost_are_told(spot):
    red, as_bright = np.array([200, 40, 40]) / 255, np.array([20, 124.6, 60]) / 255
    pixels = spot * red + (1 - spot) * as_bright
    seen = np.full((24, 24, 1), 0.3)
    assert colour_is_lost(pixels, seen)
    assert not colour_is_lost(pixels, seen.repeat(3, -1)), "a model of colours sees them"
    assert not colour_is_lost(spot, seen), "a grey picture has none"
    assert not colour_is_lost(0.04 * spot * np.ones(3), seen), "nor has a grey one stored in colour"
    assert not colour_is_lost(pixels, np.eye(24)[..., None]), "there is light enough"


def test_an_answer_that_is_no_number_is_a_failure_and_not_a_count(untrained, tmp_path):
    write_pictures(tmp_path / "p", 2)
    broken = jax.tree.map(
        lambda x: jnp.full_like(x, jnp.nan) if eqx.is_inexact_array(x) else x, untrained.model
    )
    for found in count_pictures(dataclasses.replace(untrained, model=broken), [tmp_path / "p"]):
        assert (found.failed, found.reason, found.needs_review) == (True, "no_answer", True)
        assert found.sentence.startswith(f"{found.file}: the model's answer is not a number")


def test_what_a_run_knows_against_itself_is_in_every_row(untrained, tmp_path):
    write_pictures(tmp_path / "p", 3)
    doubtful = dataclasses.replace(untrained, diagnostics={"flags": ["run_merges_objects"]})
    for before, after in zip(
        count_pictures(untrained, [tmp_path / "p"]), count_pictures(doubtful, [tmp_path / "p"]), strict=True
    ):
        assert after.reason == ";".join(filter(None, [before.reason, "run_merges_objects"]))
        assert after.needs_review

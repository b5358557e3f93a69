"""Folders of things that look alike are for a catalogue, those of a few digits for DAIR."""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from subitize import scenes
from subitize.counter.pathway import PICTURES, pathway
from subitize.models.catalogue.normalize import DIAMETER
from subitize.models.catalogue.shapes import shapes_of
from subitize.training import Recipe


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """Pictures of none to two digits, enough of them."""
    batch, folder = scenes.load("digits").batch(0, jnp.arange(PICTURES)), tmp_path_factory.mktemp("digits")
    for number, image in enumerate(np.asarray(batch.image[..., 0])):
        Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def write(folder: Path, number: int, drawn: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> Path:
    """Pictures of what a function of rows, columns and the number of the picture says."""
    y, x = np.mgrid[:96, :96]
    for i in range(number):
        values = drawn(y, x, i)
        Image.fromarray(values if values.dtype == np.uint8 else 200 * values.astype(np.uint8)).save(
            folder / f"{i}.png"
        )
    return folder


def cells(y: np.ndarray, x: np.ndarray, i: int) -> np.ndarray:
    """Four cells that lie apart."""
    centres = [(24 + i % 5, 24), (24, 70), (70, 24 + i % 3), (70, 70)]
    return np.any([np.hypot(y - row, x - column) < 9 for row, column in centres], 0)


def clumps(y: np.ndarray, x: np.ndarray, i: int) -> np.ndarray:
    """A cell that lies alone, and five that touch."""
    centres = [(20, 20 + i % 4), *[(60 + 6 * (k % 2), 16 + 15 * k) for k in range(5)]]
    return np.any([np.hypot(y - row, x - column) < 9 for row, column in centres], 0)


def bars(number: int, length: int):
    """So many bars of such a length."""
    return lambda y, x, i: np.any(
        [(abs(y - 10 - 12 * k) < 2) & (abs(x - 48 - i % 3) < length) for k in range(number)], 0
    )


def test_a_few_digits_are_for_dair_and_the_reason_is_said(digits):
    model, why = pathway(str(digits))
    assert model == "dair"
    assert "convex" in why


def test_what_nobody_can_check_is_learned_from_two_initial_weights(tmp_path):
    on_a_folder, on_scenes = Recipe.of("dair", scenes=str(tmp_path)), Recipe.of("dair", scenes="digits")
    assert (on_a_folder.plan().n_init, on_scenes.plan().n_init) == (2, 1)
    assert on_a_folder.replace(n_init=1).plan().n_init == 1


def test_too_few_pictures_of_digits_leave_the_catalogue(digits, tmp_path):
    for path in sorted(digits.iterdir())[: PICTURES - 1]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert pathway(str(tmp_path)).model == "catalogue"


def test_cells_are_for_the_catalogue_however_few_they_are(tmp_path):
    model, why = pathway(str(write(tmp_path, PICTURES, cells)))
    assert (model, why) == ("catalogue", "100% of what stands out is convex and of one size")


def red_on_green(y: np.ndarray, x: np.ndarray, i: int) -> np.ndarray:
    """Two bars that nobody sees in grey."""
    drawn = bars(2, 20)(y, x, i)
    return np.stack([200 * drawn, 102 * ~drawn, 0 * x], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("drawn", "number", "model"),
    [
        (bars(2, 20), PICTURES, "dair"),
        (bars(2, 20), PICTURES - 1, "catalogue"),
        (bars(4, 20), PICTURES, "catalogue"),  # more than it may see
        (bars(2, 3), PICTURES, "catalogue"),  # too small for its canvas
        (clumps, PICTURES, "catalogue"),
        (
            red_on_green,
            PICTURES,
            "catalogue",
        ),
    ],
    ids=["bars", "few pictures", "many bars", "small bars", "clumps", "red bars"],
)
def test_dair_is_for_a_few_large_things_in_enough_grey_pictures(drawn, number, model, tmp_path):
    assert pathway(str(write(tmp_path, number, drawn))).model == model


def test_pages_are_no_pictures_of_their_own_to_dair(digits, tmp_path):
    first, *others = [Image.open(path) for path in sorted(digits.iterdir())]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    for i in range(PICTURES):
        first.save(tmp_path / f"{i}.png")
    assert pathway(str(tmp_path)).model == "catalogue"


def test_shapes_are_counted_measured_and_judged():
    y, x = np.mgrid[:96, :192] + 0.5
    disc = np.hypot(y - 40, x - 40) < DIAMETER / 2
    bar = (abs(y - 70) < 3) & (abs(x - 120) < 24)
    cut = np.hypot(y - 40, x - 192) < DIAMETER / 2
    speck = np.hypot(y - 20, x - 150) < 3
    picture = (disc | bar | cut | speck).astype(np.float32)
    seen = shapes_of([picture] + 30 * [np.zeros((96, 192), np.float32)])
    assert seen.components == 0, "few pictures hold so many"
    seen = shapes_of([picture, np.zeros((96, 192), np.float32)])
    assert seen.components == pytest.approx(3, abs=0.2)
    assert seen.alike == 0.5, "the bar is not convex enough, or too long; what is cut is not judged"
    assert seen.length == pytest.approx(DIAMETER / 96, abs=0.02)
    assert shapes_of([np.zeros((96, 96), np.float32)]) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("radii", "share"), [((9, 9, 8, 10), 0), ((6, 9, 9, 17), 0.25), ((4, 9, 9, 16), 0.5)]
)
def test_sizes_are_compared_within_one_to_three(radii, share):
    y, x = np.mgrid[:96, :192] + 0.5
    discs = [np.hypot(y - 48, x - 24 - 46 * k) < radius for k, radius in enumerate(radii)]
    assert shapes_of([np.any(discs, 0).astype(np.float32)]).other_size == share

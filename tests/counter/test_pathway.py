"""Folders of things that look alike are for a catalogue, those of a few digits for DAIR."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from subitize import scenes
from subitize.counter.pathway import PICTURES, pathway
from subitize.models.catalogue.normalize import DIAMETER
from subitize.models.catalogue.shapes import shapes_of


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """Pictures of none to two digits, enough of them."""
    batch, folder = scenes.load("digits").batch(0, jnp.arange(PICTURES)), tmp_path_factory.mktemp("digits")
    for number, image in enumerate(np.asarray(batch.image[..., 0])):
        Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def cells(folder: Path, number: int, radius: int) -> Path:
    """Pictures of four cells each."""
    y, x = np.mgrid[:96, :96]
    for i in range(number):
        centres = [(24 + i % 5, 24), (24, 70), (70, 24 + i % 3), (70, 70)]
        discs = sum(np.hypot(y - row, x - column) < radius for row, column in centres)
        Image.fromarray((200 * discs).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def test_a_few_digits_are_for_dair_and_the_reason_is_said(digits):
    model, why = pathway(str(digits))
    assert model == "dair"
    assert "convex" in why


def test_too_few_pictures_of_digits_leave_the_catalogue(digits, tmp_path):
    for path in sorted(digits.iterdir())[: PICTURES - 1]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert pathway(str(tmp_path)).model == "catalogue"


def test_cells_are_for_the_catalogue_however_few_they_are(tmp_path):
    model, why = pathway(str(cells(tmp_path, PICTURES, 9)))
    assert (model, why) == ("catalogue", "100% of what stands out is convex and of one size")


def test_shapes_are_counted_measured_and_judged():
    y, x = np.mgrid[:96, :192] + 0.5
    disc = np.hypot(y - 40, x - 40) < DIAMETER / 2
    bar = (abs(y - 70) < 3) & (abs(x - 120) < 24)
    cut = np.hypot(y - 40, x - 192) < DIAMETER / 2
    speck = np.hypot(y - 20, x - 150) < 3
    seen = shapes_of([(disc | bar | cut | speck).astype(np.float32), np.zeros((96, 192), np.float32)])
    assert seen.components == 1.5
    assert seen.alike == 0.5, "the bar is not convex enough, or too long; what is cut is not judged"
    assert seen.length == pytest.approx(DIAMETER / 96, abs=0.02)
    assert shapes_of([np.zeros((96, 96), np.float32)]) == (0, 0, 0)

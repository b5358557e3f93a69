"""What a folder's pictures give, and that scenes composed of it tell the truth."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import ndimage

from subitize.models.catalogue import compose
from subitize.models.catalogue.compose import (
    MOST,
    Bank,
    bank_of,
    composed,
    example,
    labels_of,
    placed,
    variants,
)
from subitize.models.catalogue.harvest import (
    CROP,
    WINDOW,
    bare,
    lone_objects,
    sure_crops,
    targets_of,
    turned_sure,
)
from subitize.models.catalogue.normalize import AREA, CELL, DIAMETER


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def discs(side: int, centres, radius: float = DIAMETER / 2) -> np.ndarray:
    """Discs of brightness 1 on black, with soft edges; pixel i reaches from i to i + 1."""
    y, x = np.mgrid[:side, :side] + 0.5
    picture = np.zeros((side, side))
    for row, column in centres:
        picture = np.maximum(picture, np.clip(radius - np.hypot(y - row, x - column) + 0.5, 0, 1))
    return picture.astype(np.float32)


ALONE = [(30.0, 40.0), (30.0, 150.0), (100.0, 60.0), (150.0, 160.0)]
PAIR, CUT = [(95.0, 140.0), (95.0, 156.0)], [(2.0, 95.0)]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return discs(192, ALONE + PAIR + CUT) + 0.02 * np.random.default_rng(0).standard_normal(
        (192, 192)
    ).astype(np.float32)


@pytest.fixture(scope="module")
def bank(picture) -> Bank:
    with jax.enable_x64(False):
        return bank_of([picture], lone_objects([picture]), seed=0, adds=False)


def test_lone_objects_are_those_that_touch_nothing(picture):
    found = lone_objects([picture, discs(96, [])])
    assert [each.picture for each in found] == [0] * len(ALONE)
    np.testing.assert_allclose(sorted(each.centre for each in found), sorted(ALONE), atol=0.3)
    for each in found:
        assert each.area == pytest.approx(np.pi * (DIAMETER / 2) ** 2, rel=0.1)
        middle = ndimage.center_of_mass(each.mask)
        np.testing.assert_allclose(middle, (WINDOW / 2, WINDOW / 2), atol=0.1)
        assert each.light[WINDOW // 2, WINDOW // 2] == pytest.approx(1, abs=0.1)


def test_a_large_round_thing_is_lone_and_two_on_each_other_are_not():
    usual = [(20.0 + 40 * i, 20.0 + 40 * j) for i in range(4) for j in range(3)]
    for large, number in (([(100.0, 155.0)], 13), ([(94.0, 155.0), (106.0, 155.0)], 12)):
        radius = 15.5 if len(large) == 1 else 12
        found = lone_objects([np.maximum(discs(192, usual), discs(192, large, radius))])
        assert len(found) == number
    assert max(each.area for each in lone_objects([discs(96, [(48.0, 48.0)], 15.5)])) > 2.9 * AREA
    assert lone_objects([discs(96, [(48.0, 48.0)], 17.5)]) == []


def test_bare_ground_holds_no_object_and_keeps_its_noise(picture):
    ground = bare(picture, np.random.default_rng(0))
    assert ground.max() < 0.15
    assert ground.std() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("which", range(8))
def test_a_sure_crop_that_is_turned_has_its_truth_turned_with_it(which):
    centres = np.array([[20.0, 31.0], [70.0, 80.0]])
    pixels, known = discs(CROP, centres), np.zeros((CROP // CELL, CROP // CELL), bool)
    known[3, 5] = True  # the cell of the first
    turned = turned_sure(pixels, centres, known, which)
    places = np.argwhere(turned.targets[..., 0] > 0)
    assert len(places) == 2
    for cell in places:
        row, column = (cell + 0.5 + turned.targets[tuple(cell)][1:]) * CELL
        window = turned.pixels[int(row) - 8 : int(row) + 9, int(column) - 8 : int(column) + 9]
        assert window.min() > 0 or window.mean() > 0.7
    assert turned.known.sum() == 1
    assert turned.targets[..., 0][turned.known > 0] == 1


def test_sure_crops_know_nothing_near_what_is_not_alone(picture):
    crops = sure_crops(picture, np.array(ALONE), 40, np.random.default_rng(1))
    assert len(crops) == 40
    for each in crops:
        bright = each.pixels.reshape(CROP // CELL, CELL, CROP // CELL, CELL).mean((1, 3)) > 0.5
        # a bright cell that is known is within reach of a lone object's centre
        reach = ndimage.binary_dilation(each.targets[..., 0] > 0, np.ones((5, 5)))
        assert not (bright & (each.known > 0) & ~reach).any()
        assert not each.known[0].any()


def test_a_composed_scene_is_a_pure_function_of_its_key(bank):
    one = jax.jit(example)
    image, labels = one(bank, jr.key(3))
    again, truth = one(bank, jr.key(3))
    assert np.array_equal(image, again)
    assert np.array_equal(labels, truth)
    assert not np.array_equal(image, one(bank, jr.key(4))[0])


def test_only_where_light_adds_is_anything_brighter_than_objects(bank):
    draw, keys = jax.jit(composed), [jr.key(seed) for seed in range(30)]
    adding = eqx.tree_at(lambda b: b.adds, bank, jnp.array(True))
    brightest = {
        adds: max(float(draw(own, key)[0].max()) for key in keys)
        for adds, own in ((False, bank), (True, adding))
    }
    assert brightest[True] > 1.3 * brightest[False]


def test_where_truth_says_so_is_an_object_and_where_it_is_dark_none(bank):
    draw = jax.jit(composed)
    seen = 0
    for seed in range(40):
        image, labels = map(np.asarray, draw(bank, jr.key(seed)))
        cells = np.argwhere(labels[..., 0] > 0)
        seen += len(cells)
        for cell in cells:
            row, column = ((cell + 0.5 + labels[tuple(cell)][1:3]) * CELL).clip(0, CROP - 1).astype(int)
            near = image[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
            assert near.max() > 0.3
        assert (labels[..., 3] == 1).all()
        # bright components without any centre in them are slivers too small to count
        bright, number = ndimage.label(image > 0.6)
        named = {
            bright[tuple(((c + 0.5 + labels[tuple(c)][1:3]) * CELL).clip(0, CROP - 1).astype(int))]
            for c in cells
        }
        for component in set(range(1, number + 1)) - named:
            assert (bright == component).sum() < 0.35 * np.asarray(bank.mask).sum((1, 2)).max()
    assert seen > 200


def test_a_hidden_object_does_not_count(bank, monkeypatch):
    def same_place(bank, key):
        places = jnp.full((MOST, 2), CROP // 2)
        return jnp.zeros(MOST, int), places, jnp.zeros(MOST).at[:2].set(1), jnp.array(2)

    monkeypatch.setattr(compose, "placed", same_place)
    _, labels = composed(bank, jr.key(0))
    assert labels[..., 0].sum() == 1


@pytest.mark.parametrize(("adds", "counts"), [(False, 1), (True, 2)])
def test_where_light_adds_nothing_hides(bank, monkeypatch, adds, counts):
    def near(bank, key):
        places = jnp.full((MOST, 2), CROP // 2 - 1).at[1, 0].add(4)  # in another cell
        return jnp.zeros(MOST, int), places, jnp.zeros(MOST).at[:2].set(1), jnp.array(2)

    monkeypatch.setattr(compose, "placed", near)
    _, labels = composed(eqx.tree_at(lambda b: b.adds, bank, jnp.array(adds)), jr.key(0))
    assert labels[..., 0].sum() == counts


@pytest.mark.parametrize(("column", "counts"), [(-7, 1), (-20, 0), (CROP + 6, 1), (CROP + 20, 0)])
def test_a_sliver_of_a_cut_object_counts_at_the_middle_of_what_is_seen(bank, monkeypatch, column, counts):
    def beyond(bank, key):
        places = jnp.full((MOST, 2), CROP // 2).at[:, 1].set(column)
        return jnp.zeros(MOST, int), places, jnp.zeros(MOST).at[0].set(1), jnp.array(1)

    monkeypatch.setattr(compose, "placed", beyond)
    _, labels = composed(bank, jr.key(0))
    cells = np.argwhere(np.asarray(labels[..., 0]) > 0)
    assert len(cells) == counts
    if counts:
        assert cells[0][1] == (0 if column < 0 else CROP // CELL - 1)


def test_objects_lie_no_deeper_in_each_other_than_they_may(bank):
    draw = jax.jit(placed)
    for seed in range(20):
        which, places, there, number = draw(bank, jr.key(seed))
        on = np.flatnonzero(np.asarray(there))
        assert len(on) <= int(number)
        radius = np.asarray(bank.extent)[np.asarray(which)].mean(-1)[on]
        gaps = np.linalg.norm(np.asarray(places)[on][:, None] - np.asarray(places)[on], axis=-1)
        limit = compose.DEEPEST * (radius[:, None] + radius) - 1.5  # places are whole pixels
        assert (gaps + 1e9 * np.eye(len(on)) >= limit).all()


def test_labels_and_targets_say_the_same():
    centres = np.array([[3.0, 3.0], [50.5, 95.9], [20.0, 60.0]])
    labels = labels_of(jnp.asarray(centres, jnp.float32), jnp.array([True, True, False]))
    np.testing.assert_allclose(labels[..., :3], targets_of(centres[:2]), atol=1e-5)


def test_variants_are_turned_scaled_and_flipped_and_stay_in_the_middle(picture):
    objects = lone_objects([picture])
    rng = np.random.default_rng(0)
    masks = [mask for _, _, mask in variants(objects, 50, rng)]
    areas = [mask.sum() for mask in masks]
    assert np.std(np.log(areas)) == pytest.approx(2 * compose.SIZES, rel=0.4)
    middles = np.array([ndimage.center_of_mass(mask) for mask in masks])
    assert np.abs(middles - WINDOW / 2).max() < 0.6

"""Dots: what usually goes with number does not go with it here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize.core.errors import UsageError
from subitize.scenes import Dots
from subitize.scenes.painting import Layers

COUNTS, SCENES_DRAWN = (0, 1, 2, 5), 400


def scenes_of(dataset, number=SCENES_DRAWN):
    """The first scenes of seed 0."""
    scene = dataset.batch(0, jnp.arange(number))
    return jax.tree.map(np.asarray, scene)


@pytest.fixture(scope="module")
def drawn():
    return scenes_of(Dots(counts=COUNTS))


def some(scene):
    """Scenes that are not empty: their counts, and images."""
    return scene.count[scene.count > 0], scene.image[scene.count > 0, ..., 0]


def test_area_is_independent_of_number(drawn):
    count, image = some(drawn)
    area = image.sum((1, 2)) / image[0].size
    assert area.min() > 0.9 * 0.03
    assert area.max() < 1.1 * 0.09
    assert abs(np.corrcoef(np.log(area), count)[0, 1]) < 4 / len(count) ** 0.5


def test_equal_factors_of_area_are_as_frequent(drawn):
    _, image = some(drawn)
    share = np.log(image.mean((1, 2)) / 0.03) / np.log(0.09 / 0.03)
    assert abs(share.mean() - 0.5) < 4 * (1 / 12 / len(share)) ** 0.5


def test_the_objects_of_a_scene_share_its_area(drawn):
    sides = drawn.boxes[drawn.count == 5]
    area = (sides[..., 2] - sides[..., 0]) * (sides[..., 3] - sides[..., 1])
    assert np.all(area.max(1) < 5 * area.min(1)), "shapes fill their boxes from 0.43 to 1"


def test_a_texture_hides_what_brightness_would_tell(drawn):
    scene = scenes_of(Dots(counts=COUNTS, ground="texture"))
    for field in ("count", "boxes", "labels"):
        np.testing.assert_array_equal(getattr(scene, field), getattr(drawn, field))
    count, image = some(scene)
    assert image.min() >= 0
    assert image.max() <= 1
    assert abs(np.corrcoef(image.mean((1, 2)), count)[0, 1]) < 4 / len(count) ** 0.5
    apart = []
    for picture, plain in zip(image, some(drawn)[1], strict=True):
        apart.append(picture[plain > 0.99].mean() - picture[plain == 0].mean())
    assert np.quantile(np.abs(apart), 0.05) > 0.15, "what cannot be seen cannot be counted"
    assert abs(np.mean(np.sign(apart))) < 4 / len(apart) ** 0.5, "brighter as often as darker"


def test_objects_have_a_texture_of_their_own():
    dataset = Dots(canvas=64, ground="texture")
    ink = jnp.zeros((2, 1, 64, 64), jnp.float32).at[1].set(1.0)
    ground, objects = (
        dataset.cut_out(
            Layers(ink, jnp.zeros((1, 2), jnp.int32), jnp.ones((1, 1), jnp.float32), jnp.array([0])),
            jax.random.key(0),
        )
        for ink in ink
    )
    assert np.std(objects - ground) > 0.1


def test_fields_lie_all_over_the_canvas():
    dataset = Dots(counts=(1,), area=(0.01, 0.02), field=(0.4, 0.5))
    boxes = scenes_of(dataset, 2000).boxes[:, 0]
    assert (boxes[:, :2].min(0) <= 1).all()
    assert (boxes[:, 2:].max(0) >= 63).all()


def test_training_and_held_out_scenes_share_neither_ground_nor_places():
    train, test = (scenes_of(Dots(split, ground="texture"), 24).image for split in ("train", "test"))
    for a, b in zip(train, test, strict=True):
        assert np.mean(np.isclose(a, b, atol=1e-3)) < 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"area": (0.2, 0.1)}, "pair of shares"),
        ({"area": (0.1,)}, "pair of shares"),
        ({"area": (0.5, 1.5)}, "pair of shares"),
        ({"area": (0.5, 0.9)}, "no room"),
        ({"field": (0.1, 1.0)}, "no room"),
        ({"ground": "grass"}, "ground"),
        ({"area": (1e-6, 1e-5)}, "too small"),
        ({"counts": (60,)}, "too small"),
        ({"jitter": 3}, "0 to 0.2"),
        ({"channels": 2}, "channels"),
        ({"counts": (-1,)}, "whole numbers"),
    ],
)
def test_impossible_wishes_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Dots(**options)


def test_nothing_sticks_out_of_a_field_as_large_as_the_canvas():
    """A star is less wide than high, and may need one row more than columns."""
    dataset = Dots(counts=(1,), field=(1.0, 1.0))
    root = jax.random.key(0)
    pieces = jax.jit(jax.vmap(lambda i: dataset.layers(jax.random.fold_in(root, i))))(jnp.arange(4000))
    ink, corners = np.asarray(pieces.ink[:, 0]), np.asarray(pieces.corners[:, 0])
    ends = [np.nonzero((ink > 0).any(axis)) for axis in (2, 1)]
    for end, corner, size in zip(ends, corners.T, (dataset.height, dataset.width), strict=True):
        last = np.zeros(len(ink), int)
        np.maximum.at(last, *end)
        assert (corner + last).max() == size - 1, "as far as the edge, and no further"

"""Laws that every family of scenes keeps: being listed in SCENES is being tested here."""

import gzip
import json
import struct

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits

from subitize.scenes import SCENES, load
from subitize.scenes.base import scenes_of
from subitize.scenes.painting import INK, SLACK, conflict, one_scene_after_another, reject_overlaps
from subitize.scenes.sprites import SHAPES

CASES = {
    "mnist": {},
    "digits": {},
    "digits many": {"counts": (1, 3, 4), "canvas": (64, 72)},
    "digits colour": {"channels": 3, "counts": (0, 1), "jitter": 0.0},
    "digits overlapping": {"counts": (4,), "overlap": "any"},
    "sprites": {},
    "sprites crowded": {"counts": (4,), "channels": 1},
    "dots": {},
    "dots colour": {"channels": 3, "counts": (1, 7), "canvas": (60, 72), "jitter": 0.2},
}
SCENES_DRAWN = 400


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a small MNIST of other numbers than the real one, so that no test needs a download."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("t10k", 20)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 4:24, 6:22] = rng.integers(0, 256, (n, 20, 16))
        labels = rng.integers(0, 10, n).astype(np.uint8)
        for name, values in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (folder / "mnist" / f"{name}.gz").write_bytes(gzip.compress(header + values.tobytes()))
    return folder


@pytest.fixture(autouse=True)
def found(data, monkeypatch):
    monkeypatch.setenv("SUBITIZE_DATA", str(data))


def build(case, split="train"):
    return load(case.split()[0], split, **CASES[case])


def keys(n):
    """Those of the first n scenes of seed 1."""
    return jax.vmap(lambda index: jr.fold_in(jr.key(1), index))(jnp.arange(n))


@jax.jit
def place_objects(scenes, keys):
    return jax.vmap(scenes.layers)(keys)


@jax.jit
def take_apart(scenes, keys):
    pieces = place_objects(scenes, keys)
    return pieces, jax.vmap(scenes.paint)(pieces)


@pytest.fixture(scope="module")
def drawn(data):
    """Pieces and scenes of each case, drawn once for all the laws."""
    kept = {}

    def drawn(case):
        if case not in kept:
            scenes = build(case)
            kept[case] = scenes, *jax.tree.map(np.asarray, take_apart(scenes, keys(SCENES_DRAWN)))
        return kept[case]

    return drawn


def test_every_family_is_here():
    assert {case.split()[0] for case in CASES} == set(SCENES)


@pytest.mark.parametrize("family", SCENES)
def test_scene_i_of_seed_s_is_the_same_in_whatever_batch(drawn, family):
    scenes, _, whole = drawn(family)
    some = scenes.batch(1, np.array([12, 3, 5, 399]))
    for row, index in enumerate((12, 3, 5, 399)):
        for a, b in zip(some, whole, strict=True):
            np.testing.assert_allclose(a[row], b[index], atol=1e-5)
    assert not np.allclose(scenes.batch(2, np.array([12, 3, 5, 399])).image, some.image)


def test_one_program_draws_every_seed(drawn):
    scenes, _, _ = drawn("sprites")
    first, other = (scenes_of.program.lower(scenes, seed, np.arange(2)).as_text() for seed in (0, 2**31 - 1))
    assert first == other


def test_jit_and_batching_change_nothing(drawn):
    scenes, _, whole = drawn("sprites")
    alone = scenes.scene(jr.fold_in(jr.key(1), 7))
    for a, b in zip(alone, whole, strict=True):
        np.testing.assert_allclose(a, b[7], atol=1e-5)
        assert a.dtype == b.dtype


def test_scenes_thrown_in_step_and_one_after_another_are_the_same():
    """A processor throws for one scene after another, other devices for all at once."""
    ink = jnp.ones((4, 6, 6), jnp.float32)
    room = jnp.full((4, 2), 12, jnp.int32)  # on a canvas of 17 x 17
    in_step = jax.vmap(reject_overlaps, (0, None, None))(keys(50), ink, room)
    np.testing.assert_array_equal(
        jax.vmap(one_scene_after_another, (0, None, None))(keys(50), ink, room), in_step
    )
    apart = np.abs(in_step[:, :, None] - in_step[:, None]).max(-1) >= 6
    assert (apart | np.eye(4, dtype=bool)).all(), "none overlap"


@pytest.mark.parametrize("case", CASES)
def test_the_scene_is_what_its_shapes_promise(drawn, case):
    scenes, _, scene = drawn(case)
    objects = max(scenes.counts)
    assert scene.image.shape == (SCENES_DRAWN, scenes.height, scenes.width, scenes.channels)
    assert scene.count.shape == (SCENES_DRAWN,)
    assert scene.boxes.shape == (SCENES_DRAWN, objects, 4)
    assert scene.labels.shape == (SCENES_DRAWN, objects)
    assert [field.dtype for field in scene] == ["float32", "int32", "float32", "int32"]
    assert scenes.has_truth
    assert scene.image.min() == 0
    assert 0.9 < scene.image.max() <= 1


@pytest.mark.parametrize("case", CASES)
def test_a_scene_knows_its_own_count(drawn, case):
    _, _, scene = drawn(case)
    widths, heights = (scene.boxes[..., 2:] - scene.boxes[..., :2]).transpose(2, 0, 1)
    present = (widths > 0) & (heights > 0)
    np.testing.assert_array_equal(present.sum(1), scene.count)
    np.testing.assert_array_equal(scene.labels >= 0, present)
    np.testing.assert_array_equal(scene.boxes[~present], 0)
    np.testing.assert_array_equal(scene.image.max((1, 2, 3)) > 0, scene.count > 0)


def test_conflict_is_what_is_too_bright_under_an_object_and_those_before_it():
    """Painted on the canvas, one after the other, and measured through each object's own window."""
    rng = np.random.default_rng(0)
    ink = rng.uniform(0, 1, (5, 4, 4)) * (rng.uniform(size=(5, 4, 4)) < 0.8)
    corners = np.array([[2, 2], [3, 2], [9, 9], [3, 3], [2, 4]])  # one after the other, and apart
    canvas, expected = np.zeros((16, 16)), []
    for object, (y, x) in zip(ink, corners, strict=True):
        canvas[y : y + 4, x : x + 4] += object
        excess = np.maximum(canvas[y : y + 4, x : x + 4] - 1 - SLACK, 0)
        expected.append((excess * (object > 0)).sum())
    assert np.count_nonzero(expected) == 3
    np.testing.assert_allclose(
        conflict(jnp.asarray(ink), jnp.asarray(corners, jnp.int32)), expected, atol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_counts_and_labels_are_equally_frequent(drawn, case):
    scenes, _, scene = drawn(case)
    seen = [np.sum(scene.count == c) for c in scenes.counts]
    assert sum(seen) == SCENES_DRAWN, "a count occurs that was not asked for"
    assert len(seen) == 1 or stats.chisquare(seen).pvalue > 1e-4
    if case.startswith("sprites"):
        labels = scene.labels[scene.labels >= 0]
        assert stats.chisquare(np.bincount(labels, minlength=len(SHAPES))).pvalue > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_the_image_is_its_pieces_and_each_box_fits_its_ink(drawn, case):
    """Painted again by NumPy slices: image, sum rule and boxes must agree, and nothing may stick out."""
    scenes, pieces, scene = drawn(case)
    height, width, window = scenes.height, scenes.width, pieces.ink.shape[-1]
    most = 0.0
    for index in range(120):
        image, total = np.zeros((height, width, scenes.channels)), np.zeros((height, width))
        for ink, (top, left), colour, box in zip(
            *(p[index] for p in pieces[:3]), scene.boxes[index], strict=True
        ):
            layer = np.zeros((height + window, width + window))
            layer[top : top + window, left : left + window] = ink
            assert layer[height:].max() == layer[:, width:].max() == 0, "ink sticks out of the canvas"
            layer = layer[:height, :width]
            image, total = image + layer[..., None] * colour, total + layer
            if ink.max() > 0:
                rows, columns = np.nonzero(layer > INK)
                expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                np.testing.assert_array_equal(box, expected)
        most = max(most, total.max())
        np.testing.assert_allclose(scene.image[index], np.clip(image, 0, 1), atol=1e-5)
    if scenes.layout.overlap == "none":
        assert most <= 1 + 2e-4
    else:
        assert most > 1.5, "of so many objects thrown anywhere some must overlap"


@pytest.mark.parametrize("case", ["mnist", "digits", "sprites"])
def test_places_are_uniform_where_nothing_is_in_the_way(drawn, case):
    """Of a lone object, the share of the free way that is left of it is uniform, and so above it."""
    scenes, pieces, scene = drawn(case)
    lone = scene.count == 1
    for axis, length in enumerate((scenes.height, scenes.width)):
        share = pieces.corners[lone, 0, axis] / (length - scenes.layout.size)
        counts, _ = np.histogram(share, bins=[-1, 0.25, 0.5, 0.75, 2])
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("family", SCENES)
def test_training_and_held_out_scenes_of_one_seed_and_number_have_nothing_in_common(drawn, family):
    _, train, scene = drawn(family)
    test = jax.tree.map(np.asarray, place_objects(build(family, split="test"), keys(SCENES_DRAWN)))
    same = (test.labels >= 0).sum(1) == scene.count
    assert 0.1 < same.mean() < 0.5, "as often as by chance"
    assert np.mean((test.corners == train.corners).all((1, 2))[same & (scene.count > 0)]) < 0.05


@pytest.mark.parametrize("family", [name for name in SCENES if name not in ("sprites", "dots")])
def test_training_and_held_out_scenes_share_no_picture(drawn, family):
    train, test = drawn(family)[0], build(family, split="test")
    train, test = ({p.tobytes() for p in np.asarray(part.pictures)} for part in (train, test))
    assert len(train) > 20
    assert len(test) > 10
    assert not train & test


def test_digits_are_split_as_scikit_learn_orders_them():
    source = load_digits()
    train, test = build("digits"), build("digits", split="test")
    np.testing.assert_array_equal(np.concatenate([train.classes, test.classes]), source.target)
    whole = np.concatenate([train.pictures, test.pictures]) / 255
    small = whole[:, 2:26].reshape(-1, 8, 3, 28)[..., 2:26].reshape(-1, 8, 3, 8, 3).mean((2, 4))
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, source.images, strict=True)]
    assert min(likeness) > 0.85


@pytest.mark.parametrize("case", CASES)
def test_options_rebuild_the_world_through_json(case):
    scenes = build(case, split="test")
    again = load(scenes.name, scenes.split, **json.loads(json.dumps(scenes.options())))
    same = jax.tree.map(lambda a, b: np.array_equal(a, b), scenes, again)  # static parts are compared too
    assert all(jax.tree.leaves(same))


@pytest.mark.parametrize("family", ["digits", "sprites"])
def test_sizes_follow_size_and_jitter(family):
    """Twice the size is twice as large; what is drawn fills its side but never exceeds it."""
    longest = {}
    for size in (10.0, 20.0):
        scenes = load(family, counts=(1,), canvas=64, size=size, jitter=0.0)
        boxes = np.asarray(scenes.batch(0, np.arange(60)).boxes)
        longest[size] = (boxes[..., 2:] - boxes[..., :2]).max(-1)
    assert 1.7 < longest[20.0].mean() / longest[10.0].mean() < 2.3
    assert longest[20.0].max() <= 20
    assert longest[20.0].mean() > 10


def test_one_over_the_side_is_normal_about_one_over_the_size():
    """Its relative spread is the jitter; sides by the areas of circles and squares."""
    scenes = load("sprites", counts=(1,), size=12.0, jitter=0.2)
    pieces = place_objects(scenes, keys(4000))
    labels, area = np.asarray(pieces.labels[:, 0]), np.asarray(pieces.ink.sum((1, 2, 3)))
    plain = labels < 2
    sides = np.sqrt(area / np.array([np.pi / 4, 0.85**2])[np.minimum(labels, 1)])[plain]
    errors = (12 / sides - 1) / 0.2
    assert abs(errors.mean()) < 4 / len(errors) ** 0.5
    assert abs(errors.std() - 1) < 4 / (2 * len(errors)) ** 0.5
    assert np.abs(errors).max() < 3.1


def test_an_object_lies_anywhere_on_the_canvas_up_to_its_edges():
    scenes = load("sprites", counts=(1,), canvas=(24, 32), size=10, jitter=0.0)
    rows, columns = np.asarray(place_objects(scenes, keys(1000)).corners[:, 0]).T
    for corners, places in ((rows, 24 - 10 + 1), (columns, 32 - 10 + 1)):
        assert stats.chisquare(np.bincount(corners, minlength=places)).pvalue > 1e-4
        assert set(corners) == set(range(places))


@pytest.mark.parametrize("case", ["digits colour", "sprites", "dots colour"])
def test_colours_are_bright_and_of_any_hue(drawn, case):
    colours = drawn(case)[1].colours.reshape(-1, 3)
    np.testing.assert_allclose(colours.max(1), 1, atol=1e-6)
    assert (colours.min(1) < 0.5 + 1e-6).all()
    assert stats.chisquare(np.bincount(colours.argmax(1), minlength=3)).pvalue > 1e-4

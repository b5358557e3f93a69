"""The catalogue from a folder to a table: what it answers, what it doubts, and what it refuses."""

import contextlib
import csv
import dataclasses
import io
import json
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from subitize.cli import main
from subitize.core.errors import NoInputError, UsageError
from subitize.core.optimizer import Optimizer
from subitize.counter import catalogue_learner, picture_counter
from subitize.counter.catalogue import CatalogueOptions
from subitize.counter.catalogue_answer import (
    boxes_of,
    doubts_of,
    not_outvoted,
    outlines,
    overlooked,
    posterior_of,
)
from subitize.counter.catalogue_learner import diagnosis
from subitize.counter.composed_scenes import MOST, ComposedScenes, composed_scenes, harvested, read_some
from subitize.counter.picture_counter import AbstractPictureCounter, Found
from subitize.counter.watershed import WatershedCounter
from subitize.models.catalogue import normalize
from subitize.models.catalogue.detect import Detected
from subitize.models.catalogue.normalize import DIAMETER, Known, Normalized, Normalizer, components
from subitize.models.catalogue.posterior import Posterior
from subitize.models.catalogue.rivals import segmented
from subitize.models.catalogue.shapes import Shapes
from subitize.training import Recipe

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "write_fields.py"))


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two small pictures with many things."""
    out = tmp_path_factory.mktemp("drawn") / "fields"
    EXAMPLE["write"](out, "touching", 2, seed=3, side=192)
    return out


@pytest.fixture(scope="module")
def counted(folder, tmp_path_factory) -> tuple[Path, int, str]:
    """What one command writes that learns for as good as no time, its exit code, and what it said."""
    out, said = tmp_path_factory.mktemp("counted") / "counts", io.StringIO()
    quick = {"steps": 2, "steps_per_call": 2, "save_every": 2, "eval_every": 2}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said), jax.enable_x64(False):
        patch.setattr(CatalogueOptions, "defaults", CatalogueOptions.defaults | quick)
        code = main(["count", str(folder), "--out", str(out)])
    return out, code, said.getvalue()


def table(out: Path) -> list[dict[str, str]]:
    with (out / "counts.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def discs(places, side: int = 96, radius: float = DIAMETER / 2) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5
    away = [np.hypot(y - row, x - column) for row, column in places]
    return np.max([np.clip(radius - d + 0.5, 0, 1) for d in away], axis=0).astype(np.float32)


def test_one_command_learns_counts_and_keeps_what_it_learned(folder, counted, tmp_path):
    out, code, error = counted
    rows = table(out)
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.glob("*.png"))
    assert code == 8, "two steps are not enough, and it says so"
    assert all("run_failed" in row["reason"] and row["needs_review"] == "true" for row in rows)
    assert all(row["watershed"].isdigit() and row["log"].isdigit() for row in rows)
    assert "lone objects in 2 pictures" in error
    assert "the run says of itself that it failed" in error
    assert main(["count", str(folder), "--model", str(out / "model"), "--out", str(tmp_path / "again")]) == 8
    for name in ("counts.csv", "objects.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_a_count_that_was_stopped_while_learning_goes_on(folder, counted, tmp_path, capsys):
    out = tmp_path / "counts"
    shutil.copytree(counted[0] / "model", out / "model")
    assert main(["count", str(folder), "--out", str(out)]) == 2
    assert "go on with the count in it by --resume" in capsys.readouterr().err
    with pytest.MonkeyPatch.context() as patch:
        recipe = Recipe.from_json((out / "model" / "recipe.json").read_bytes())
        quick = {"steps": 2, "steps_per_call": 2, "save_every": 2, "eval_every": 2}
        patch.setattr(CatalogueOptions, "defaults", CatalogueOptions.defaults | quick)
        assert main(["count", str(folder), "--out", str(out), "--resume"]) == 8
    assert Recipe.from_json((out / "model" / "recipe.json").read_bytes()) == recipe
    assert (out / "counts.csv").read_bytes() == (counted[0] / "counts.csv").read_bytes()


def test_its_own_output_is_not_learned_from(folder, counted, tmp_path):
    pictures = tmp_path / "pictures"
    shutil.copytree(folder, pictures)
    before = harvested(str(pictures), Known(), None)
    shutil.copytree(counted[0], pictures / "counts")
    after = harvested(str(pictures), Known(), None)
    assert after.files == before.files
    assert after.digest == before.digest
    assert after.remarks == (f"left out what subitize wrote: {pictures / 'counts'}",)


def test_pages_are_pictures(folder, counted, tmp_path):
    first, second = (Image.open(path) for path in sorted(folder.glob("*.png")))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    first.save(pictures / "a.tif", save_all=True, append_images=[second])
    assert harvested(str(pictures), Known(), None).files == ("a.tif#1", "a.tif#2")
    rows = {}
    for pages in ("each", "first", "max"):
        words = ["--model", str(counted[0] / "model"), "--pages", pages, "--out", str(tmp_path / pages)]
        main(["count", str(pictures), *words])
        rows[pages] = table(tmp_path / pages)
    assert [row["file"] for row in rows["each"]] == ["a.tif#1", "a.tif#2"]
    known = [row["count"] for row in table(counted[0])]
    assert [row["count"] for row in rows["each"]] == known
    assert [(row["file"], row["count"]) for row in rows["first"]] == [("a.tif", known[0])]
    assert "first_of_2_pages" in rows["first"][0]["reason"]
    assert [row["file"] for row in rows["max"]] == ["a.tif"]
    assert "pages" not in rows["max"][0]["reason"]


def test_what_is_measured_is_in_the_recipe(counted):
    model = json.loads((counted[0] / "model" / "recipe.json").read_text())["model"]
    assert model["diameter"] == pytest.approx(19, abs=2.5)
    assert (model["ground"], model["channel"]) == ("dark", "grey")
    assert model["brightness"] == pytest.approx(EXAMPLE["CONTRAST"] * 0.92, rel=0.2)


def test_options_of_a_canvas_and_scenes_that_are_drawn_are_refused(folder):
    with pytest.raises(UsageError, match="takes pictures of any size as they are; `canvas`"):
        Recipe.of("catalogue", scenes=str(folder), canvas=50)
    with pytest.raises(UsageError, match="'digits' is none"):
        Recipe.of("catalogue", scenes="digits").scenes("train")


def test_a_folder_without_lone_objects_is_refused(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((64, 64), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(NoInputError, match=r"must lie alone.* on a dark ground, about \d+ pixels across"):
        composed_scenes(str(tmp_path), "train", Known(), None)
    with pytest.raises(NoInputError, match=r"on a bright ground, about 9 pixels"):
        composed_scenes(str(tmp_path), "train", Known(diameter=9.0, dark=True), None)


@pytest.mark.parametrize(
    ("pixels", "read"), [(100, MOST), (10_000, MOST), (90_000, 45), (1_000_000, 40), (9_000_000, 5)]
)
def test_of_many_pictures_enough_are_learned_from_spread_over_all(pixels, read, monkeypatch):
    picture = SimpleNamespace(pixels=np.broadcast_to(np.float32(0), (pixels, 1, 1)))
    monkeypatch.setattr("subitize.counter.composed_scenes.read_picture", lambda file: picture)
    names = [f"{i}.png" for i in range(1000)]
    pictures, skipped = read_some([(Path(name), name) for name in names])
    chosen = [names.index(name) for name in pictures]
    assert (len(chosen), skipped) == (read, ())
    assert chosen == sorted(chosen)
    assert max(np.diff([-1, *chosen, 1000])) <= 2.1 * 1000 / read
    few, _ = read_some([(Path(name), name) for name in names[:3]])
    assert list(few) == names[:3]


@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_the_count_is_the_mode_and_its_spread_is_that_of_catalogues_and_rivals(count):
    sure = posterior_of(count, np.array([count]), (count, count))
    assert sure.argmax() == count
    assert sure.sum() == pytest.approx(1)
    assert sure[count] > 0.99
    unsure = posterior_of(count, np.array([count, count + 4]), (count + 3, count))
    numbers = np.arange(len(unsure))
    variance = unsure @ (numbers - unsure @ numbers) ** 2
    if count > 20:
        assert variance == pytest.approx(4 + np.var((count, count + 3, count)) + 1 / 12, rel=0.02)
    assert unsure.argmax() == count
    assert unsure.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("rivals", "kept"),
    [
        ((100, 230), (100,)),
        ((119, 40), (119,)),
        ((100, 149), (100, 149)),  # off, but not far off
        ((125, 230), (125, 230)),  # none agrees
        ((40, 45), (40, 45)),
    ],
)
def test_a_rival_that_is_far_off_is_outvoted_if_the_other_agrees(rivals, kept):
    assert not_outvoted(100, rivals) == kept


def test_boxes_are_those_of_discs():
    places = np.array([[20.0, 30.0], [60.0, 25.0], [60.0, 70.0]])
    boxes = boxes_of(outlines(discs(places), places), places)
    r = DIAMETER / 2
    wanted = [[column - r, row - r, column + r, row + r] for row, column in places]
    np.testing.assert_allclose(boxes, wanted, atol=1.01)
    dark = boxes_of(np.zeros((48, 48), int), np.array([[20.0, 24.0]]))
    assert (dark[:, 2:] - dark[:, :2] <= DIAMETER).all()
    assert boxes_of(np.zeros((48, 48), int), np.zeros((0, 2))).shape == (0, 4)


GREY, PLAIN = np.linspace(0, 1, 16).reshape(4, 4), Normalized(np.zeros((12, 12)), np.ones(2))


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({}, ()),
        ({"rivals": (13, 13)}, ("rivals_disagree",)),
        ({"rivals": (7, 8, 9)}, ()),
        ({"rivals": (7, 13)}, ()),
        ({"rivals": (7, 7)}, ("rivals_disagree",)),
        ({"rivals": (12, 12)}, ()),
        ({"posterior": np.full(21, 1 / 21) + 1e-6 * (np.arange(21) == 10)}, ("low_confidence",)),
        ({"normal": PLAIN._replace(pixels=np.ones((12, 12)))}, ("too_dense",)),
        ({"normal": PLAIN._replace(unlike="fainter")}, ("fainter",)),
        ({"grey": np.full((4, 4), 0.3)}, ()),
        ({"grey": np.full((4, 4), 0.3), "posterior": np.eye(4)[0], "rivals": (0, 0)}, ("blank",)),
        ({"grey": np.full((4, 4), 0.3), "normal": PLAIN._replace(unlike="fainter")}, ("fainter",)),
    ],
)
def test_each_doubt_has_its_reason(changed, codes):
    usual = {"grey": GREY, "normal": PLAIN, "posterior": np.eye(21)[10], "rivals": (10, 10)}
    assert doubts_of(**(usual | changed)) == codes


def test_an_empty_answer_says_if_it_looked_the_wrong_way():
    normalizer = Normalizer(diameter=float(DIAMETER), dark=False, brightness=0.5)
    things = 0.5 * discs([(30.0, 40.0), (70.0, 60.0)])
    empty = np.full((96, 96), 0.3, np.float32)
    assert overlooked(empty[..., None], "grey", normalizer) == ()
    assert overlooked((0.8 - things)[..., None], "grey", normalizer) == ("other_ground",)
    assert overlooked(np.stack([empty, empty, 0.2 + things], -1), "red", normalizer) == ("colour_lost",)
    assert overlooked(np.stack([empty, empty, empty], -1), "red", normalizer) == ()


def test_a_run_that_doubles_or_misses_lone_objects_says_that_it_failed(folder, monkeypatch):
    harvest = harvested(str(folder), Known(), None)
    scenes = ComposedScenes(harvest, str(folder), "train")
    lone = [np.array([o.centre for o in harvest.objects if o.picture == i]) for i in range(2)]
    number = len(harvest.objects)

    def told(change):
        def detect(params, pixels):
            own = lone[0] if pixels is harvest.pictures[0] else lone[1]
            return Detected(change(own), np.ones(len(change(own))), np.zeros(1))

        monkeypatch.setattr(catalogue_learner, "detect", detect)
        return diagnosis(Posterior(key=jax.random.key(0)), scenes)

    few = ["few_examples"] if number < 15 else []
    found = told(lambda own: own)
    assert 0.5 < found.pop("alike") < 1
    assert found.pop("other_size") < 0.05
    assert found == {"lone_objects": number, "doubled": 0, "missed": 0, "flags": few}
    assert told(lambda own: np.concatenate([own, own + 1]))["doubled"] == 1
    assert told(lambda own: own[1:])["missed"] == pytest.approx(2 / number)
    assert "run_failed" in told(lambda own: own[:0])["flags"]
    monkeypatch.setitem(harvest.__dict__, "shapes", Shapes(9.0, 0.3, 0.2, 0.1))
    assert {"shapes_differ", "sizes_differ"} <= set(told(lambda own: own)["flags"])


@pytest.mark.parametrize(
    ("wrong", "number", "failed"),
    [(0, 400, False), (8, 157, False), (14, 157, True), (40, 157, True), (2, 12, False), (3, 12, True)],
)
def test_a_run_failed_if_chance_hardly_makes_so_many_lone_objects_wrong(wrong, number, failed):
    assert catalogue_learner.too_many(wrong, number) == failed


def test_options_stay_quick_to_import_and_derive_nothing_twice(folder):
    usual = CatalogueOptions()
    recipe = Recipe.of("catalogue", scenes=str(folder))
    scenes = recipe.scenes("train")
    derived, _ = usual.derived(recipe.data, scenes, 0, lambda row: None)
    again, _ = derived.derived(recipe.data, scenes, 0, lambda row: None)
    assert derived == again
    assert None not in dataclasses.astuple(derived)


def test_what_was_measured_is_not_measured_again_and_gives_the_same(folder):
    first = harvested(str(folder), Known(), None)
    assert harvested(str(folder), first.known, first.channel) is first
    assert harvested(str(folder), Known(), None) is first
    larger = harvested(str(folder), Known(diameter=1.2 * first.normalizer.diameter), None)
    assert larger.digest != first.digest
    again = harvested(str(folder), first.known, first.channel)
    assert again is not first
    assert again.digest == first.digest
    for one, other in zip(first.objects, again.objects, strict=True):
        np.testing.assert_array_equal(one.light, other.light)


def test_held_out_scenes_are_other_scenes_and_seeds_are_too(folder):
    recipe = Recipe.of("catalogue", scenes=str(folder))
    numbers = jax.numpy.arange(3)
    train, test = (recipe.scenes(split).examples(0, numbers).image for split in ("train", "test"))
    other = recipe.scenes("train").examples(1, numbers).image
    assert np.array_equal(train, recipe.scenes("train").examples(0, numbers).image)
    assert not np.array_equal(train, test)
    assert not np.array_equal(train, other)


def test_scenes_of_a_batch_are_the_examples_of_the_same_numbers(folder):
    dataset = Recipe.of("catalogue", scenes=str(folder)).scenes("test")
    numbers = jax.numpy.array([3, 1, 8])
    seen, examples = dataset.batch(5, numbers), dataset.examples(5, numbers)
    assert np.array_equal(seen.image, examples.image)
    assert (np.asarray(seen.count) == -1).all()


def test_a_model_counts_on_when_its_folder_is_gone(folder, counted, tmp_path):
    gone = tmp_path / "run"
    shutil.copytree(counted[0] / "model", gone)
    moved = tmp_path / "moved"
    folder.rename(moved)
    try:
        assert main(["count", str(moved), "--model", str(gone), "--out", str(tmp_path / "counts")]) == 8
    finally:
        moved.rename(folder)
    assert len(table(tmp_path / "counts")) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["count", "digits"], 3, "There is no file or folder digits"),
        (["count", "a.png"], 2, "learns from the folder that it counts; a.png is a file"),
        (["train", "--model", "catalogue"], 2, "'digits' is none"),
    ],
)
def test_what_cannot_be_learned_from_is_told(words, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    assert main([*words, "--out", str(tmp_path / "out")]) == code
    assert said in capsys.readouterr().err


def test_a_folder_that_is_called_like_a_world_is_a_folder(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "dots")
    heard = []

    def train(recipe, *_, **__):
        heard.append(recipe)
        raise UsageError("enough")

    monkeypatch.setattr("subitize.training.train", train)
    assert main(["count", "dots", "--out", str(tmp_path / "out")]) == 2
    assert (heard[0].name, heard[0].data.scenes) == ("catalogue", str(tmp_path / "dots"))


def test_a_count_that_is_finished_or_of_another_model_learns_nothing(folder, counted, tmp_path, capsys):
    done = tmp_path / "done"
    shutil.copytree(counted[0], done)
    assert main(["count", str(folder), "--out", str(done), "--resume"]) == 2
    assert "is finished" in capsys.readouterr().err
    (done / "counts.csv").rename(done / "counts.csv.partial")
    shutil.rmtree(done / "model")
    assert main(["count", str(folder), "--out", str(done), "--resume"]) == 2
    assert "Give it by --model" in capsys.readouterr().err


def test_an_artefact_that_outshines_the_objects_is_a_reason():
    normalizer = Normalizer(diameter=float(DIAMETER), dark=False, brightness=0.1)
    objects = discs([(30.0, 30.0), (30.0, 70.0), (70.0, 30.0)])
    dust = discs([(70.0, 70.0)])
    assert normalizer(0.1 * objects).unlike == ""
    assert normalizer(0.1 * objects + dust).unlike == "brighter"
    assert normalizer(0.02 * objects).unlike == "fainter"
    hidden = normalizer(0.1 * objects + dust)
    assert "brighter" in doubts_of(0.1 * objects + dust, hidden, np.array([0.0, 1.0]), (1, 1))


def ring() -> tuple[np.ndarray, np.ndarray]:
    """Eight discs in a ring, which hold each other's hands, and their centres."""
    angles = 2 * np.pi * np.arange(8) / 8
    places = 48 + 23 * np.stack([np.sin(angles), np.cos(angles)], 1)
    return discs(places), places


def test_the_ground_amid_a_ring_of_objects_belongs_to_none():
    pixels, places = ring()
    boxes = boxes_of(outlines(pixels, places), places)
    assert (boxes[:, 2:] - boxes[:, :2] < 1.3 * DIAMETER).all()
    assert (outlines(pixels, places)[44:52, 44:52] == 0).all()


def test_nor_do_rivals_take_it_for_one():
    pixels, places = ring()
    assert segmented(pixels).max() == len(places)


def test_discs_of_different_sizes_are_cut_where_they_touch():
    centres, radii = np.array([(48.0, 40.0), (48.0, 62.0), (29.0, 51.0)]), np.array([15.0, 7, 7])
    y, x = np.mgrid[:96, :96] + 0.5
    powers = np.stack(
        [np.hypot(y - row, x - column) - r for (row, column), r in zip(centres, radii, strict=True)]
    )
    truth = np.where(powers.min(0) < 0, 1 + powers.argmin(0), 0)
    found = outlines((truth > 0).astype(np.float32), centres)
    for label in (1, 2, 3):
        both, either = (truth == label) & (found == label), (truth == label) | (found == label)
        assert both.sum() / either.sum() > 0.9
    wanted = [
        [column - r, row - r, column + r, row + r] for (row, column), r in zip(centres, radii, strict=True)
    ]
    np.testing.assert_allclose(boxes_of(found, centres), wanted, atol=1.6)
    assert (outlines((truth > 0).astype(np.float32), np.zeros((0, 2))) == 0).all()
    beside = np.concatenate([centres, [(48.0, 21.5)]])  # a centre on the ground takes nothing from the discs
    with_it = outlines((truth > 0).astype(np.float32), beside)
    np.testing.assert_array_equal(np.where(with_it == 4, 0, with_it), np.where(with_it == 4, 0, found))
    assert (with_it == 4).sum() == 1


def test_a_small_thing_beside_a_large_one_keeps_its_seed():
    y, x = np.mgrid[:96, :96]
    pixels = ((np.hypot(y - 48, x - 48) < 9) | ((abs(x - 60.5) < 1.5) & (abs(y - 48) < 6))).astype(np.float32)
    assert components(pixels, blur=1.0)[1] == 2
    assert segmented(pixels).max() == 2


def test_a_hole_in_an_object_is_filled():
    pixels = discs([(48.0, 48.0)])
    pixels[46:50, 46:50] = 0
    assert segmented(pixels).max() == 1
    assert outlines(pixels, np.array([[40.5, 48.0]]))[48, 48] == 1


def test_too_small_a_sliver_at_the_border_is_no_object(monkeypatch):
    pixels = discs([(48.0, 48.0)])
    pixels[94:, 30:35] = pixels[:3, 60:63] = 1  # ten pixels show of one at the border, nine of another
    centres = np.array([(0.5, 61.5), (95.5, 32.5), (48.5, 48.5), (40.0, 93.0), (30.0, 80.0)])
    named = np.array([0.9, 0.8, 1.0, 0.7, 0.6])  # and two are on the ground, the last far from the border
    monkeypatch.setattr(catalogue_learner, "detect", lambda *_: Detected(centres, named, np.array([5])))
    monkeypatch.setattr(normalize, "threshold_otsu", lambda smooth: 0.5)
    monkeypatch.setattr(normalize.ndimage, "gaussian_filter", lambda pixels, sigma: pixels)
    options = CatalogueOptions(float(DIAMETER), "dark", "grey", 0.5)
    learner = catalogue_learner.catalogue_learner(options, Optimizer(), 1)
    found = learner.find(Posterior(key=jax.random.key(0)), pixels)
    np.testing.assert_array_equal(found.named, named[[1, 2, 4]])
    np.testing.assert_array_equal(found.boxes[0], [30, 94, 35, 96])
    np.testing.assert_array_equal(np.unique(found.labels), [0, 1, 2, 3])
    assert [found.labels[95, 32], found.labels[48, 48], found.labels[30, 80]] == [1, 2, 3]
    assert found.labels[1, 61] == found.labels[40, 93] == 0


@pytest.mark.parametrize(("edge", "kept"), [("count", "abcde"), ("half", "abd"), ("skip", "a")])
def test_what_the_border_cuts_counts_by_the_rule(edge, kept):
    places = {
        "a": (48.0, 48.0),
        "b": (2.0, 30.0),  # cut above,
        "c": (94.0, 48.0),  # below,
        "d": (48.0, 2.0),  # on the left
        "e": (70.0, 94.0),  # and on the right
    }
    centres = np.array(list(places.values()))
    normalizer, pixels = Normalizer(float(DIAMETER), False, 0.5), 0.5 * discs(centres)

    class Counter(AbstractPictureCounter):
        def find(self, params, pixels):
            labels = outlines(pixels, centres)
            return Found(np.linspace(1, 0.5, 5), boxes_of(labels, centres), labels, np.array([5]))

    said = Counter(normalizer=normalizer, channel="grey", edge=edge).answer(None, pixels[..., None])
    assert said.posterior.argmax() == len(kept)
    assert said.rivals == {"watershed": len(kept), "log": len(kept)}
    numbers = [list(places).index(letter) for letter in kept]
    np.testing.assert_allclose(said.scores, np.linspace(1, 0.5, 5)[numbers])
    rows, columns = centres.astype(int).T
    labels = np.zeros(5, int)
    labels[numbers] = 1 + np.arange(len(kept))
    np.testing.assert_array_equal(said.labels[rows, columns], labels)
    assert len(said.boxes) == len(kept) == said.labels.max()
    assert set(np.unique(said.labels)) == set(range(len(kept) + 1))


def test_the_rule_of_the_border_is_in_every_row(folder, counted, tmp_path):
    model = str(counted[0] / "model")
    assert {row["edge"] for row in table(counted[0])} == {"count"}
    main(["count", str(folder), "--model", model, "--out", str(tmp_path / "skip"), "--edge", "skip"])
    rows = table(tmp_path / "skip")
    assert {row["edge"] for row in rows} == {"skip"}
    for before, row in zip(table(counted[0]), rows, strict=True):
        assert int(row["watershed"]) < int(before["watershed"])


def test_the_watershed_alone_counts_at_once_even_where_nothing_lies_alone(folder, counted, tmp_path, capsys):
    assert main(["count", str(folder), "--model", "watershed", "--out", str(tmp_path / "counts")]) == 0
    rows = table(tmp_path / "counts")
    assert [row["count"] for row in rows] == [row["watershed"] for row in rows]
    assert [row["watershed"] for row in rows] == [row["watershed"] for row in table(counted[0])]
    assert {row["model"] for row in rows} == {"watershed"}
    pair = tmp_path / "pair.png"
    Image.fromarray((200 * discs([(40.0, 40.0), (40.0, 54.0)])).astype(np.uint8)).save(pair)
    assert main(["count", str(pair), "--model", "watershed", "--out", str(tmp_path / "one")]) == 0
    assert table(tmp_path / "one")[0]["count"] == "2"
    for edge in ("half", "skip"):  # what is counted obeys the rule as the column does
        words = ["--model", "watershed", "--edge", edge, "--out", str(tmp_path / edge)]
        assert main(["count", str(folder), *words]) == 0
        kept = table(tmp_path / edge)
        assert [row["count"] for row in kept] == [row["watershed"] for row in kept]
        assert sum(int(row["count"]) for row in kept) < sum(int(row["count"]) for row in rows)
    assert main(["count", str(folder), str(pair), "--model", "watershed", "--out", str(tmp_path / "no")]) == 2
    assert "in one folder, or one picture; got 2 paths" in capsys.readouterr().err


def test_the_watershed_is_no_rival_to_itself(monkeypatch):
    pixels = discs([(30.0, 30.0), (30.0, 70.0), (70.0, 30.0)])
    counter = WatershedCounter(normalizer=Normalizer(float(DIAMETER), False, 1.0), channel="grey")
    agreed = counter.answer(None, pixels[..., None])
    assert (int(agreed.posterior.argmax()), agreed.reasons) == (3, ())
    monkeypatch.setattr(picture_counter, "blobs", lambda pixels: np.tile([40.0, 40, 50, 50], (30, 1)))
    doubted = counter.answer(None, pixels[..., None])
    assert (int(doubted.posterior.argmax()), doubted.rivals) == (3, {"watershed": 3, "log": 30})
    assert "rivals_disagree" in doubted.reasons
    assert doubted.posterior.max() < 0.5


def test_where_light_adds_up_classical_methods_are_no_evidence():
    centres = np.array([(48.0, 40.0), (48.0, 46.0), (30.0, 75.0)])  # two of them pass for one
    pixels = 0.3 * sum(discs([centre]) for centre in centres)
    normalizer = Normalizer(float(DIAMETER), False, 0.3)

    class Counter(AbstractPictureCounter):
        def find(self, params, pixels):
            labels = outlines(pixels, centres)
            return Found(np.ones(12), np.tile(boxes_of(labels, centres), (4, 1)), labels, np.array([12]))

    covering = Counter(normalizer=normalizer, channel="grey").answer(None, pixels[..., None])
    adding = Counter(normalizer=normalizer, channel="grey", light="adds").answer(None, pixels[..., None])
    assert adding.rivals == covering.rivals == {"watershed": 2, "log": 2}
    assert "rivals_disagree" in covering.reasons
    assert covering.posterior.max() < 0.5
    assert adding.reasons == ()
    assert adding.posterior.argmax() == 12
    assert adding.posterior.max() > 0.99

    class One(Counter):
        def find(self, params, pixels):
            return Found(np.ones(1), np.array([[9.0, 9, 27, 27]]), np.zeros((96, 96), int), np.ones(1))

    four = 0.3 * discs(np.array([(20.0, 20.0 * k) for k in (1, 2, 3, 4)]))
    below = One(normalizer=normalizer, channel="grey", light="adds").answer(None, four[..., None])
    assert "rivals_disagree" in below.reasons, "more are evidence: light that adds up hides none"
    alone = WatershedCounter(normalizer=normalizer, channel="grey", light="adds")
    assert "light_adds" in alone.answer(None, pixels[..., None]).reasons


def test_by_watershed_a_count_goes_on_in_a_folder_of_that_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["count", str(folder), "--model", "watershed", "--out", "watershed"]
    assert main(words) == 0
    (tmp_path / "watershed" / "counts.csv").rename(tmp_path / "watershed" / "counts.csv.partial")
    assert main([*words, "--resume"]) == 0


def test_verifying_what_learned_nothing_ends_well(folder, tmp_path, capsys):
    for i in range(12):
        shutil.copy(sorted(folder.glob("*.png"))[0], tmp_path / f"{i}.png")
    out = tmp_path / "counts"
    assert main(["count", str(tmp_path), "--model", "watershed", "--out", str(out), "--save", "none"]) == 0
    truth = tmp_path / "truth.csv"
    truth.write_text("file,count\n" + "".join(f"{row['file']},9\n" for row in table(out)))
    assert main(["verify", str(out), "--truth", str(truth)]) == 0
    assert "later counts are not corrected" in capsys.readouterr().err


def test_what_is_saved_beside_the_tables_is_what_was_asked_for(folder, counted, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    first, second = sorted(folder.glob("*.png"))
    shutil.copy(first, pictures / "A.PNG")
    with Image.open(second) as image:
        image.save(pictures / "b.TIF", "TIFF")
    model, every = (
        ["--model", str(counted[0] / "model")],
        {"overlays", "labels", "objects.json", "counts.excel.csv", "report.html"},
    )

    def saved(name: str, *words: str) -> set[str]:
        main(["count", str(pictures), *model, "--out", str(tmp_path / name), *words])
        return every & {path.name for path in (tmp_path / name).iterdir()}

    assert saved("all") == every
    for image in ("overlays/A.PNG", "labels/A.PNG.tif", "overlays/b.TIF.png", "labels/b.TIF"):
        with Image.open(tmp_path / "all" / image) as read:
            assert read.format == ("TIFF" if image.startswith("labels") else "PNG")
    labels = np.asarray(Image.open(tmp_path / "all" / "labels" / "b.TIF"))
    assert labels.max() == int(table(tmp_path / "all")[1]["count"])
    annotations = json.loads((tmp_path / "all" / "objects.json").read_text())["annotations"]
    assert len(annotations) == sum(int(row["count"]) for row in table(tmp_path / "all"))
    double_clicked = (tmp_path / "all" / "counts.excel.csv").read_bytes()
    assert double_clicked == b"\xef\xbb\xbf" + (tmp_path / "all" / "counts.csv").read_bytes()
    assert saved("none", "--save", "none") == set()
    assert saved("some", "--save", "labels", "report") == {"labels", "report.html"}
    assert main(["count", str(pictures), *model, "--out", str(tmp_path / "x"), "--save", "none", "coco"]) == 2
    assert "--save none writes nothing more" in capsys.readouterr().err

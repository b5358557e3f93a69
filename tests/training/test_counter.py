"""From a recipe to a run: sizes from pictures, folders that protect themselves, models on disk."""

import dataclasses
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from PIL import Image

from subitize import scenes
from subitize.core.counts import COUNT_PRIORS
from subitize.core.errors import CheckpointError, NoInputError, UsageError
from subitize.core.words import spoken
from subitize.models.air import AIR, AIRSettings
from subitize.scenes import Digits
from subitize.training import Recipe, counter, open_run, train
from subitize.training.counter import air_learner, claimed, completed, follow, open_folder, settings_for
from subitize.training.health import Signs
from subitize.training.lesson import air_lesson, prior_shift
from subitize.training.loop import first_state, run_chunk
from subitize.training.runs import load_weights, save_weights
from subitize.training.sizes import MARGIN, check_sizes, doubt, window_size

TINY = Recipe(
    scenes="digits", max_objects=2, sums=2, batch=4, steps=4, chunk=2, save_every=2, look_every=2, look_at=40
)
SINGLE = dataclasses.replace(TINY, max_objects=1, sums=0)  # soon compiled


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(TINY, tmp_path_factory.mktemp("runs") / "tiny")


def test_a_run_is_files_that_speak_for_themselves(run):
    names = {path.name for path in run.path.iterdir()}
    files = {"recipe.json", "provenance.json", "records.jsonl", "timings.jsonl", "weights.safetensors"}
    assert files | {"checkpoints"} == {name for name in names if not name.startswith(".")}
    assert Recipe.from_json((run.path / "recipe.json").read_text()) == completed(TINY, Digits("train"))
    rows = run.records()
    assert [row["step"] for row in rows] == [2, 4]
    assert {"elbo", "unseen", "additive", "crowded", "count_accuracy", "attempt"} <= set(rows[0])
    assert "jax" in json.loads((run.path / "provenance.json").read_text())["versions"]


def test_looking_does_not_depend_on_the_company(run):
    images = np.asarray(run.scenes("test").batch(0, jnp.arange(70)).image)
    together = run.look(images)
    alone = [run.look(images[i : i + 1]) for i in (0, 33, 69)]
    for i, look in zip((0, 33, 69), alone, strict=True):
        assert np.array_equal(look.posterior[0], together.posterior[i])
        assert np.array_equal(look.boxes[0], together.boxes[i])


def test_looking_at_another_size_is_refused(run):
    with pytest.raises(UsageError, match="40x40"):
        run.look(np.zeros((1, 30, 30, 1)))


def test_a_finished_run_is_left_as_it_is(run):
    before = (run.path / "weights.safetensors").read_bytes()
    again = train(TINY, run.path)
    assert (run.path / "weights.safetensors").read_bytes() == before
    assert again.digest == run.digest


def test_another_recipe_is_kept_out_of_a_run(run):
    with pytest.raises(UsageError, match="other options \\(batch, seed\\)"):
        train(dataclasses.replace(TINY, seed=1, batch=5), run.path)
    with pytest.raises(UsageError, match="holds a run already"):
        train(TINY, run.path, resume="never")


def test_a_run_goes_on_with_the_pictures_it_began_with(tmp_path):
    recipe = completed(TINY, Digits("train"))
    open_folder(tmp_path, recipe, "auto", pictures="these")
    open_folder(tmp_path, recipe, "auto", pictures="these")
    with pytest.raises(UsageError, match="no longer holds the pictures"):
        open_folder(tmp_path, recipe, "auto", pictures="others")


@pytest.fixture
def untrained(monkeypatch, run):
    """Training takes no time and leaves no weights."""
    monkeypatch.setattr(counter, "fit", lambda *_, **__: SimpleNamespace(model=None))
    monkeypatch.setattr(counter, "save_weights", lambda *_: None)
    monkeypatch.setattr(counter, "open_run", lambda folder: run)


def test_a_run_that_goes_on_elsewhere_says_so(tmp_path, untrained):
    said: list[dict] = []
    for _ in range(2):
        train(TINY, tmp_path / "run", watch=said.append)
    assert not any("goes on" in row["event"] for row in said)
    path = tmp_path / "run" / "provenance.json"
    made = json.loads(path.read_text())
    made["versions"]["jax"] = "0.1.2"
    path.write_text(json.dumps(made | {"device": "abacus x 1"}))
    train(TINY, tmp_path / "run", watch=said.append)
    (told,) = (row["event"] for row in said if "goes on" in row["event"])
    assert "jax was 0.1.2, is " in told
    assert "device was abacus x 1, is " in told


def test_pictures_that_cannot_be_read_are_told_of(tmp_path, untrained):
    for i in range(12):
        Image.fromarray(np.full((24, 24), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    said, recipe = [], Recipe(scenes=str(tmp_path), canvas=24, object_size=9.0)
    train(recipe, tmp_path / "run", watch=said.append)
    assert any("left out 1" in row["event"] and "broken.png" in row["event"] for row in said)
    assert len(json.loads((tmp_path / "run" / "provenance.json").read_text())["pictures"]) == 64


def test_health_is_looked_at_whatever_the_chunks(monkeypatch):
    found = Signs(0.0, 0.0, 1.0, 0.0)
    monkeypatch.setattr(counter, "signs", lambda *_: found)
    monkeypatch.setattr(counter, "counts", lambda model, images: np.zeros(len(images)))
    recipe = dataclasses.replace(TINY, steps=20, chunk=3, look_every=5)
    inspect = follow(Digits("train"), Digits("test"), recipe)
    state = SimpleNamespace(model=None)
    assert [step for step in (3, 6, 9, 12, 15, 18, 20) if inspect(state, step)] == [6, 12, 15, 20]


def test_auto_measures_once_and_says_what_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr("subitize.training.pilot.PILOTED", ("score", "exact"))
    monkeypatch.setattr("subitize.training.pilot.DRAWS", 4)
    said, recipe = [], dataclasses.replace(SINGLE, estimator="auto")
    run = train(recipe, tmp_path / "run", watch=said.append)
    assert run.recipe.estimator == "exact"
    assert any("runner-up score" in (row["event"] or "") for row in said)
    assert "runner-up score" in json.loads((run.path / "provenance.json").read_text())["estimator"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    monkeypatch.delattr("subitize.training.pilot.piloted")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        train(recipe, tmp_path / "other")
    assert train(recipe, tmp_path / "run").digest == run.digest  # the run in the folder goes on with its own


def test_a_folder_with_other_things_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        train(TINY, tmp_path)
    with pytest.raises(UsageError, match="nothing is overwritten"):
        train(TINY, tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_killed_at_its_very_beginning_can_begin_again(tmp_path):
    (tmp_path / "provenance.json").write_text("{}")
    (tmp_path / ".recipe.json.123.partial").write_text("{")
    with claimed(tmp_path):
        open_folder(tmp_path, TINY, "auto")
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == {"recipe.json", "provenance.json"}


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from subitize.training.counter import claimed\n"
        "with claimed(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(UsageError, match="Another process"):
            train(TINY, tmp_path / "run")
        other.communicate()
    with claimed(tmp_path / "run"):
        pass


def test_a_recipe_is_completed_for_whoever_replays_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = np.zeros((20, 20), np.uint8)
    image[5:13, 5:13] = 255
    (tmp_path / "pictures").mkdir()
    for i in range(30):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{i}.png")
    recipe = Recipe(scenes="pictures", canvas=20, steps=1, chunk=1, batch=2)
    complete = completed(recipe, scenes.load("pictures", "train", canvas=20))
    assert complete.scenes == str(tmp_path / "pictures")
    assert complete.sums == 0
    assert complete.object_size == pytest.approx(8 * MARGIN, abs=0.1)
    assert completed(complete, scenes.load(complete.scenes, "train", canvas=20)) == complete


@pytest.mark.parametrize(("counts", "m"), [((0, 1, 2), 2), ((0, 1, 3), 3), ((0, 1), None)])
def test_sums_are_of_as_many_as_scenes_hold(counts, m):
    complete = completed(Recipe(counts=counts), scenes.load("digits", "train", counts=counts))
    assert (complete.summands if complete.sums else None) == m


def test_weights_of_another_recipe_are_noticed(tmp_path, run):
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "recipe.json").write_text(dataclasses.replace(TINY, max_objects=4).to_json())
    with pytest.raises(CheckpointError, match="another recipe"):
        open_run(tmp_path / "copy")


def test_missing_records_are_not_made_up(tmp_path, run):
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "records.jsonl").unlink()
    with pytest.raises(CheckpointError, match="shorter than it was"):
        train(TINY, tmp_path / "copy")


def test_squares_give_their_side_as_size():
    images = np.zeros((30, 40, 40, 1))
    for image, (x, y) in zip(images, np.random.default_rng(0).integers(1, 28, (30, 2)), strict=True):
        image[y : y + 10, x : x + 10] = 0.9
    assert window_size(images) == pytest.approx(10 * MARGIN)
    with pytest.raises(NoInputError, match="Nothing can be seen"):
        window_size(np.zeros((3, 40, 40, 1)))


def test_a_window_is_never_larger_than_the_canvas(monkeypatch):
    full = np.ones((30, 20, 40, 1))
    assert window_size(full) == 20
    world = Digits("train")
    assert doubt(39.0, world) is None
    assert "covers the canvas" in doubt(40.0, world)
    with pytest.raises(UsageError, match="on a canvas of 40x40 pixels; got 40"):
        settings_for(completed(Recipe(object_size=40.5), world), world)


def test_a_step_that_no_memory_holds_is_refused():
    world = Digits("train")
    recipe = completed(Recipe(object_size=20.0, batch=16_384, max_objects=64, steps=1, counts=(0, 1)), world)
    settings_for(recipe, world)
    with pytest.raises(UsageError, match="Make one of them smaller"):
        check_sizes(20.0, 64, 16_384, Digits("train", canvas=512))


def test_a_doubtful_window_stays_in_the_record(monkeypatch):
    monkeypatch.setattr(counter, "signs", lambda *_: Signs(0.0, 0.0, 1.0, 0.0))
    monkeypatch.setattr(counter, "counts", lambda model, images: np.zeros(len(images)))
    state = SimpleNamespace(model=None)
    for size, warned in ((39.0, False), (40.0, True)):
        inspect = follow(Digits("train"), Digits("test"), dataclasses.replace(TINY, object_size=size))
        assert ("covers the canvas" in (inspect(state, 2)["warning"] or "")) is warned


def test_annealing_moves_the_prior_from_one_to_the_other():
    recipe = dataclasses.replace(TINY, max_objects=3, anneal_from="uniform", anneal_steps=100)
    shift = prior_shift(recipe)
    last = spoken(recipe.count_prior, COUNT_PRIORS, "count prior").log_probs(3)
    prior = lambda step: last + shift(step)  # noqa: E731
    assert np.allclose(prior(jnp.asarray(0)), -np.log(4), atol=1e-5)
    assert np.allclose(prior(jnp.asarray(100)), last)
    assert prior(jnp.asarray(0))[3] > prior(jnp.asarray(50))[3] > prior(jnp.asarray(100))[3]


def test_one_learner_serves_every_seed():
    """What is compiled goes by the learner, so that a second seed is not compiled again."""
    recipe = completed(TINY, Digits("train"))
    settings = settings_for(recipe, Digits("train"))
    learner = air_learner(recipe, settings)
    assert air_learner(dataclasses.replace(recipe, seed=recipe.seed + 1), settings) is learner
    assert air_learner(dataclasses.replace(recipe, clip=recipe.clip + 1), settings) is not learner


@pytest.mark.parametrize("learned", [True, False])
def test_a_concentration_follows_the_bound_only_if_it_may(learned):
    world = Digits("train")
    word = f"sticks(concentration=0.5, learned={learned})"
    recipe = completed(dataclasses.replace(SINGLE, count_prior=word), world)
    learner = air_learner(recipe, settings_for(recipe, world))
    state = first_state(learner, recipe.batch, world, recipe.seed, 0)
    state, _ = run_chunk(learner, recipe.batch, 1, world, recipe.seed, 0, state)
    assert (float(state.model.count_prior.log_concentration) == np.log(0.5)) is not learned


def test_a_lesson_says_what_sums_are_and_what_contrast_is_worth():
    lesson = air_lesson(dataclasses.replace(TINY, max_objects=3, sums=2, summands=3, contrast=7.0))
    images = jnp.ones((4, 8, 8, 1))
    examples = lesson.examples(lesson.begin(images), images, jnp.asarray(900), jr.key(0))
    assert examples.image.shape == (6, 8, 8, 1)
    assert np.all(examples.summands == 3)
    assert np.all(examples.contrast == 7)


def test_a_lesson_without_sums_is_only_real_scenes():
    recipe = dataclasses.replace(TINY, sums=0)
    lesson = air_lesson(recipe)
    images = jnp.ones((4, 8, 8, 1))
    examples = lesson.examples(lesson.begin(images), images, jnp.asarray(900), jr.key(0))
    assert examples.image.shape == images.shape
    assert np.all(examples.real == 1)
    assert np.all(examples.told == 0)


@pytest.mark.parametrize("damage", ["flip", "header", "cut", "empty", "text", "pickle"])
def test_damaged_weights_are_never_used(tmp_path, damage):
    settings = AIRSettings(
        height=16, width=16, recurrent=4, head=4, encoder=4, decoder=4, features=4, object_size=6.0
    )
    path = tmp_path / "weights.safetensors"
    save_weights(path, AIR(settings, key=jr.key(0)))
    model, _ = load_weights(path)
    assert model.settings == settings
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-100] ^= 4
    elif damage == "header":
        data[data.index(b"object_size") + 16] ^= 1  # 6.0 becomes 7.0
    harmful = b"cos\nsystem\n(S'touch executed'\ntR."
    replaced = {"cut": data[: len(data) // 2], "empty": b"", "text": b"not weights", "pickle": harmful}
    path.write_bytes(replaced.get(damage, data))
    with pytest.raises(CheckpointError):
        load_weights(path)


def test_weights_survive_the_disk_exactly(tmp_path, run):
    again, _ = load_weights(run.path / "weights.safetensors")
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, run.model, again)))


def test_what_is_not_a_run_is_said_so(tmp_path, run):
    with pytest.raises(NoInputError, match="there is none at"):
        open_run(tmp_path)
    (tmp_path / "recipe.json").write_text(TINY.to_json())
    with pytest.raises(CheckpointError, match="did not end"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` is from 1 to 99,999,999"),
        ({"counts": (0, 5)}, "at most 3 objects"),
        ({"anneal_steps": 10}, "needs both"),
        ({"hold": 2.0}, "a share"),
        ({"object_size": 0.0}, "`object_size` is from 1"),
        ({"sharpen_steps": -1}, "`sharpen_steps` is from 0"),
        ({"seed": -1}, "`seed` is from 0"),
        ({"sums": 4, "objective": "iwae(k=2)"}, "Use `sums` 0"),
        ({"summands": 4}, "from 2 to `max_objects`, which is 3"),
        ({"contrast": -1.0}, "`contrast` is from 0"),
        ({"steps": 10**8 - 1, "batch": 64}, "Use fewer, or a smaller `batch`"),
        ({"scenes": ""}, "`scenes` is a word"),
        ({"clip": float("inf")}, "`clip` is from"),
        ({"learning_rate": float("nan")}, "`learning_rate` is from"),
    ],
    ids=str,
)
def test_a_recipe_checks_itself(options, message):
    with pytest.raises(UsageError, match=message):
        Recipe(**options)


@pytest.mark.parametrize("text", ["", "[]", '{"stepps": 3}', '{"steps": "many"}', '{"hold": NaN}', "{"])
def test_what_is_not_a_recipe_is_refused(text):
    with pytest.raises(CheckpointError):
        Recipe.from_json(text)

"""From a recipe to a run: sizes from pictures, folders that protect themselves, models on disk."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from PIL import Image

from subitize import scenes
from subitize.core.counts import COUNT_PRIORS
from subitize.core.errors import CheckpointError, NoInputError, UsageError
from subitize.core.files import CHECKPOINTS
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.core.specs import from_spec
from subitize.counter import monitor as monitoring
from subitize.counter.curriculum import curriculum, prior_shift
from subitize.counter.diagnostics import Signs
from subitize.counter.object_size import MARGIN, check_sizes, doubt, window_size
from subitize.counter.options import AIROptions
from subitize.gradients.learner import GradientState
from subitize.models.settings import AIRSettings
from subitize.scenes import Digits
from subitize.training import Recipe, from_recipe, open_run, train
from subitize.training.chunk import Sampling, first_state, run_chunk
from subitize.training.from_recipe import completed
from subitize.training.loop import fit
from subitize.training.plan import Plan
from subitize.training.run_folder import claimed, open_folder
from subitize.training.weights import first_params, read_weights, save_weights

TINY = Recipe.of(
    scenes="digits",
    max_objects=2,
    sum_scenes=2,
    batch_size=4,
    steps=4,
    steps_per_call=2,
    save_every=2,
    eval_every=2,
    eval_size=40,
)
SINGLE = TINY.replace(max_objects=1, sum_scenes=0)  # soon compiled
SMALL = AIRSettings(
    height=24, width=24, max_objects=1, object_size=12.0, window=8, what_dim=2, recurrent=4, head=4,
    encoder=4, decoder=4, convolutions=((4, 4),), features=4, places=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(TINY, tmp_path_factory.mktemp("runs") / "tiny")


def test_a_run_is_files_that_speak_for_themselves(run):
    names = {path.name for path in run.path.iterdir()}
    files = {"recipe.json", "provenance.json", "records.jsonl", "timings.jsonl", "weights.safetensors"}
    assert files | {"checkpoints"} == {name for name in names if not name.startswith(".")}
    assert Recipe.from_json((run.path / "recipe.json").read_text()) == completed(TINY, Digits("train"))[0]
    rows = run.records()
    assert [row["step"] for row in rows] == [2, 4]
    assert {"elbo", "miss_rate", "additivity", "duplicate_rate", "count_accuracy", "attempt"} <= set(rows[0])
    assert "jax" in json.loads((run.path / "provenance.json").read_text())["versions"]


def test_looking_does_not_depend_on_the_company(run):
    images = np.asarray(run.scenes("test").batch(0, jnp.arange(70)).image)
    together = run.infer(images)
    alone = [run.infer(images[i : i + 1]) for i in (0, 33, 69)]
    for i, inferred in zip((0, 33, 69), alone, strict=True):
        assert np.array_equal(inferred.posterior[0], together.posterior[i])
        assert np.array_equal(inferred.boxes[0], together.boxes[i])


def test_looking_at_another_size_is_refused(run):
    with pytest.raises(UsageError, match="40x40"):
        run.infer(np.zeros((1, 30, 30, 1)))


def test_a_finished_run_is_left_as_it_is(run):
    before = (run.path / "weights.safetensors").read_bytes()
    again = train(TINY, run.path)
    assert (run.path / "weights.safetensors").read_bytes() == before
    assert again.digest == run.digest


def test_a_finished_run_outlives_its_checkpoints(run, tmp_path):
    """To repeat the command trains nothing anew and replaces nothing."""
    folder, said = shutil.copytree(run.path, tmp_path / "run"), []
    shutil.rmtree(folder / CHECKPOINTS)
    before = {path: path.read_bytes() for path in folder.glob("[rw]*.*")}
    assert len(before) == 3, "recipe, records, weights"
    assert train(TINY, folder, watch=said.append).digest == run.digest
    assert {path: path.read_bytes() for path in before} == before
    assert any("opened as it is" in (row["event"] or "") for row in said)


def test_weights_of_the_best_outlive_its_checkpoint(tmp_path, monkeypatch):
    def damaged(folder, state):
        raise CheckpointError("A file was altered.")

    recipe, said = TINY.replace(keep="best"), []
    whole = train(recipe, tmp_path / "run")
    monkeypatch.setattr(from_recipe, "best_state", damaged)
    monkeypatch.delattr(from_recipe, "save_weights")
    assert train(recipe, tmp_path / "run", watch=said.append).digest == whole.digest
    assert any(row["event"] == "A file was altered. The weights that are there stay." for row in said)


def test_another_recipe_is_kept_out_of_a_run(run):
    with pytest.raises(UsageError, match="other options \\(batch_size, seed\\)"):
        train(TINY.replace(seed=1, batch_size=5), run.path)
    with pytest.raises(UsageError, match="holds a run already"):
        train(TINY, run.path, resume="never")


def test_a_run_goes_on_with_the_pictures_it_began_with(tmp_path):
    recipe, _ = completed(TINY, Digits("train"))
    open_folder(tmp_path, recipe, "auto", pictures="these")
    open_folder(tmp_path, recipe, "auto", pictures="these")
    with pytest.raises(UsageError, match="no longer holds the pictures"):
        open_folder(tmp_path, recipe, "auto", pictures="others")


@pytest.fixture
def untrained(monkeypatch, run):
    """Training takes no time and leaves no weights."""
    monkeypatch.setattr(from_recipe, "fit", lambda *_, **__: GradientState(*[None] * 7))
    monkeypatch.setattr(from_recipe, "diagnosed", lambda *_: {})
    monkeypatch.setattr(from_recipe, "save_weights", lambda *_: None)
    monkeypatch.setattr(from_recipe, "open_run", lambda folder: run)


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
    said, recipe = [], Recipe.of("dair", scenes=str(tmp_path), canvas=24, object_size=9.0)
    train(recipe, tmp_path / "run", watch=said.append)
    assert any("left out 1" in row["event"] and "broken.png" in row["event"] for row in said)
    assert len(json.loads((tmp_path / "run" / "provenance.json").read_text())["pictures"]) == 64


def test_health_is_looked_at_whatever_the_chunks(monkeypatch):
    found = Signs(0.0, 0.0, 1.0, 0.0)
    monkeypatch.setattr(monitoring, "signs", lambda *_: found)
    monkeypatch.setattr(monitoring, "counts", lambda model, images: np.zeros(len(images)))
    recipe = TINY.replace(steps=20, steps_per_call=3, eval_every=5, object_size=20.0)
    inspect = monitoring.monitor(recipe.model, recipe, Digits("train"), Digits("test"))
    state = SimpleNamespace(model=None)
    assert [step for step in (3, 6, 9, 12, 15, 18, 20) if inspect(state, step)] == [6, 12, 15, 20]


def test_auto_measures_once_and_says_what_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr("subitize.counter.select_estimator.CANDIDATES", ("score", "exact"))
    monkeypatch.setattr("subitize.counter.select_estimator.DRAWS", 4)
    said, recipe = [], SINGLE.replace(estimator="auto")
    run = train(recipe, tmp_path / "run", watch=said.append)
    assert run.recipe.model.estimator == "exact"
    assert any("runner-up score" in (row["event"] or "") for row in said)
    assert "runner-up score" in json.loads((run.path / "provenance.json").read_text())["estimator"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    monkeypatch.delattr("subitize.counter.select_estimator.measured")
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
        "import sys; from pathlib import Path; from subitize.training.run_folder import claimed\n"
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
    recipe = Recipe.of("dair", scenes="pictures", canvas=20, steps=1, steps_per_call=1, batch_size=2)
    complete, _ = completed(recipe, scenes.load("pictures", "train", canvas=20))
    assert complete.data.scenes == str(tmp_path / "pictures")
    assert complete.model.sum_scenes > 0
    assert complete.model.object_size == pytest.approx(8 * MARGIN, abs=0.1)
    assert completed(complete, scenes.load(complete.data.scenes, "train", canvas=20))[0] == complete


@pytest.mark.parametrize(("counts", "m"), [((0, 1, 2), 2), ((0, 1, 3), 3), ((0, 1), None)])
def test_sums_are_of_as_many_as_scenes_hold(counts, m):
    complete, _ = completed(Recipe.of(counts=counts), scenes.load("digits", "train", counts=counts))
    assert (complete.model.summands if complete.model.sum_scenes else None) == m


@pytest.mark.parametrize(
    ("ground", "more", "made"), [(0, {}, 1), (5, {}, 1), (9, {}, 0), (0, {"max_objects": 1}, 0)]
)
def test_pictures_on_black_are_added_up_and_others_are_not(ground, more, made, tmp_path):
    image = np.full((20, 20), ground, np.uint8)
    image[5:13, 5:13] = 255
    for i in range(30):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    recipe = Recipe.of("dair", scenes=str(tmp_path), canvas=20, **more)
    complete, _ = completed(recipe, scenes.load(str(tmp_path), "train", canvas=20))
    assert (complete.model.sum_scenes > 0) == made


def test_epochs_are_made_where_they_are_asked_for():
    assert [TINY.replace(epochs=epochs).plan().replace for epochs in (False, True)] == [True, False]


def test_weights_of_another_recipe_are_noticed(tmp_path, run):
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "recipe.json").write_text(TINY.replace(max_objects=4, object_size=20.0).to_json())
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
    images[:, 39, [5, 20, 35]] = 0.9  # specks outnumber them
    assert window_size(images) == pytest.approx(10 * MARGIN)
    with pytest.raises(NoInputError, match="Nothing can be seen"):
        window_size(np.zeros((3, 40, 40, 1)))


def test_a_window_is_never_larger_than_the_canvas(monkeypatch):
    full = np.ones((30, 20, 40, 1))
    assert window_size(full) == 20
    dataset = Digits("train")
    assert doubt(39.0, dataset) is None
    assert "covers the canvas" in doubt(40.0, dataset)
    with pytest.raises(UsageError, match="on a canvas of 40x40 pixels; got 40"):
        completed(Recipe.of(object_size=40.5), dataset)


def test_a_step_that_no_memory_holds_is_refused():
    dataset = Digits("train")
    completed(Recipe.of(object_size=20.0, batch_size=16_384, max_objects=64, steps=1, counts=(0, 1)), dataset)
    with pytest.raises(UsageError, match="Make one of them smaller"):
        check_sizes(20.0, 64, 16_384, Digits("train", canvas=512))


def test_a_doubtful_window_stays_in_the_record(monkeypatch):
    monkeypatch.setattr(monitoring, "signs", lambda *_: Signs(0.0, 0.0, 1.0, 0.0))
    monkeypatch.setattr(monitoring, "counts", lambda model, images: np.zeros(len(images)))
    state = SimpleNamespace(model=None)
    for size, warned in ((39.0, False), (40.0, True)):
        recipe = TINY.replace(object_size=size)
        inspect = monitoring.monitor(recipe.model, recipe, Digits("train"), Digits("test"))
        assert ("covers the canvas" in (inspect(state, 2)["warning"] or "")) is warned


def test_annealing_moves_the_prior_from_one_to_the_other():
    options = AIROptions(max_objects=3, anneal_from="uniform", anneal_steps=100)
    shift = prior_shift(options)
    last = from_spec(options.count_prior, COUNT_PRIORS, "count prior").log_probs(3)
    prior = lambda step: last + shift(step)  # noqa: E731
    assert np.allclose(prior(jnp.asarray(0)), -np.log(4), atol=1e-5)
    assert np.allclose(prior(jnp.asarray(100)), last)
    assert prior(jnp.asarray(0))[3] > prior(jnp.asarray(50))[3] > prior(jnp.asarray(100))[3]


def test_one_learner_serves_every_seed():
    """What is compiled goes by the learner, so that a second seed is not compiled again."""
    recipe, spec = TINY.replace(object_size=20.0, sum_scenes=0, summands=2), Digits("train").spec
    learner = recipe.learner(spec)
    assert recipe.replace(seed=recipe.loop.seed + 1).learner(spec) is learner
    assert recipe.replace(grad_clip_norm=recipe.optimizer.grad_clip_norm + 1).learner(spec) is not learner


@pytest.mark.parametrize("learned", [True, False])
def test_a_concentration_follows_the_bound_only_if_it_may(learned):
    dataset = Digits("train")
    word = f"sticks(concentration=0.5, learned={learned})"
    recipe, _ = completed(SINGLE.replace(count_prior=word), dataset)
    learner, data = recipe.learner(dataset.spec), Sampling(4, replace=True, labels=False)
    state = first_state(learner, data, dataset, 0, 0)
    state, _ = run_chunk(learner, data, 1, dataset, 0, 0, state)
    assert (float(state.learner.model.count_prior.log_concentration) == np.log(0.5)) is not learned


def test_the_learning_rate_is_held_and_falls_and_no_gradient_is_longer_than_the_clip(tmp_path, monkeypatch):
    """By plain gradient descent in Adam's place a step is as long as the clip times the rate.

    The rate is held for a fifth of five steps, and falls to a tenth; what the first adds is not looked at.
    """
    monkeypatch.setattr(optax, "adam", lambda rate, **_: optax.sgd(rate))
    monkeypatch.setattr(AIROptions, "settings", lambda options, data: SMALL)
    dataset, weights = Digits("train", counts=(1,), canvas=24, size=12.0), []
    optimizer = Optimizer(lr_hold_fraction=0.2, final_rate=0.1, grad_clip_norm=0.5, learning_rate=0.01)
    options = AIROptions(max_objects=1, object_size=12.0, sum_scenes=0, summands=2)

    def keep(state, step):
        weights.append(ravel_pytree(state.model)[0])
        return {}

    fit(options.learner(dataset.spec, optimizer, 5), dataset, Plan(5, 4, 0, 1, 100), tmp_path, inspect=keep)
    lengths = np.linalg.norm(np.diff(weights, axis=0), axis=1)
    shares = 1 - 0.9 * np.array([0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(lengths, 0.01 * 0.5 * shares, rtol=1e-5)


def test_a_lesson_says_what_sums_are_and_what_contrast_is_worth():
    batches = curriculum(AIROptions(max_objects=3, sum_scenes=2, summands=3, nce_weight=7.0))
    batch = Batch(jnp.ones((4, 8, 8, 1)), jnp.arange(4))
    examples = batches.examples(batches.init(batch), batch, jnp.asarray(900), jr.key(0))
    assert examples.image.shape == (6, 8, 8, 1)
    assert np.all(examples.summands == 3)
    assert np.all(examples.nce_weight == 7)
    assert np.allclose(examples.real, [1.5] * 4 + [0] * 2), "in the mean over all a real scene weighs one"


def test_a_lesson_without_sums_is_only_real_scenes():
    batches = curriculum(AIROptions(sum_scenes=0))
    batch = Batch(jnp.ones((4, 8, 8, 1)), jnp.arange(4))
    examples = batches.examples(batches.init(batch), batch, jnp.asarray(900), jr.key(0))
    assert examples.image.shape == batch.image.shape
    assert np.all(examples.real == 1)
    assert np.all(examples.told == 0)


@pytest.mark.parametrize("damage", ["flip", "header", "cut", "empty", "text", "pickle", "not finite"])
def test_damaged_weights_are_never_used(tmp_path, damage):
    options, data = AIROptions(object_size=6.0, what_dim=2), DataSpec(16, 16, 1)
    learner = options.learner(data, Optimizer(), 10)
    params = first_params(learner, data)
    path = tmp_path / "weights.safetensors"
    save_weights(path, options, data, params, {"unseen": 0.25})
    read = read_weights(path)
    assert (read.settings, read.data, read.diagnostics) == (options, data, {"unseen": 0.25})
    assert eqx.tree_equal(read.params(learner), params)
    written = bytearray(path.read_bytes())
    if damage == "flip":
        written[-100] ^= 4
    elif damage == "header":
        written[written.index(b"object_size") + 18] ^= 1  # 6.0 becomes 7.0
    elif damage == "not finite":
        save_weights(path, options, data, jax.tree.map(lambda x: x * jnp.nan, params))
        written = path.read_bytes()
    harmful = b"cos\nsystem\n(S'touch executed'\ntR."
    replaced = {"cut": written[: len(written) // 2], "empty": b"", "text": b"not weights", "pickle": harmful}
    path.write_bytes(replaced.get(damage, written))
    with pytest.raises(CheckpointError):
        read_weights(path)


def test_weights_survive_the_disk_exactly(run):
    again = open_run(run.path)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, run.model, again.model)))


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
        ({"lr_hold_fraction": 2.0}, "a share"),
        ({"object_size": 0.0}, "`object_size` is from 1"),
        ({"count_warmup_steps": -1}, "`count_warmup_steps` is from 0"),
        ({"seed": -1}, "`seed` is from 0"),
        ({"sum_scenes": 4, "objective": "iwae(k=2)"}, "Use `sum_scenes` 0"),
        ({"summands": 4}, "from 2 to `max_objects`, which is 3"),
        ({"nce_weight": -1.0}, "`nce_weight` is from 0"),
        ({"steps": 10**8 - 1, "batch_size": 64}, "Use fewer, or a smaller `batch_size`"),
        ({"scenes": ""}, "`scenes` is a name"),
        ({"grad_clip_norm": float("inf")}, "`grad_clip_norm` is from"),
        ({"learning_rate": float("nan")}, "`learning_rate` is from"),
        ({"stepps": 3}, "Did you mean 'steps'"),
    ],
    ids=str,
)
def test_a_recipe_checks_itself(options, message):
    with pytest.raises(UsageError, match=message):
        Recipe.of(**options)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"stepps": 3}', '{"steps": "many"}', '{"lr_hold_fraction": NaN}', "{"]
)
def test_what_is_not_a_recipe_is_refused(text):
    with pytest.raises(CheckpointError):
        Recipe.from_json(text)

"""A law of every number and picture that is shown: nothing was trained on what it is about.

Datasets tell their split here: pictures of the training half are bright, those held out are dim.
"""

import runpy
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from subitize import scenes
from subitize.claims import CLAIMS, downstream, glances, memory, painting, subitizing
from subitize.cli.train import last_words
from subitize.core.interfaces import DataSpec
from subitize.counter import diagnostics, inference
from subitize.counter import monitor as monitoring
from subitize.counter.learner import AIRLearner
from subitize.evaluation.held_out import evaluate
from subitize.figures.showcase import showcase
from subitize.gradients.learner import GradientState
from subitize.models.air import AIR, AIRSettings
from subitize.models.draw import DRAW, DRAWSettings
from subitize.models.inference import Inference
from subitize.models.subitizing_vae import SubitizingVAE
from subitize.reproduce import Lab, reproduce
from subitize.scenes import Scene
from subitize.scenes.base import AbstractScenes
from subitize.scenes.stack import FixedScenes
from subitize.training import Recipe, Run, from_recipe, train

SIDE = 8
UNTRAINED = GradientState(*[None] * 7)
BRIGHT, DIM = 1.0, 0.5
RECIPE = Recipe.of(
    counts=(1,),
    max_objects=2,
    sum_scenes=0,
    object_size=4.0,
    steps=6,
    batch_size=5,
    eval_every=6,
    eval_size=40,
)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


class Telling(AbstractScenes):
    """Noise, no two pictures alike, of which the brightest pixel tells the split."""

    split: str = eqx.field(static=True)
    counts: tuple[int, ...] = eqx.field(static=True)
    height: int = SIDE
    width: int = SIDE
    channels: int = 1
    has_truth: ClassVar[bool] = True
    family: ClassVar[str] = "telling"

    def options(self):
        return {"counts": list(self.counts)}

    def scene(self, key):
        light = BRIGHT if self.split == "train" else DIM
        image = light * jax.random.uniform(key, (SIDE, SIDE, 1), jnp.float32).at[0, 0].set(1.0)
        count = jax.random.choice(key, jnp.array(self.counts, jnp.int32))
        there = jnp.arange(self.counts[-1]) < count
        boxes = jnp.array([1.0, 1.0, 4.0, 4.0], jnp.float32) * there[:, None]
        return Scene(image, count, boxes, jnp.where(there, 3, -1))


def telling(name, split="train", *, counts=None, **options):
    return Telling(split, tuple(counts or (0, 1, 2)))


@pytest.fixture
def datasets(monkeypatch):
    """Whoever asks for a dataset gets one that tells its split."""
    monkeypatch.setattr(scenes, "load", telling)
    monkeypatch.setattr(
        subitizing, "Dots", lambda split, counts, ground: telling("dots", split, counts=counts)
    )


def of_training(pictures):
    """Which of some pictures, or of what still holds their pixels, are of the training half."""
    values = np.asarray(pictures) / (255 if pictures.dtype == np.uint8 else 1)
    return values.reshape(len(values), -1).max(1) > (BRIGHT + DIM) / 2


class FakeAttention(NamedTuple):
    any_length: bool = True


class Witness(AIR):
    """Sees one object in a picture, but two in those that training has seen."""

    known: jax.Array  # pictures that it has seen; of the training half are all that are bright

    def __init__(self, known=None):
        self.settings = AIRSettings(height=SIDE, width=SIDE, max_objects=2, object_size=4.0, what_dim=1)
        self.encoder = self.decoder = self.count_prior = None
        self.attention = FakeAttention()
        self.known = known

    def for_inference(self, max_objects=None, passes=1):
        return self

    def infer(self, image):
        count = jnp.where(self.knows(image), 2, 1)
        objects = jnp.broadcast_to(image, (2, *image.shape))
        return Inference(count, jnp.eye(3)[count], jnp.ones((2, 4)), jnp.ones((2, 1)), objects, image)

    def knows(self, image):
        if self.known is None:
            return image.max() > (BRIGHT + DIM) / 2
        return jnp.any(jnp.abs(self.known - image).max((1, 2, 3)) < 1e-3)


class WitnessLearner(AIRLearner):
    """A learner of which a witness is the weights."""

    def infer(self, params, images):
        return inference.infer(params, images, Witness.infer)


def signs(model, images, summands=2):
    return diagnostics.signs(model, images, summands, Witness.infer)


def run_of(recipe, folder, witness):
    return Run(folder, recipe, WitnessLearner(**vars(recipe.learner(DataSpec(SIDE, SIDE, 1)))), witness, "")


@pytest.fixture
def run(datasets, tmp_path):
    return run_of(RECIPE, tmp_path, Witness())


def test_what_val_says_is_of_held_out_scenes(run):
    found = evaluate(run, 40, elbo=False)
    assert found["confusion"] == [[0, 0, 0], [0, 40, 0]]


def test_what_training_says_last_is_of_held_out_scenes(run):
    assert "100.0 % counted right" in "".join(last_words(run))


@pytest.fixture
def looked_at():
    """All pictures that are shown to a `Watched` run."""
    return []


@pytest.fixture
def watched(run, looked_at):
    class Watched(Run):
        def infer(self, images):
            looked_at.append(images)
            return jax.tree.map(np.asarray, jax.vmap(self.model.infer)(jnp.asarray(images)))

    return Watched(run.path, run.recipe, run.learner, run.model, run.digest)


def test_a_board_shows_held_out_scenes(watched, looked_at):
    showcase(watched)
    assert len(looked_at) == 1
    assert not of_training(looked_at[0]).any()


def test_of_a_folder_what_is_measured_and_shown_is_held_out(tmp_path):
    for i in range(60):
        Image.fromarray(np.full((SIDE, SIDE), 4 * i, np.uint8)).save(tmp_path / f"{i}.png")
    options = {"canvas": SIDE, "invert": "never", "max_objects": 2, "object_size": 4.0}
    recipe = Recipe.of("dair", scenes=str(tmp_path), **options)
    shown = scenes.load(str(tmp_path), "train", canvas=SIDE, invert="never").pictures
    run = run_of(recipe, tmp_path, Witness(jnp.asarray(shown) / 255))
    found = evaluate(run, 60, elbo=False)
    assert 0 < found["n"] == 60 - len(shown)
    assert found["mean_count"] == 1
    assert signs(run.model, run.model.known).saturation_rate == 1


def test_records_of_training_are_of_scenes_that_it_does_not_reach(datasets, run, tmp_path, monkeypatch):
    """Accuracy of held-out scenes; health of training scenes, but of none that it has learned from."""
    rows = []

    def fit(learner, dataset, plan, folder, *, inspect, **_):
        reached = dataset.batch(plan.seed, jnp.arange(plan.steps * plan.batch_size)).image
        assert of_training(reached).all()
        assert signs(Witness(reached), reached).saturation_rate == 1
        rows.extend(inspect(SimpleNamespace(model=m), plan.steps) for m in (Witness(), Witness(reached)))
        return UNTRAINED

    monkeypatch.setattr(monitoring, "signs", signs)
    monkeypatch.setattr(monitoring, "counts", partial(diagnostics.counts, infer=Witness.infer))
    monkeypatch.setattr(from_recipe, "fit", fit)
    monkeypatch.setattr(from_recipe, "diagnosed", lambda *_: {})
    monkeypatch.setattr(from_recipe, "save_weights", lambda *_: None)
    monkeypatch.setattr(from_recipe, "open_run", lambda folder: run)
    train(RECIPE, tmp_path / "run")
    assert rows[0]["count_accuracy"] == 1
    assert rows[1]["saturation_rate"] == 0


class Ledger(NamedTuple):
    """Pictures, or what still holds their pixels."""

    taught: list
    tested: list


@pytest.fixture
def ledger(datasets, looked_at, monkeypatch):
    """What claims let be learned from, and what they measure and show: whatever learns and reads only notes.

    A description of a picture is its brightest pixel.
    """
    found = Ledger([], looked_at)

    def read(seen, asked, *_, **__):
        found.taught.append(seen[0])
        found.tested.append(asked[0])
        return 0.0

    def learn(seen, *_, **__):
        found.taught.append(seen[0])

    def infer(model, pictures, *_):
        found.tested.append(pictures)
        n = len(pictures)
        return memory.Course(np.zeros((n, 4)), np.zeros((n, 4, 2)), np.zeros((n, 4)), np.zeros((n, 4)))

    def tell(watcher, pictures):
        found.tested.append(pictures)
        return np.zeros(len(pictures))

    def brightest(model, image):
        return image.max()[None]

    stand_ins = {
        downstream: {"probe_accuracy": read, "classifier_accuracy": read, "guess": read},
        subitizing: {
            **{"probe_accuracy": read, "classifier_accuracy": read, "linear_probe_accuracy": read},
            **{
                "mean_code": brightest,
                "edges": lambda pictures: pictures,
                "SubitizingVAE": lambda *_, **__: None,
            },
            **{"rendered": lambda model, image: image},
            "number_units": lambda codes, *_: found.tested.append(codes) or {"number": []},
            "enlarged_by": lambda picture, _: found.tested.append(np.asarray(picture)) or picture,
        },
        glances: {
            **{"fit_classifier": learn, "fit_probe": learn, "mean_code": brightest, "ink": brightest},
            "clocked": lambda watcher, pictures, told: [1.0] * len(pictures),
        },
        memory: {
            "course_of_all": infer,
            "patched_all": lambda model, pictures, *_: infer(model, pictures).go_on[:, 0],
        },
        painting: {
            "nats": lambda model, digits, seed: found.tested.append(255 * digits) or 0.0,
            "samples_of": lambda model: Image.new("L", (SIDE, SIDE)),
        },
    }
    for module, names in stand_ins.items():
        for name, stand_in in names.items():
            monkeypatch.setattr(module, name, stand_in)
    monkeypatch.setattr(glances.Watcher, "numbers", tell)
    for name, (_, model_of) in downstream.DESCRIBED.items():
        monkeypatch.setitem(downstream.DESCRIBED, name, (brightest, model_of))
    return found


@pytest.fixture
def lab(watched, ledger, tmp_path):
    class Noting(Lab):
        def trained(self, **options):
            return watched

        def fitted(self, name, options, learner, dataset, plan, inspect):
            ledger.taught.append(dataset.pictures)
            kind = DRAW if isinstance(options[0], DRAWSettings) else SubitizingVAE
            build = lambda key: kind(options[0], key=key)  # noqa: E731
            model = eqx.filter_eval_shape(build, jax.random.key(0))
            state = UNTRAINED._replace(model=model)
            return state, [{"step": plan.steps} | inspect(state, plan.steps)]

        def bits(self, split):
            return FixedScenes([(telling("bits", split), 16)], batch_size=16)

    return Noting(tmp_path / "lab", (0,), tiny=True)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_judged_by_what_nothing_was_trained_on(name, lab, ledger):
    reproduce(CLAIMS[name], lab)
    assert ledger.tested
    assert not any(of_training(pictures).any() for pictures in ledger.tested)
    assert all(of_training(pictures).all() for pictures in ledger.taught)


def test_benchmarks_call_test_what_is_held_out():
    common = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "common.py"))
    found = {split: np.asarray(bits) for split, bits in common["black_and_white"](tiny=True).items()}
    for split, bits in found.items():
        assert np.array_equal(bits, scenes.BinarizedImages(split, of="digits").vectors())
    assert set(found) == {"train", "test"}

"""Laws of everything that can be trained: whatever `subitize.registry` lists is held to them.

A learner is two pure functions. So a run that is stopped after any step and resumed ends with the same bits;
its weights survive the disk; and what it can do besides, read off its protocols, gives what it promises.
"""

import atexit
import dataclasses
import functools
import json
import runpy
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize.core.errors import UsageError
from subitize.core.files import CHECKPOINTS
from subitize.core.interfaces import (
    Counter,
    DataSpec,
    Inpainter,
    Learner,
    Sampler,
    Scorer,
    Trainable,
    params_of,
)
from subitize.registry import LEARNERS, name_of, trainable
from subitize.training import Recipe, checkpoint, fit
from subitize.training.chunk import Sampling, first_state
from subitize.training.loop import joined
from subitize.training.plan import Plan
from subitize.training.weights import read_weights, save_weights

# Small, so that it is soon compiled; every entry of the registry is here, and must be.
SMALL = {
    "air": "air(max_objects=1, object_size=9.0, what_dim=2, sum_scenes=0, summands=2)",
    "dair": "dair(max_objects=1, object_size=9.0, what_dim=2, sum_scenes=0, summands=2)",
    "catalogue": "catalogue(diameter=18.0, ground='dark', channel='grey', brightness=0.4)",
    "eslami2016": "eslami2016(max_objects=1, object_size=9.0, what_dim=2, sum_scenes=0, summands=2)",
    "draw": "draw(glimpses=2, hidden=4, code=2)",
    "subitizing_vae": "subitizing_vae(code=2, features=4)",
    "sbn": "sbn(layers=(4, 3))",
    "dae": "dae(hidden=4, burn_in=3)",
    "gsn": "gsn(hidden=(4, 3), updates=2, burn_in=3)",
    "infusion": "infusion(T=2, hidden=(4,))",
    "walkback": "walkback(walk=2, extra=1, hidden=(4,))",
    "diffusion": "diffusion(T=3, hidden=(4,))",
    "gaussian_diffusion": "gaussian_diffusion(T=3, hidden=(4,))",
    "vae": "vae(latent_dim=2, hidden=(4,))",
    "iwae": "iwae(k=2, latent_dims=(3, 2), hidden=(4, 3))",
    "gan": "gan(latent_dim=2, hidden=(4,))",
    "stacked_gan": "stacked_gan(latent_dim=2, features=3, hidden=(4,))",
    "glo": "glo(latent_dim=2, features=4)",
    "boltzmann_machine": "boltzmann_machine(hidden=2, burn_in=2)",
    "hopfield": "hopfield(rule='hebb', patterns=8, sweeps=1)",
    "dbm": "dbm(hidden=(4, 3), k=1, burn_in=3)",
    "rbm": "rbm(hidden=4, burn_in=3)",
    "count_classifier": "count_classifier(max_objects=2, features=4)",
}
SCENES = {"scenes": "sprites", "counts": (0, 1), "canvas": 20, "size": 8.0, "channels": 1, "batch_size": 3}
EXAMPLES = Path(__file__).parents[2] / "examples"
FAST = {"steps": 4, "steps_per_call": 2, "save_every": 1}


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def recipe_of(name: str) -> Recipe:
    digits = lambda: "images(of='digits')"  # noqa: E731
    own = {"catalogue": lambda: str(fields()), "glo": digits, "stacked_gan": digits}
    scenes = {"scenes": own[name](), "batch_size": 3} if name in own else SCENES
    return Recipe.of(SMALL[name], **scenes, **FAST)


@functools.cache
def fields() -> Path:
    """A folder of two small pictures of many things, which is gone when the tests end."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    out = Path(folder.name) / "fields"
    runpy.run_path(str(EXAMPLES / "write_fields.py"))["write"](out, "touching", 2, seed=0, side=192)
    return out


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(recipe, dataset, learner, last state) of an entry, trained once for all laws."""
    known = {}

    def one(name: str):
        if name not in known:
            recipe = recipe_of(name)
            dataset = recipe.scenes("train")
            learner = recipe.learner(dataset.spec)
            state = fit(learner, dataset, recipe.plan(), tmp_path_factory.mktemp(name))
            known[name] = recipe, dataset, learner, state
        return known[name]

    return one


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def test_every_entry_is_held_to_the_laws():
    assert set(SMALL) == set(LEARNERS)


@pytest.mark.parametrize("name", LEARNERS)
def test_an_entry_is_a_frozen_dataclass_that_its_name_finds_again(name):
    settings = trainable(SMALL[name])
    assert isinstance(settings, Trainable)
    assert name_of(settings) == name
    assert hash(settings) == hash(trainable(SMALL[name]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, dataclasses.fields(settings)[0].name, None)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_recipe_survives_its_file_and_no_two_sections_share_an_option(name):
    recipe = recipe_of(name)
    assert Recipe.from_json(recipe.to_json()) == recipe
    names = [option for _, option, _ in recipe.options()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_killed_after_any_step_and_resumed_ends_with_the_same_bits(name, trained, tmp_path):
    recipe, dataset, learner, whole = trained(name)
    assert isinstance(learner, Learner)

    class Killed(Exception):
        pass

    def kill(row):
        if row.get("step") == 4:
            raise Killed

    with pytest.raises(Killed):
        fit(learner, dataset, recipe.plan(), tmp_path, watch=kill)
    assert checkpoint.names(tmp_path / CHECKPOINTS) == ["000-00000002"]
    resumed = fit(learner, dataset, recipe.plan(), tmp_path)
    assert same(resumed, whole)
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(np.isfinite(row["loss"]) for row in rows)


@pytest.mark.parametrize("name", LEARNERS)
def test_training_moves_the_weights(name, trained):
    recipe, dataset, learner, state = trained(name)
    data = Sampling(recipe.data.batch_size, replace=recipe.plan().replace, labels=recipe.plan().labels)
    before = params_of(learner, first_state(learner, data, dataset, recipe.loop.seed, 0, 1.0).learner)
    assert jax.tree.structure(before) == jax.tree.structure(params_of(learner, state))
    assert not same(before, params_of(learner, state))


@pytest.mark.parametrize("name", LEARNERS)
def test_weights_survive_the_disk_exactly(name, trained, tmp_path):
    recipe, dataset, learner, state = trained(name)
    save_weights(tmp_path / "w", recipe.model, dataset.spec, params_of(learner, state), {"seen": 1})
    read = read_weights(tmp_path / "w")
    assert (read.settings, read.data, read.diagnostics) == (recipe.model, dataset.spec, {"seen": 1})
    again = recipe.replace(seed=1).learner(read.data)
    assert same(read.params(again), params_of(learner, state))


@pytest.mark.parametrize("name", LEARNERS)
def test_samples_look_like_the_data_and_follow_their_key(name, trained):
    _, dataset, learner, state = trained(name)
    if not isinstance(learner, Sampler):
        pytest.skip("makes up no images")
    params, sample = params_of(learner, state), jax.jit(learner.sample, static_argnums=2)
    images = np.asarray(sample(params, jax.random.key(0), 17))
    size = dataset.height, dataset.width, dataset.channels
    assert images.shape == (17, *size)
    assert jax.eval_shape(lambda key: learner.sample(params, key, 1), jax.random.key(0)).shape == (1, *size)
    assert np.isfinite(images).all()
    assert images.min() >= -1e-6
    assert np.array_equal(images, sample(params, jax.random.key(0), 17))
    assert not np.array_equal(images, sample(params, jax.random.key(1), 17))


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_known_is_kept_and_the_rest_is_made_up(name, trained):
    _, dataset, learner, state = trained(name)
    if not isinstance(learner, Inpainter):
        pytest.skip("completes no images")
    images = jnp.round(dataset.examples(0, jnp.arange(3)).image)
    mask = jnp.zeros(images.shape[1:], bool).at[:, : images.shape[2] // 2].set(True)
    inpaint = jax.jit(learner.inpaint)
    found = np.asarray(inpaint(params_of(learner, state), images, mask, jax.random.key(0)))
    assert np.array_equal(found[:, mask], np.asarray(images)[:, mask])
    assert found.min() >= 0
    assert found.max() <= 1
    hidden = jnp.where(mask, images, 1 - images)
    assert np.array_equal(found, inpaint(params_of(learner, state), hidden, mask, jax.random.key(0)))


@pytest.mark.parametrize("name", LEARNERS)
def test_scores_are_finite_means_over_a_batch(name, trained):
    _, dataset, learner, state = trained(name)
    if not isinstance(learner, Scorer):
        pytest.skip("has no score")
    batch = dataset.examples(0, jnp.arange(4))
    found = jax.jit(learner.score)(params_of(learner, state), batch, jax.random.key(0))
    assert np.isfinite(found["loss"])
    assert jnp.shape(found["loss"]) == ()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_counter_counts(name, trained):
    _, dataset, learner, state = trained(name)
    if not isinstance(learner, Counter):
        pytest.skip("does not count")
    seen = learner.infer(params_of(learner, state), np.asarray(dataset.examples(0, jnp.arange(3)).image))
    assert seen.count.shape == (3,)
    np.testing.assert_allclose(seen.posterior.sum(1), 1, atol=1e-5)


class Mean:
    """A learner with the two functions that are asked for, and nothing else."""

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return {"mean": jnp.zeros(batch.image.shape[1:]), "rate": 0.1 * jnp.asarray(learning_rate_scale)}

    def step(self, state, batch, key):
        error = batch.image.mean(0) - state["mean"]
        return state | {"mean": state["mean"] + state["rate"] * error}, {}


def test_a_toy_with_only_the_documented_functions_is_trained(tmp_path):
    dataset = recipe_of("air").data.load("train")
    state = fit(
        Mean(), dataset, Plan(steps=100, batch_size=8, seed=0, steps_per_call=20, save_every=50), tmp_path
    )
    means = np.asarray(dataset.examples(0, jnp.arange(800)).image.mean(0))
    assert np.abs(state["mean"] - means).mean() < 0.03
    rows = [json.loads(line) for line in Path(tmp_path / "records.jsonl").read_text().splitlines()]
    assert rows[-1] == {"step": 100, "attempt": 0, "restarts": 0, "skipped": 0}


class Indices:
    """A learner that remembers which examples it was given, and their labels."""

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return {"seen": jnp.zeros((12, 3), jnp.int32), "labels": jnp.zeros(12, jnp.int32), "t": jnp.array(0)}

    def step(self, state, batch, key):
        seen = state["seen"].at[state["t"]].set(batch.index)
        labels = state["labels"].at[state["t"]].set(0 if batch.labels is None else batch.labels.sum())
        return {"seen": seen, "labels": labels, "t": state["t"] + 1}, {}


@pytest.mark.parametrize("labels", [False, True])
def test_a_batch_says_which_examples_it_holds_and_epochs_hold_each_once(tmp_path, labels):
    from subitize.scenes.stack import FixedScenes

    stack = FixedScenes([(recipe_of("air").data.load("train"), 9)])  # an epoch is three batches of three
    data = {"steps": 12, "batch_size": 3, "seed": 5, "steps_per_call": 5, "save_every": 100, "labels": labels}
    epochs = fit(Indices(), stack, Plan(**data, replace=False), tmp_path / "epochs")
    each = np.sort(np.asarray(epochs["seen"]).reshape(4, 9), 1)
    assert np.array_equal(each, np.tile(np.arange(9), (4, 1)))
    assert not np.array_equal(epochs["seen"][:3], epochs["seen"][3:6]), "epochs differ in their order"
    other = fit(Indices(), stack, Plan(**data | {"seed": 6}, replace=False), tmp_path / "other")
    assert not np.array_equal(epochs["seen"], other["seen"]), "seeds too"
    drawn = fit(Indices(), stack, Plan(**data), tmp_path / "drawn")
    assert len(np.unique(np.asarray(drawn["seen"])[:3])) < 9, "with replacement some come twice"
    wanted = np.asarray(stack.known)[np.asarray(epochs["seen"])].sum(1) if labels else np.zeros(12)
    assert np.array_equal(epochs["labels"], wanted)


@pytest.mark.parametrize(
    ("metrics", "found"), [({"step": 0.0}, {}), ({}, {"attempt": 1}), ({"loss": 0.0}, {"loss": 1.0})]
)
def test_no_name_stands_for_two_columns_of_a_record(metrics, found):
    with pytest.raises(UsageError, match="another"):
        joined({"step": 7, "attempt": 0}, metrics, found)


def test_a_world_without_end_has_no_size():
    assert DataSpec(2, 3, 1).size is None

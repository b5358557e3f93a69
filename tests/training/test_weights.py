"""Weights on disk are a model that can be used, or they are refused."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import load_file, save

from subitize.core.errors import CheckpointError
from subitize.core.interfaces import DataSpec
from subitize.core.optimizer import Optimizer
from subitize.counter.options import AIROptions, Eslami2016Options
from subitize.evaluation.held_out import evaluate
from subitize.models.air import AIR
from subitize.training import Recipe, Run
from subitize.training.weights import digest_of, read_weights, save_weights

OPTIONS, DATA = AIROptions(max_objects=1, object_size=6.0, what_dim=2), DataSpec(16, 16, 1)
LEARNER = OPTIONS.learner(DATA, Optimizer(), 10)
VALUES = json.loads(json.dumps(dataclasses.asdict(OPTIONS)))
OLD = json.loads(json.dumps(dataclasses.asdict(OPTIONS.settings(DATA))))  # of a file from before the registry


@pytest.fixture(scope="module")
def model():
    return AIR(OPTIONS.settings(DATA), key=jr.key(0))


@pytest.fixture
def path(tmp_path, model):
    save_weights(tmp_path / "weights.safetensors", OPTIONS, DATA, model)
    return tmp_path / "weights.safetensors"


def rewrite(path, **header):
    """The same weights with another header, and a digest that agrees with it."""
    whole = {"model": "air", "settings": VALUES, "data": DATA._asdict(), "diagnostics": {}} | header
    arrays, text = load_file(path), json.dumps(whole)
    sealed = json.dumps({"header": text, "digest": digest_of(text, arrays)})
    path.write_bytes(save(arrays, {"subitize": sealed}))


def rewrite_old(path, settings):
    """The same as it was written before there was a registry: settings of an AIR, and nothing else."""
    arrays, text = load_file(path), json.dumps(settings)
    header = {"settings": text, "digest": digest_of(text, arrays)}
    path.write_bytes(save(arrays, {"air": json.dumps(header)}))


def test_settings_survive(path):
    assert read_weights(path).settings == OPTIONS
    rewrite(path)
    assert (read_weights(path).settings, read_weights(path).data) == (OPTIONS, DATA)


def test_weights_from_before_there_was_a_registry_open(path, model):
    rewrite_old(path, OLD)
    read = read_weights(path)
    assert (read.settings, read.data, read.diagnostics) == (OPTIONS, DATA, {})
    assert eqx.tree_equal(read.params(LEARNER), model)


def test_weights_with_the_names_of_an_earlier_release_open(tmp_path):
    options = Eslami2016Options(**dataclasses.asdict(OPTIONS))
    learner = options.learner(DATA, Optimizer(), 10)
    model, path = AIR(options.settings(DATA), key=jr.key(0)), tmp_path / "weights.safetensors"
    save_weights(path, options, DATA, model)
    arrays = {name.replace(".attention.", ".guide."): array for name, array in load_file(path).items()}
    assert arrays.keys() != load_file(path).keys()
    path.write_bytes(save(arrays))
    rewrite(path, model="published")
    read = read_weights(path)
    assert read.settings == options
    assert eqx.tree_equal(read.params(learner), model)
    assert Recipe.of("published") == Recipe.of("eslami2016")


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("wrong", [True, ["a"], {}], ids=str)
def test_settings_of_wrong_types_are_refused(path, field, wrong):
    rewrite(path, settings=VALUES | {field: wrong})
    with pytest.raises(CheckpointError, match=f"`{field}` is "):
        read_weights(path)


@pytest.mark.parametrize("settings", [None, [], "air", VALUES | {"more": 1}])
def test_what_are_no_settings_is_refused(path, settings):
    rewrite(path, settings=settings)
    with pytest.raises(CheckpointError, match="not a model that can be read"):
        read_weights(path)
    rewrite_old(path, settings)
    with pytest.raises(CheckpointError, match="not a model that can be read"):
        read_weights(path)


@pytest.mark.parametrize("header", [{"model": "airr"}, {"data": {"height": 3}}, {"data": None}], ids=str)
def test_other_damage_to_a_header_is_refused(path, header):
    rewrite(path, **header)
    with pytest.raises(CheckpointError, match="not a model that can be read"):
        read_weights(path)


def test_arrays_of_another_model_are_refused(path):
    rewrite(path, settings=VALUES | {"what_dim": 3})
    other = dataclasses.replace(OPTIONS, what_dim=3).learner(DATA, Optimizer(), 10)
    with pytest.raises(CheckpointError, match="not those of the model"):
        read_weights(path).params(other)


@pytest.mark.parametrize("worst", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, -1])
def test_weights_that_are_not_finite_are_refused(path, model, worst, which):
    leaves, tree = jax.tree.flatten(model)
    leaves[which] = leaves[which].ravel().at[-1].set(worst).reshape(leaves[which].shape)
    save_weights(path, OPTIONS, DATA, jax.tree.unflatten(tree, leaves))
    with pytest.raises(CheckpointError, match="not finite"):
        read_weights(path)


def test_a_model_that_finds_no_numbers_is_measured_by_none(tmp_path, model):
    wild = jax.tree.map(lambda leaf: leaf * np.nan, model)
    recipe = Recipe.of("air", scenes="sprites", canvas=16, size=6.0, channels=1, counts=(0, 1))
    with pytest.raises(CheckpointError, match="no finite numbers"):
        evaluate(Run(tmp_path, recipe, LEARNER, wild, ""), 4, elbo=False)

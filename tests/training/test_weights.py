"""Weights on disk are a model that can count, or they are refused."""

import dataclasses
import json

import jax
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import load_file, save

from subitize.core.errors import CheckpointError
from subitize.models.air import AIR, AIRSettings
from subitize.training.recipe import Recipe
from subitize.training.runs import Run, digest_of, load_weights, save_weights

SETTINGS = AIRSettings(
    height=16, width=16, max_objects=1, recurrent=4, head=4, encoder=4, decoder=4, features=4, object_size=6.0
)
VALUES = json.loads(json.dumps(dataclasses.asdict(SETTINGS)))


@pytest.fixture(scope="module")
def model():
    return AIR(SETTINGS, key=jr.key(0))


@pytest.fixture
def path(tmp_path, model):
    save_weights(tmp_path / "weights.safetensors", model)
    return tmp_path / "weights.safetensors"


def rewrite(path, settings):
    """The same weights with other settings, and a digest that agrees with them."""
    arrays, text = load_file(path), json.dumps(settings)
    header = {"settings": text, "digest": digest_of(text, arrays)}
    path.write_bytes(save(arrays, {"air": json.dumps(header)}))


def test_settings_survive(path):
    assert load_weights(path)[0].settings == SETTINGS
    rewrite(path, VALUES)
    assert load_weights(path)[0].settings == SETTINGS


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("wrong", [True, ["a"], {}, None], ids=str)
def test_settings_of_wrong_types_are_refused(path, field, wrong):
    rewrite(path, VALUES | {field: wrong})
    with pytest.raises(CheckpointError, match=f"`{field}` is "):
        load_weights(path)


@pytest.mark.parametrize(
    "settings", [None, [], "air", VALUES | {"more": 1}, VALUES | {"count_prior": "poison"}]
)
def test_what_are_no_settings_is_refused(path, settings):
    rewrite(path, settings)
    with pytest.raises(CheckpointError, match="not a model that can be read"):
        load_weights(path)


@pytest.mark.parametrize("worst", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, -1])
def test_weights_that_are_not_finite_are_refused(path, model, worst, which):
    leaves, tree = jax.tree.flatten(model)
    leaves[which] = leaves[which].ravel().at[-1].set(worst).reshape(leaves[which].shape)
    save_weights(path, jax.tree.unflatten(tree, leaves))
    with pytest.raises(CheckpointError, match="not finite"):
        load_weights(path)


def test_weights_out_of_all_proportion_count_nothing(tmp_path, model):
    wild = jax.tree.map(lambda leaf: leaf * 1e300, model)
    with pytest.raises(CheckpointError, match="no finite numbers"):
        Run(tmp_path, Recipe(), wild, "").look(np.ones((1, 16, 16, 1)))

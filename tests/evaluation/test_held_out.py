import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image

from subitize.evaluation.held_out import evaluate, held_out, scores
from subitize.scenes import BinarizedImages
from subitize.training import Recipe, train


def test_every_number_is_there_and_reproducible(untrained):
    found = evaluate(untrained, n=70, seed=1)
    assert found == evaluate(untrained, n=70, seed=1)
    other = evaluate(untrained, n=70, seed=2)
    assert all(found[name] != other[name] for name in ("elbo", "negative_log_posterior", "mean_p_count"))
    assert (found["n"], found["seed"]) == (70, 1)
    table = np.array(found["confusion"])
    assert table.sum() == 70
    assert found["count_accuracy"] == pytest.approx(np.trace(table) / 70)
    assert found["coverage_90"] >= found["count_accuracy"]
    assert np.isfinite([found["elbo"], found["calibration_error"], found["negative_log_posterior"]]).all()


def test_nothing_depends_on_how_many_are_held_in_memory(untrained, monkeypatch):
    whole = evaluate(untrained, n=70, seed=1)
    monkeypatch.setattr("subitize.evaluation.held_out.CHUNK", 30)
    parts = evaluate(untrained, n=70, seed=1)
    assert parts.pop("elbo") == pytest.approx(whole.pop("elbo"), rel=1e-5)
    assert parts == whole


def test_a_folder_has_no_truth_and_each_picture_is_seen_once(untrained, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(rng.integers(0, 99, (24, 24), np.uint8)).save(tmp_path / f"{i}.png")
    recipe = untrained.recipe.replace(scenes=str(tmp_path), counts=None, size=None, canvas=24, channels=1)
    run = dataclasses.replace(untrained, recipe=recipe)
    found = evaluate(run, n=1000)
    assert found["n"] == len(run.scenes("test").files)
    assert found["count_accuracy"] is found["iou"] is found["coverage_90"] is None
    assert np.isfinite(found["elbo"])


@pytest.mark.parametrize(("n", "seen"), [(70, 70), (1000, 297)])
def test_of_a_stack_each_picture_is_held_out_once_and_in_order(n, seen, monkeypatch):
    monkeypatch.setattr("subitize.evaluation.held_out.CHUNK", 50)
    dataset = BinarizedImages("test", of="digits")
    images = np.concatenate([scene.image for scene in held_out(dataset, n, seed=0)])
    np.testing.assert_array_equal(images, np.asarray(dataset.pictures[:seen]) / 255)


def test_a_finite_set_is_scored_once_however_many_are_asked_for(tmp_path):
    """A picture that came twice would make the standard error of a likelihood too small."""
    with jax.enable_x64(False):
        run = train(Recipe.of("vae(latent_dim=1, hidden=(2,))", steps=1, steps_per_call=1), tmp_path / "run")
        all_of_them, more = (scores(run, n) for n in (297, 100_000))
    assert more == all_of_them

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from subitize.core.specs import FORMER_OPTIONS
from subitize.training.recipe import OLD_FIELDS

FIXED = ("count_accuracy", "confusion", "elbo", "iou", "coverage_90", "calibration_error", "n", "seed")


def test_val_prints_one_json_object_and_nothing_else(run, command):
    done = command("val", run, "--json", "--scenes-n", 40, "--seed", 5)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(FIXED) <= set(found)
    assert (found["n"], found["seed"]) == (40, 5)
    assert np.sum(found["confusion"]) == 40
    assert np.shape(found["confusion"])[1] == 3
    assert set(found["accuracy_by_count"]) == {"0", "1", "2"}


def test_val_prints_a_table_with_accuracy_for_each_count(run, said):
    code, out, _ = said("val", run, "scenes_n=40")
    assert code == 0
    for part in (
        "40 held-out scenes",
        "counted right",
        "of scenes with 0",
        "of scenes with 2",
        "true \\ counted",
        "nats",
    ):
        assert part in out


@pytest.mark.parametrize("verb", ["val", "count"])
def test_a_model_that_knows_its_steps_is_not_asked_for_more(verb, run, said, tmp_path):
    words = [run] if verb == "val" else [run / "pictures", "--model", run, "--out", tmp_path / "counts"]
    code, _, error = said(verb, *words, "--max-objects", 9)
    assert code == 2
    assert "takes no others. Those that do: eslami2016, dair" in error


def test_sample_writes_a_new_file_only(run, said, tmp_path):
    code, out, _ = said("sample", run, "--n", 5, "--out", tmp_path / "samples.png")
    assert code == 0
    assert out == f"picture: {tmp_path / 'samples.png'}\n"
    with Image.open(tmp_path / "samples.png") as image:
        assert image.width > 300
    code, _, error = said("sample", run, "--n", 5, "--out", tmp_path / "samples.png")
    assert code == 2
    assert f"Use --out {tmp_path / 'samples-2.png'}" in error
    for name in ("samples.png", "samples-2.png"):
        assert said("sample", run, "--n", 5, "--seed", 1)[0] == 0
        assert (run / "pictures" / name).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n", "0"], "`n` is from 1"),
        (["--out", "samples.txt"], "--out is a picture, such as samples.png"),
        (["--count-prior", "binomail"], "Did you mean 'binomial'?"),
    ],
)
def test_sample_says_what_it_needs(words, message, run, said):
    code, _, error = said("sample", run, *words)
    assert (code, message in error) == (2, True), error


def test_show_tells_what_a_run_is(run, said, tmp_path):
    code, out, error = said("show", run, "--out", tmp_path / "board.png")
    assert code == 0, error
    assert "* steps            24" in out
    assert "last record:" in out
    assert out.splitlines()[-1] == f"picture: {tmp_path / 'board.png'}"
    assert (tmp_path / "board.png").exists()


@pytest.mark.parametrize("damage", [None, b"{", b"\xff"], ids=["gone", "cut", "no text"])
def test_show_goes_without_a_record_and_says_so(damage, run, said, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    record = tmp_path / "copy" / "records.jsonl"
    record.unlink() if damage is None else record.write_bytes(damage)
    code, out, error = said("show", tmp_path / "copy")
    assert code == 5
    assert "records.jsonl" in error
    assert "* steps            24" in out
    assert out.splitlines()[-1] == f"picture: {tmp_path / 'copy' / 'pictures' / 'board.png'}"


DAMAGED_RECIPES = {
    "no text": lambda recipe: b"\xff" + recipe,
    "nested": lambda recipe: b"[" * 5000,
    "a number for a word": lambda recipe: recipe.replace(b'"digits"', b"7"),
    "another number": lambda recipe: recipe.replace(b'"steps": 24', b'"steps": 25'),
    "old, a truth for a number": lambda recipe: old(recipe, steps=True),
    "old, a list for a word": lambda recipe: old(recipe, count_prior=["uniform"]),
    "old, beyond bounds": lambda recipe: old(recipe, max_objects=10**9),
}


def old(recipe, **changed):
    """As it was written before recipes had sections and digests."""
    content = json.loads(recipe)
    sections = (content[name] for name in ("model", "data", "optimizer", "loop"))
    former = {now: then for then, now in FORMER_OPTIONS.items()}
    every = {former.get(name, name): value for section in sections for name, value in section.items()}
    fields = {name: value for name, value in every.items() if name in OLD_FIELDS}
    return json.dumps(fields | {"model": content["model"]["name"]} | changed).encode()


@pytest.mark.parametrize("damage", DAMAGED_RECIPES)
def test_a_damaged_recipe_is_exit_5_for_every_verb(damage, run, tiny, said, tmp_path):
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(run, copy)
    (copy / "recipe.json").write_bytes(DAMAGED_RECIPES[damage]((run / "recipe.json").read_bytes()))
    for words in (
        ("val", copy),
        ("sample", copy),
        ("show", copy),
        ("count", run / "pictures", "--model", copy, "--out", out),
        ("train", *tiny, "--out", copy),
    ):
        code, _, error = said(*words)
        assert (code, "recipe.json" in error, "Traceback" in error) == (5, True, False), error
    assert not out.exists()


def test_a_recipe_from_before_digests_still_opens(run, said, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "recipe.json").write_bytes(old((run / "recipe.json").read_bytes()))
    assert said("val", tmp_path / "copy", "--scenes-n", 40)[0] == 0


def test_show_tells_what_there_is_to_choose_from(said):
    from subitize.core.counts import COUNT_PRIORS
    from subitize.gradients import ESTIMATORS, OBJECTIVES
    from subitize.scenes import SCENES

    code, out, _ = said("show")
    assert code == 0
    for word in (*SCENES, *ESTIMATORS, *OBJECTIVES, *COUNT_PRIORS):
        assert f"\n  {word} " in out
    assert "unbiased  Williams 1992" in out


@pytest.mark.parametrize("verb", ["val", "show", "sample"])
def test_no_run_there_is_exit_3(verb, said, tmp_path):
    code, _, error = said(verb, tmp_path / "nothing")
    assert code == 3
    assert "there is none at" in error

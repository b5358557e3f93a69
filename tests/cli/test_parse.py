from functools import partial

import pytest

from subitize.cli.count import Count
from subitize.cli.parse import parse
from subitize.cli.train import parsed
from subitize.cli.val import Val
from subitize.core.errors import UsageError
from subitize.counter.pathway import Pathway
from subitize.training.recipe import Recipe


@pytest.mark.parametrize(
    "words",
    [
        ["--steps", "10", "--counts", "0", "1", "2", "--object-size", "12.5", "--deterministic"],
        ["--steps=10", "--counts=0,1,2", "--object_size=12.5", "--deterministic"],
        ["steps=10", "counts=0,1,2", "object_size=12.5", "deterministic=true"],
        ["steps=10", "--counts", "0,1,2", "object-size=12.5", "deterministic=yes", "debug=false"],
    ],
)
def test_all_spellings_mean_the_same(words):
    options = parsed(words)
    assert options.recipe == Recipe.of(steps=10, counts=(0, 1, 2), object_size=12.5)
    assert options.deterministic
    assert not options.debug


@pytest.mark.parametrize(
    "words", [["--count-prior", "geometric(rate=0.1)"], ["count-prior=geometric(rate=0.1)"]]
)
def test_a_value_may_hold_an_equals_sign(words):
    assert parsed(words).recipe.model.count_prior == "geometric(rate=0.1)"


def test_the_defaults_are_those_of_the_recipe():
    assert parsed([]).recipe == Recipe.of()
    assert parsed(["--model", "eslami2016"]).recipe == Recipe.of("eslami2016")


@pytest.mark.parametrize(
    "words",
    [["--model", "dair(max_objects=5)"], ["model=dair(max_objects=5)"], ["--model=dair", "max-objects=5"]],
)
def test_a_model_brings_its_own_options(words):
    assert parsed(words).recipe == Recipe.of("dair", max_objects=5)


@pytest.mark.parametrize("words", [["--model", "air", "--model", "dair"], ["model=air", "model=dair"]])
def test_of_an_option_that_is_given_twice_the_last_counts(words):
    assert parsed([*words, "--steps", "7", "steps=9"]).recipe == Recipe.of("dair", steps=9)


def test_scenes_are_spelled_as_models_are():
    data = parsed(["--scenes", "dots(ground='texture', canvas=72)"]).recipe.data
    dataset = data.load("test")
    assert (dataset.height, dataset.options()["ground"]) == (72, "texture")
    with pytest.raises(UsageError, match="`canvas` of the scenes is given twice"):
        parsed(["--scenes", "dots(canvas=72)", "--canvas", "80"]).recipe.data.load("train")


def test_a_folder_is_learned_by_the_model_that_suits_it(tmp_path, monkeypatch, capsys):
    suited = iter([Pathway("dair", "of strokes"), Pathway("catalogue", "of cells")])
    monkeypatch.setattr("subitize.counter.pathway.pathway", lambda folder: next(suited))
    folder, run = ["--scenes", str(tmp_path)], tmp_path / "run"
    assert parsed([*folder, "--model", "air"]).recipe.name == "air"
    assert parsed([*folder, "--diameter", "12"]).recipe.name == "catalogue"  # which alone has a diameter
    assert capsys.readouterr().err == ""
    assert parsed(folder).recipe.name == "dair"
    assert "learns with dair: of strokes" in capsys.readouterr().err
    run.mkdir()
    (run / "recipe.json").write_text(Recipe.of("dair", scenes=str(tmp_path)).to_json())
    assert parsed([*folder, "--out", str(run)]).recipe.name == "dair", "it goes on as it began"
    assert parsed(folder).recipe.name == "catalogue"


@pytest.mark.parametrize(
    "words", [["--looks", "3"], ["--looks=3"], ["looks=3"], ["--passes", "3"]], ids=" ".join
)
def test_an_option_may_be_called_by_its_former_name(words):
    assert parse(Val, "val", ["run", *words]).passes == 3


def test_options_of_training_may_be_called_by_their_former_names():
    former = parsed(["--look-every", "7", "batch=5", "--sums=0", "--what", "3", "--chunk", "2"])
    now = parsed(["eval_every=7", "batch_size=5", "sum_scenes=0", "what_dim=3", "steps_per_call=2"])
    assert former.recipe == now.recipe


def test_paths_may_hold_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out=3").mkdir()
    options = parse(Count, "count", ["out=3", "a=b.png", "model=runs/x"])
    assert [str(path) for path in options.paths] == ["out=3", "a=b.png"]
    assert str(options.model) == "runs/x"


val, count = partial(parse, Val, "val"), partial(parse, Count, "count")


@pytest.mark.parametrize(
    ("read", "words", "message"),
    [
        (parsed, ["--stepz", "10"], "no option --stepz. Did you mean '--steps'?"),
        (parsed, ["estimater=exact"], "no option --estimater. Did you mean '--estimator'?"),
        (val, ["run", "--jsn"], "no option --jsn. Did you mean '--json'?"),
        (parsed, ["--steps", "ten"], "--steps"),
        (parsed, ["--resume", "maybe"], "--resume"),
        (parsed, ["deterministic=perhaps"], "on or off; got 'perhaps'"),
        (parsed, ["--steps", "0"], "`steps` is from 1 to 99,999,999, in steps of training; got 0"),
        (parsed, ["--max-objects", "1", "--counts", "0", "2"], "at most 1 objects cannot learn"),
        (parsed, ["--steps"], "--steps"),
        (parsed, ["stray"], "stray"),
        (parsed, ["--model", "dari"], "Did you mean 'dair'?"),
        (parsed, ["--model", "dair(max_object=3)"], "max_object"),
        (parsed, ["--fit", "strech"], "--fit"),
        (val, [], "RUN"),
        (val, ["run", "--scenes-n", "0"], "`scenes_n` is from 1"),
        (count, [], "Counting needs pictures"),
        (count, ["a", "b"], "which are one folder"),
        (count, ["a", "--passes", "3"], "are for runs of models such as dair"),
    ],
)
def test_complaints_are_usage_errors_that_name_the_option(read, words, message, capsys):
    with pytest.raises(UsageError) as caught:
        read(words)
    assert message in str(caught.value)
    assert "│" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert capsys.readouterr() == ("", "")

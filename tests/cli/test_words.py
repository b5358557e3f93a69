import pytest

from subitize.cli.count import Count
from subitize.cli.train import Train
from subitize.cli.val import Val
from subitize.cli.words import parse
from subitize.core.errors import UsageError
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
    options = parse(Train, "train", words)
    assert options == Train(Recipe(steps=10, counts=(0, 1, 2), object_size=12.5), deterministic=True)


@pytest.mark.parametrize(
    "words", [["--count-prior", "geometric(rate=0.1)"], ["count-prior=geometric(rate=0.1)"]]
)
def test_a_value_may_hold_an_equals_sign(words):
    assert parse(Train, "train", words).recipe.count_prior == "geometric(rate=0.1)"


def test_the_defaults_are_those_of_the_recipe():
    assert parse(Train, "train", []) == Train(Recipe())


def test_paths_may_hold_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out=3").mkdir()
    options = parse(Count, "count", ["out=3", "a=b.png", "model=runs/x"])
    assert [str(path) for path in options.paths] == ["out=3", "a=b.png"]
    assert str(options.model) == "runs/x"


@pytest.mark.parametrize(
    ("kind", "verb", "words", "message"),
    [
        (Train, "train", ["--stepz", "10"], "no option --stepz. Did you mean '--steps'?"),
        (Train, "train", ["estimater=exact"], "no option --estimater. Did you mean '--estimator'?"),
        (Val, "val", ["run", "--jsn"], "no option --jsn. Did you mean '--json'?"),
        (Train, "train", ["--steps", "ten"], "--steps"),
        (Train, "train", ["--resume", "maybe"], "--resume"),
        (Train, "train", ["deterministic=perhaps"], "on or off; got 'perhaps'"),
        (Train, "train", ["--steps", "0"], "`steps` is from 1 to 99,999,999, in steps of training; got 0"),
        (Train, "train", ["--max-objects", "1", "--counts", "0", "2"], "at most 1 objects cannot learn"),
        (Train, "train", ["--steps"], "--steps"),
        (Train, "train", ["stray"], "stray"),
        (Val, "val", [], "RUN"),
        (Val, "val", ["run", "--scenes-n", "0"], "`scenes_n` is from 1"),
        (Count, "count", [], "Counting needs pictures and a model"),
        (Count, "count", ["a.png"], "Counting needs pictures and a model"),
    ],
)
def test_complaints_are_usage_errors_that_name_the_option(kind, verb, words, message, capsys):
    with pytest.raises(UsageError) as caught:
        parse(kind, verb, words)
    assert message in str(caught.value)
    assert "│" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert capsys.readouterr() == ("", "")

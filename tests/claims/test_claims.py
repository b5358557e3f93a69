"""Claims: verdicts follow from numbers, rehearsals run, and nothing done is done again."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from subitize.claims import CLAIMS, Claim, Condition, Finding, Lab, reproduce
from subitize.claims.generalisation import unseen
from subitize.claims.report import report
from subitize.cli import main
from subitize.core.errors import UsageError
from subitize.training.runs import WEIGHTS

AT_LEAST, AT_MOST = Condition("right (%)", "about 80", 85), Condition("right (%)", "", 20, at_most=True)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.mark.parametrize(
    ("condition", "values", "verdict"),
    [
        (AT_LEAST, [86, 88, 87], "agrees"),
        (AT_LEAST, [80, 81, 82], "disagrees"),
        (AT_LEAST, [84, 86, 85], "undecided"),
        (AT_LEAST, [99, 99], "undecided"),
        (AT_LEAST, [99, 99, float("nan")], "undecided"),
        (AT_LEAST, [85, 85, 85], "agrees"),
        (AT_MOST, [1, 2, 3], "agrees"),
        (AT_MOST, [30, 31, 32], "disagrees"),
        (AT_MOST, [10, 20, 30], "undecided"),
    ],
)
def test_verdicts(condition, values, verdict):
    assert condition.verdict(values) == verdict


def claim_of(measure, conditions):
    return Claim("two_sided", "One is high, one is low.", "nobody", conditions, 1, (0, 1, 2), measure)


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        ([90, 91, 92], [1, 2, 3], "agrees"),
        ([90, 91, 92], [40, 41, 42], "disagrees"),
        ([84, 86, 85], [1, 2, 3], "undecided"),
        ([84, 86, 85], [40, 41, 42], "disagrees"),
    ],
)
def test_a_claim_is_as_good_as_its_worst_condition(high, low, verdict, tmp_path):
    claim = claim_of(lambda lab: Finding({"high": high, "low": low}, {}), {"high": AT_LEAST, "low": AT_MOST})
    found = reproduce(claim, Lab(tmp_path, claim.seeds))
    assert found["verdict"] == verdict
    assert found == json.loads((tmp_path / "two_sided.json").read_text())
    text = report(tmp_path, tmp_path)
    assert text.count("\n| ") == 3, "a row for each condition, below the head"
    assert {"date", "cpu", "command", "commit"} <= set(found["provenance"])
    assert f"**{verdict.capitalize()}.**" in text
    assert "![" not in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("claims")


@pytest.mark.parametrize("name", CLAIMS)
def test_rehearsal(name, folder):
    """Every claim runs from end to end; all share one folder, and so the trainings that agree."""
    claim = CLAIMS[name]
    found = reproduce(claim, Lab(folder, claim.seeds[:1], tiny=True))
    assert found["verdict"] == "rehearsal"
    assert found["provenance"]["command"] == f"subitize reproduce {name} --tiny"
    assert found["minutes"] >= 0
    assert set(found["conditions"]) == set(claim.conditions)
    for condition in found["conditions"].values():
        assert len(condition["values"]) == 1
        assert np.isfinite(condition["values"]).all()
    if (folder / f"{name}.png").exists():
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width > 300
        assert f"]({name}.png)" in report(folder, folder)
    assert f"### {claim.statement}" in report(folder, folder)


def test_what_was_trained_is_not_trained_again(folder):
    claim, lines = CLAIMS["training_counts"], []
    lab = Lab(folder, claim.seeds[:1], tiny=True, say=lines.append)
    reproduce(claim, lab)
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"runs/*/{WEIGHTS}")}
    lines.clear()
    reproduce(claim, lab)
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob(f"runs/*/{WEIGHTS}")}
    assert not [line for line in lines if line.startswith("training")]


def test_what_was_shown_does_not_count_as_unseen():
    tables = [np.eye(4, dtype=int)]
    assert unseen(tables, 3, (0, 1, 2)) == [100.0]
    with pytest.raises(UsageError, match="not shown"):
        unseen(tables, 2, (0, 1, 2))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["extrapolate"], "Did you mean 'extrapolation'"),
        ([], "Which claim"),
        (["interpolation", "--seeds", "0"], "at least 1"),
    ],
)
def test_what_is_wrong_is_said(words, said, capsys, tmp_path):
    assert main(["reproduce", *words, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err

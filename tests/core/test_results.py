"""Results: a file comes back as it was, says where it was made, and is refused if damaged."""

import dataclasses
import json
from pathlib import Path

import pytest

from subitize.core.errors import UsageError
from subitize.core.provenance import provenance
from subitize.core.results import Result, as_json

ROOT = Path(__file__).parents[2]
COMMITTED = sorted([*ROOT.glob("benchmarks/results/*.json"), *ROOT.glob("experiments/results/**/*.json")])
MADE = {"device": "cpu", "cpu": "i386", "date": "1999-01-01", "commit": 40 * "a", "command": "make it"}


@pytest.fixture
def result():
    runs = ({"seed": 0, "right": 90.5}, {"seed": 1, "right": 91})
    return Result("found", provenance(), {"mean": 90.75, "curve": [[1, 2.5], []]}, runs, note="by hand")


def test_it_comes_back_as_it_was(result, tmp_path):
    path = result.write(tmp_path / "new folder")
    assert path.name == "found.json"
    assert Result.read(path) == result
    assert result.values("right") == [90.5, 91]


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: text.replace('"runs"', '"ruins"')])
def test_a_damaged_one_is_refused(damage, result, tmp_path):
    path = result.write(tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UsageError, match=r"found\.json holds no result"):
        Result.read(path)


def test_every_place_day_and_commit_is_named_once(result):
    other = MADE | {"date": "1999-01-02", "commit": None, "versions": {"subitize": "1.2"}}
    sat = dataclasses.replace(result, provenance=MADE, sittings=(MADE, MADE, other))
    assert sat.where() == "`make it`, cpu i386, 1999-01-01; cpu i386, 1999-01-02; aaaaaaa, version 1.2"
    assert dataclasses.replace(sat, sittings=()).where() == "`make it`, cpu i386, 1999-01-01; aaaaaaa"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_results_are_of_this_kind(path):
    found = Result.read(path)
    assert found.name == path.stem
    assert found.summary
    assert path.read_bytes() == as_json(dataclasses.asdict(found))


def test_lists_stand_in_a_line_and_nothing_is_lost():
    found = {"rows": [[1, 2.5], []], "said": ["a  [b", "c] {\n d"], "deep": [{"x": [None, True]}]}
    text = as_json(found).decode()
    assert json.loads(text) == found
    assert "[ 1, 2.5 ]" in text

"""How many a second, and how long the rest takes: of what this process did, not of what was there before."""

import itertools
from types import SimpleNamespace

import pytest

from subitize.cli import progress
from subitize.cli.progress import Watch


@pytest.mark.parametrize(
    ("things", "line"),
    [("pictures", "count: 150/1150  5.0 pictures/s  0:03:20 left"), (None, "count: 150/1150")],
)
def test_the_pace_is_that_of_this_sitting(things, line, capsys, monkeypatch):
    clock = itertools.chain([0.0, 100.0], itertools.repeat(110.0))  # made, first row, second row
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with Watch("count", things) as watch:
        watch({"step": 100, "steps": 1150})
        watch({"step": 150, "steps": 1150})
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_before_anything_is_done_there_is_no_pace(capsys):
    with Watch("count", "pictures") as watch:
        watch({"step": 7, "steps": 9})
        watch({"step": 7, "steps": 9})
    assert capsys.readouterr().err == "count: 7/9\n"

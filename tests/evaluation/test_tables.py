"""Rows that nothing in a name can break, and that a spreadsheet reads as text and numbers."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from subitize.evaluation.pictures import Counted
from subitize.evaluation.tables import (
    COUNTS,
    OBJECTS,
    TIMINGS,
    as_cell,
    as_lines,
    as_name,
    count_row,
    object_rows,
    timing_row,
    whole_rows,
)
from subitize.training.calibration import Calibration


def lines_of(text: str) -> io.StringIO:
    """As a file that is opened for reading gives them: a line feed alone ends one."""
    return io.StringIO(text, newline="\n")


NAMES = st.text(st.characters(codec="utf-8"), max_size=8) | st.text("=+-@'\"\t\r\n,;a", max_size=8)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=4))
@example([("a\rb", "a\r\nb"), ('"', '""\n'), ("\r", "\n")])
def test_any_text_is_one_cell_of_one_row(rows):
    text = as_lines(rows)
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))] == rows
    assert [tuple(row) for row in whole_rows(lines_of(text))] == rows


@given(st.lists(st.tuples(NAMES, NAMES), max_size=4), st.data())
def test_of_a_table_cut_anywhere_the_whole_rows_are_read(rows, data):
    lines = [as_lines([row]) for row in rows]
    cut = data.draw(st.integers(0, sum(map(len, lines))))
    whole = sum(cut >= sum(map(len, lines[: i + 1])) for i in range(len(lines)))
    assert [tuple(row) for row in whole_rows(lines_of("".join(lines)[:cut]))] == rows[:whole]


@given(NAMES)
def test_no_name_is_a_formula_and_every_name_comes_back(name):
    cell = as_cell(name)
    assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert as_name(cell) == name


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+2.png", "'=1+2.png"),
        ("-3.png", "'-3.png"),
        ("+a", "'+a"),
        ("@a", "'@a"),
        ("\ta", "'\ta"),
        ("'a", "''a"),
        ("a=1", "a=1"),
        ("Größe.png", "Größe.png"),
    ],
)
def test_a_formula_gets_an_apostrophe(name, cell):
    assert as_cell(name) == cell


SEEN = Counted(
    "=a.png",
    "low_confidence",
    picture=np.zeros((9, 12, 3)),
    posterior=np.array([0.1, 0.2, 0.7]),
    boxes=np.array([[0, 0.25, 4, 2.25], [5.06, 6, 8, 9]]),
    scores=np.array([0.9, 0.7]),
    rivals={"log": 4, "watershed": 3},
    ms=12.34,
)


def test_rows_by_hand(untrained):
    assert count_row(SEEN, untrained) == [
        *("'=a.png", "ok", 2, "1.600", 1, 2, 1, 2, "0.7000", 3, 4, "", "true", "low_confidence", 12, 9),
        *(untrained.path.name, "0" * 64),
    ]
    assert object_rows(SEEN) == [
        ["'=a.png", 1, "0.0", "0.2", "4.0", "2.0", "0.9000"],
        ["'=a.png", 2, "5.1", "6.0", "2.9", "3.0", "0.7000"],
    ]
    assert timing_row(SEEN) == ["'=a.png", "12.3"]
    wider = dataclasses.replace(SEEN, calibration=Calibration("0" * 64, 3.5, 19, ""))
    assert count_row(wider, untrained)[4:8] == [0, 5, 1, 2], "1.5 ± 3.5 beside what the model gives"
    failed = Counted("b.png", "empty", "b.png: the file has 0 bytes.")
    assert count_row(failed, untrained) == [
        *("b.png", "failed", *[""] * 10, "true", "empty", "", ""),
        *(untrained.path.name, "0" * 64),
    ]
    assert timing_row(failed) == ["b.png", ""]
    for head, row in ((COUNTS, count_row(SEEN, untrained)), (OBJECTS, object_rows(SEEN)[0])):
        assert len(head) == len(row)
    assert len(TIMINGS) == 2

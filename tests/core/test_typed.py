"""JSON becomes the dataclass that it was made of, or a complaint that names the field."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

import pytest

from subitize.core.typed import typed


@dataclass
class Inner:
    n: int
    word: str = ""


@dataclass
class Outer:
    inner: Inner
    other: Inner | None = None
    x: float = 0.0
    yes: bool = False
    several: tuple[int, ...] | None = None
    pairs: tuple[tuple[int, float], ...] = ()
    choice: Literal["a", 1] = "a"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"inner": {"n": -3, "word": "w"}, "other": {"n": 0}},
        {"x": 1, "yes": True, "choice": 1},
        {"several": [], "pairs": [[1, 2.0], [3, 4]]},
        {"several": [1, 2], "other": None},
    ],
    ids=str,
)
def test_what_json_holds_comes_back(values):
    whole = typed(Outer, {"inner": {"n": 1}} | values)
    assert isinstance(whole.inner, Inner)
    assert typed(Outer, json.loads(json.dumps(asdict(whole)))) == whole


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("n", {"n": value}) for value in (True, 1.0, "1", None, [])),
        ("word", {"n": 1, "word": 7}),
        *(("inner", value) for value in (None, [], 3)),
        ("other", {"n": 1, "more": 2}),
        *(("x", value) for value in (True, "1", None)),
        ("yes", 1),
        *(("several", value) for value in ([1.0], [True], [[1]], 1, "12", {})),
        *(("pairs", value) for value in ([1, 2.0], [[1]], [[1, 2.0, 3.0]], [["1", 2.0]])),
        *(("choice", value) for value in ("b", True, 1.0)),
    ],
)
def test_values_of_other_types_are_named(field, wrong):
    outer = "inner" if field in ("n", "word") else field
    with pytest.raises(TypeError, match=f"`{field}` is .*; got "):
        typed(Outer, {"inner": {"n": 1}} | {outer: wrong})


def test_fields_must_be_known_and_there():
    with pytest.raises(TypeError, match="Outer has no field 'more'"):
        typed(Outer, {"inner": {"n": 1}, "more": 2})
    with pytest.raises(TypeError, match="inner"):
        typed(Outer, {})


def test_however_deep_a_wrong_value_is_it_is_told_in_short():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeError) as error:
        typed(Inner, {"n": deep})
    assert len(str(error.value)) < 100
    while deep:  # or freeing it takes as many calls
        (deep,) = deep

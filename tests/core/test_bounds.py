"""Every number of every option has a bound, and what lies beyond is refused before anything is done."""

import dataclasses
import math
import re
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from subitize.cli.bench import Bench
from subitize.cli.count import Count
from subitize.cli.reproduce import Reproduce
from subitize.cli.sample import Sample
from subitize.cli.val import Val
from subitize.core.bounds import LARGEST_SEED, Bound, bounds_of
from subitize.core.errors import UsageError
from subitize.core.optimizer import Optimizer
from subitize.registry import LEARNERS
from subitize.training.plan import Plan
from subitize.training.recipe import Data, Loop

GOOD = {  # what has no default
    Plan: {"steps": 9, "batch_size": 2, "seed": 0, "steps_per_call": 3, "save_every": 3},
    Data: {},
    Loop: {},
    Optimizer: {},
    **{LEARNERS[name]: {} for name in LEARNERS},
    Val: {"run": Path("run")},
    Count: {"paths": (Path("a.png"),), "model": Path("run")},
    Sample: {"run": Path("run")},
    Bench: {},
    Reproduce: {},
}


def numbers(kind: type) -> dict[str, type]:
    """The fields that hold numbers: whole ones, or any."""
    hints = get_type_hints(kind)
    words = {field.name: str(hints[field.name]) for field in dataclasses.fields(kind)}
    return {
        name: number
        for name, word in words.items()
        for number in (int, float)
        if number.__name__ in re.findall(r"\w+", word)
    }


def beyond(bound: Bound, number: type) -> list[float | int]:
    """Values that lie outside."""
    if number is int:
        return [10**30, int(bound.most) + 1, int(bound.least) - 1, -(10**30)]
    below = [0.0] if bound.least > 0 else []
    return [1e30, math.nextafter(bound.most, math.inf), -1.0, math.nan, math.inf, -math.inf, *below]


CASES = [
    (kind, name, value)
    for kind in GOOD
    for name, number in numbers(kind).items()
    for value in beyond(bounds_of(kind)[name], number)
]


@pytest.mark.parametrize("kind", GOOD)
def test_all_numbers_have_bounds_and_all_bounds_a_number(kind):
    assert set(bounds_of(kind)) == set(numbers(kind))


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_usual_lies_within(kind):
    options = kind(**GOOD[kind])
    for field in dataclasses.fields(kind):
        bound, value = bounds_of(kind).get(field.name), getattr(options, field.name)
        values = value if isinstance(value, tuple) else (value,)
        assert bound is None or all(value is None or bound.holds(value) for value in values)


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_what_lies_beyond_is_refused_by_its_name(kind, name, value):
    of = get_type_hints(kind)[name]
    length = 1 if ... in get_args(of) else sum(each is not type(None) for each in get_args(of))
    given = (value,) * max(length, 1) if "tuple" in str(of) else value
    with pytest.raises(UsageError, match=f"`{name}` is from .* to .*; got ") as error:
        kind(**GOOD[kind] | {name: given})
    assert len(str(error.value)) < 150


def test_the_largest_seed_is_the_largest_integer_of_a_device():
    assert np.iinfo(np.int32).max == LARGEST_SEED


def test_a_whole_number_may_be_its_bound():
    for bound in (bound for kind in GOOD for bound in bounds_of(kind).values()):
        assert bound.holds(bound.least)
        assert bound.holds(bound.most)

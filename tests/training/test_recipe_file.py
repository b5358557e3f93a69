"""A recipe on disk is the one that was written, or it is refused."""

import dataclasses
import json

import pytest

from subitize.core.errors import CheckpointError
from subitize.training.recipe import RECIPE, Recipe, read_recipe

RECIPE_OF_A_RUN = Recipe(counts=(0, 1, 2), object_size=21.3, sums=8, summands=2, fit="resize", seed=7)
VALUES = json.loads(json.dumps(dataclasses.asdict(RECIPE_OF_A_RUN)))


def flipped(data: bytes, every: int) -> list[bytes]:
    """The same with one bit turned over, for every so manieth bit."""
    number = int.from_bytes(data)
    return [(number ^ (1 << bit)).to_bytes(len(data)) for bit in range(0, 8 * len(data), every)]


def test_no_flipped_bit_makes_another_recipe():
    data = RECIPE_OF_A_RUN.to_json().encode()
    refused = 0
    for other in flipped(data, every=7):
        try:
            assert Recipe.from_json(other) == RECIPE_OF_A_RUN, other
        except CheckpointError:
            refused += 1
    assert refused > 700  # the others turned blanks


def test_a_recipe_from_before_there_were_digests_opens():
    assert Recipe.from_json(json.dumps(VALUES)) == RECIPE_OF_A_RUN
    for missing in VALUES:
        with pytest.raises(CheckpointError):
            Recipe.from_json(json.dumps({k: v for k, v in VALUES.items() if k != missing}))


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("wrong", [True, ["a"], {}], ids=str)
def test_values_of_wrong_types_are_refused(field, wrong):
    with pytest.raises(CheckpointError, match=f"`{field}` is "):
        Recipe.from_json(json.dumps(VALUES | {field: wrong}))


def test_the_file_is_named(tmp_path):
    (tmp_path / RECIPE).write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=RECIPE):
        read_recipe(tmp_path)

"""A recipe on disk is the one that was written, or it is refused."""

import json

import pytest

from subitize.core.errors import CheckpointError
from subitize.core.sealed import seal
from subitize.core.specs import FORMER_OPTIONS
from subitize.training.recipe import OLD_FIELDS, RECIPE, Recipe, read_recipe

CHOSEN = {
    "counts": (0, 1, 2),
    "object_size": 21.3,
    "sum_scenes": 8,
    "summands": 2,
    "fit": "resize",
    "seed": 7,
}
RECIPE_OF_A_RUN = Recipe.of("dair", **CHOSEN)
CONTENT = {k: v for k, v in json.loads(RECIPE_OF_A_RUN.to_json()).items() if k != "digest"}
FORMER = {now: then for then, now in FORMER_OPTIONS.items()}
BEFORE = {  # what it was in the last release
    section: {FORMER.get(name, name): value for name, value in own.items()}
    for section, own in CONTENT.items()
}
OLD = {  # what it was before it had sections
    **{name: value for section in BEFORE.values() for name, value in section.items() if name in OLD_FIELDS},
    "model": "dair",
}


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


def test_a_recipe_from_before_there_were_digests_and_sections_opens():
    assert Recipe.from_json(json.dumps(OLD)) == RECIPE_OF_A_RUN
    for missing in OLD:
        with pytest.raises(CheckpointError):
            Recipe.from_json(json.dumps({k: v for k, v in OLD.items() if k != missing}))


def test_a_recipe_and_options_of_the_last_release_are_understood():
    assert set(FORMER) & {name for own in BEFORE.values() for name in own} == set()
    assert Recipe.from_json(seal(BEFORE)) == RECIPE_OF_A_RUN
    now = Recipe.of("air(what_dim=3)", sum_scenes=0, eval_every=7, batch_size=5, lr_hold_fraction=0.5)
    assert Recipe.of("air(what=3)", sums=0, look_every=7, batch=5, hold=0.5) == now
    assert now.replace(clip=1.0) == now.replace(grad_clip_norm=1.0)


@pytest.mark.parametrize("field", sorted(set(OLD) - {"model"}))
@pytest.mark.parametrize("wrong", [True, ["a"], {}], ids=str)
def test_values_of_wrong_types_are_refused(field, wrong):
    with pytest.raises(CheckpointError, match=f"`{FORMER_OPTIONS.get(field, field)}` is "):
        Recipe.from_json(json.dumps(OLD | {field: wrong}))
    field = FORMER_OPTIONS.get(field, field)
    home = RECIPE_OF_A_RUN.homes()[field]
    with pytest.raises(CheckpointError, match=f"`{field}` is "):
        Recipe.from_json(seal(CONTENT | {home: CONTENT[home] | {field: wrong}}))


@pytest.mark.parametrize("model", ["airr", 3, None, [], {}], ids=str)
def test_a_model_that_does_not_exist_is_refused(model):
    with pytest.raises(CheckpointError):
        Recipe.from_json(json.dumps(OLD | {"model": model}))
    with pytest.raises(CheckpointError):
        Recipe.from_json(seal(CONTENT | {"model": CONTENT["model"] | {"name": model}}))


@pytest.mark.parametrize("section", CONTENT)
@pytest.mark.parametrize("damage", [None, 3, [], {"option_that_is_not": 1}], ids=str)
def test_damaged_sections_are_refused(section, damage):
    with pytest.raises(CheckpointError):
        Recipe.from_json(seal(CONTENT | {section: damage}))
    with pytest.raises(CheckpointError):
        Recipe.from_json(seal({k: v for k, v in CONTENT.items() if k != section}))


def test_the_file_is_named(tmp_path):
    (tmp_path / RECIPE).write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=RECIPE):
        read_recipe(tmp_path)

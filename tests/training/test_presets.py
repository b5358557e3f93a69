"""Presets: named sets of options of a model."""

import pytest

from subitize.cli.train import parsed
from subitize.core.errors import UsageError
from subitize.training.recipe import Recipe


def test_a_preset_sets_options_and_what_is_given_wins():
    fast, usual = Recipe.of("air", preset="fast"), Recipe.of("air")
    assert {"steps", "eval_every", "lr_hold_fraction"} == set(fast.changed_from(usual))
    assert fast.loop.steps < usual.loop.steps
    assert Recipe.of("air", preset="fast", steps=700).loop.steps == 700


def test_a_preset_that_a_model_lacks_is_refused_by_those_it_has():
    with pytest.raises(UsageError, match="'air' has no preset 'slow'; it has: fast"):
        Recipe.of("air", preset="slow")
    with pytest.raises(UsageError, match="'dair' has no preset 'fast'; it has: none"):
        Recipe.of("dair", preset="fast")


def test_the_command_knows_presets():
    assert parsed(["--preset", "fast"]).recipe == Recipe.of(preset="fast")
    assert parsed(["--preset", "fast", "--steps", "50"]).recipe == Recipe.of(preset="fast", steps=50)

"""Light adds up, or does not, in drawn folders of each kind."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from subitize.models.catalogue.harvest import lone_objects
from subitize.models.catalogue.light import light_of
from subitize.models.catalogue.normalize import appearance

EXAMPLE = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "write_fields.py"))


@pytest.mark.parametrize("kind", EXAMPLE["KINDS"])
def test_light_adds_in_the_folder_where_it_was_drawn_so(kind):
    rng = np.random.default_rng(7)
    greys = [EXAMPLE["field"](kind, rng)[0].astype(np.float32) for _ in range(2)]
    normalizer = appearance(greys)
    pictures = [normalizer(grey).pixels for grey in greys]
    assert light_of(pictures, lone_objects(pictures)) == ("adds" if kind == "overlapping" else "covers")


def test_a_few_objects_tell_nothing():
    rng = np.random.default_rng(7)
    grey = EXAMPLE["field"]("overlapping", rng, 256)[0].astype(np.float32)
    picture = appearance([grey])(grey).pixels
    assert light_of([picture], lone_objects([picture])) == "covers"
    assert light_of([picture], []) == "covers"

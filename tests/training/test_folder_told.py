"""Training tells what in its folder it does not learn from."""

import numpy as np
import pytest
from PIL import Image

from subitize.training import Recipe, train


class EnoughHeard(Exception):
    """All was said that is said before the first step."""


def test_what_is_left_out_of_a_folder_is_told(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(6):
        values = np.zeros((40, 40), np.uint8)
        values[8:20, 9:21] = 200
        Image.fromarray(values).save(pictures / f"{i}.png")
    (pictures / "notes.txt").touch()
    (pictures / "broken.png").touch()
    heard = []

    def watch(row):
        heard.append(row.get("event") or "")
        if heard[-1].startswith("window:"):
            raise EnoughHeard

    recipe = Recipe.of("dair", scenes=str(pictures), canvas=40, max_objects=1, steps=1)
    with pytest.raises(EnoughHeard):
        train(recipe, tmp_path / "run", watch=watch)
    assert "left out files that are no pictures by their suffix: 1 .txt" in heard
    assert any(event.startswith("left out 1 that cannot be read") for event in heard)

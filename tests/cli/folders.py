"""Folders of pictures, and of counts, that several tests of the command line need."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_many(folder: Path, number: int) -> Path:
    """So many pictures of one thing each that what is to happen meanwhile does."""
    rng = np.random.default_rng(0)
    for i in range(number):
        values = np.zeros((40, 40), np.uint8)
        y, x = rng.integers(2, 25, 2)
        values[y : y + 12, x : x + 9] = rng.integers(120, 255)
        Image.fromarray(values).save(folder / f"{i:03d}.png")
    return folder


def contents(out: Path) -> dict[str, bytes]:
    """All files but the clock's, by their names."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "timings.csv")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}

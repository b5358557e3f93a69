"""Where do the images go that are made of each picture, and how are they saved?

overlays/NAME.png   the picture with its windows
labels/NAME.tif     which pixels are of which object: 0 for ground, 1, 2, … as in objects.csv; 16 bits,
or 32 if there are more objects than that
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from subitize.core.files import PARTIAL
from subitize.core.picture_files import LABELS, OVERLAYS

SAVED = {OVERLAYS: ".png", LABELS: ".tif"}  # folders of images, and their suffix
FORMATS = {".png": "PNG", ".tif": "TIFF"}
LONGEST_NAME = 255  # bytes, on most file systems


def image_paths(folder: Path, names: Sequence[str]) -> list[Path]:
    """Where the images of a folder are, of pictures with these names."""
    return [folder / place for place in image_places(names, SAVED[folder.name])]


def image_places(names: Sequence[str], suffix: str) -> list[str]:
    """Where images go below their folder: to the pictures' own names, ending so; never two to one."""
    folders = {str(parent) for name in names for parent in PurePath(name).parents}
    places: dict[str, None] = {}
    for name in names:
        place = shortened(name if name.lower().endswith(suffix) else f"{name}{suffix}", suffix)
        while place in places or place in folders:
            place = shortened(f"{place}{suffix}", suffix)
        places[place] = None
    return list(places)


def shortened(name: str, suffix: str) -> str:
    """A name whose last part a file system takes: a long one ends in its hash."""
    path = PurePath(name)
    if len(os.fsencode(path.name)) <= LONGEST_NAME:
        return name
    short = os.fsencode(path.name)[:200].decode("utf-8", "ignore")
    return str(path.with_name(f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:16]}{suffix}"))


def save_image(image: Image.Image, path: Path) -> None:
    """Save an image in the format of its suffix; it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # unlike that of any other picture, which another process may write at the same time
    own = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.parent / f".{own}{PARTIAL}"
    try:
        image.save(partial, format_of(path), compress_level=3)  # of PNG: twice as fast as usual, as small
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def format_of(path: Path) -> str:
    """The format of an image file, by how its name ends."""
    return next(word for suffix, word in FORMATS.items() if path.name.lower().endswith(suffix))


def label_image(labels: np.ndarray) -> Image.Image:
    """Labels [height, width] as an image that napari and ImageJ open."""
    return Image.fromarray(labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.int32))

"""Where does the overlay of each picture go, and how is it saved?"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from PIL import Image

from subitize.core.files import PARTIAL

LONGEST_NAME = 255  # bytes, on most file systems


def overlay_places(names: Sequence[str]) -> list[str]:
    """Where overlays go below their folder: to the pictures' own names, ending in .png; never two to one."""
    folders = {str(parent) for name in names for parent in PurePath(name).parents}
    places: dict[str, None] = {}
    for name in names:
        place = shortened(name if name.lower().endswith(".png") else f"{name}.png")
        while place in places or place in folders:
            place = shortened(f"{place}.png")
        places[place] = None
    return list(places)


def shortened(name: str) -> str:
    """A name whose last part a file system takes: a long one ends in its hash."""
    path = PurePath(name)
    if len(os.fsencode(path.name)) <= LONGEST_NAME:
        return name
    short = os.fsencode(path.name)[:200].decode("utf-8", "ignore")
    return str(path.with_name(f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.png"))


def save_overlay(picture: Image.Image, path: Path) -> None:
    """Save an overlay; it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # unlike that of any other picture, which another process may write at the same time
    own = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.parent / f".{own}{PARTIAL}"
    try:
        picture.save(partial, "PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

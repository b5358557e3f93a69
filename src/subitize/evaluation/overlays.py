"""Where does the overlay of each picture go, and how is it saved?"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from PIL import Image

from subitize.core.files import PARTIAL

LONGEST_NAME = 255  # bytes, on most file systems


def overlay_paths(folder: Path, names: Sequence[str]) -> list[Path]:
    """Where overlays go: to the pictures' own names, with .png at the end; never two to one."""
    folders = {str(parent) for name in names for parent in PurePath(name).parents}
    paths: dict[str, None] = {}
    for name in names:
        place = shortened(name if name.lower().endswith(".png") else f"{name}.png")
        while place in paths or place in folders:
            place = shortened(f"{place}.png")
        paths[place] = None
    return [folder / place for place in paths]


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
    partial = path.parent / f".overlay{PARTIAL}"
    try:
        picture.save(partial, "PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""Datasets of scenes: images that know how many objects are in them.

    base       what a scene is, and what any dataset of scenes answers
    digits     scikit-learn's bundled digits: no download, the default
    mnist      the scenes on which the field compares
    sprites    coloured shapes from formulas
    dots       shapes whose total area and field do not betray their number
    omniglot   single characters, drawn by many hands, whose strokes nobody counted
    folder     a folder of somebody's pictures, with no truth in it
    salient    photographs with the number of what strikes the eye, for those who have that set
    bits       single digits or characters in black and white, on which likelihoods are compared
    images     the same in grey

    layout     counts, canvas, sizes: what can be asked for     painting   throwing objects onto a canvas
    glyphs     a stored digit at any side                       idx        MNIST's files
    stack      pictures as they are, one at a time              files      where a data set's files are

`SCENES` lists the families that know their own count; what is listed there is held to the laws of
`tests/laws/test_scenes.py`. `DATASETS` has besides those that do not. `load` finds a dataset by its name or
by the path of a folder.
"""

import inspect
import os
from pathlib import Path
from typing import Any

from subitize.core.errors import NoInputError, UsageError, did_you_mean
from subitize.scenes.base import AbstractScenes, Scene
from subitize.scenes.digits import Digits
from subitize.scenes.dots import Dots
from subitize.scenes.folder import Folder
from subitize.scenes.mnist import MNIST
from subitize.scenes.omniglot import Omniglot
from subitize.scenes.salient import INDEX, Salient
from subitize.scenes.single_images import BinarizedImages, GreyImages
from subitize.scenes.sprites import Sprites

__all__ = [
    "DATASETS",
    "MNIST",
    "SCENES",
    "AbstractScenes",
    "BinarizedImages",
    "Digits",
    "Dots",
    "Folder",
    "GreyImages",
    "Omniglot",
    "Salient",
    "Scene",
    "Sprites",
    "load",
]

SCENES = {family.family: family for family in (MNIST, Digits, Sprites, Dots)}
DATASETS = SCENES | {
    Omniglot.family: Omniglot,
    BinarizedImages.family: BinarizedImages,
    GreyImages.family: GreyImages,
}


def load(name_or_path: str | Path, split: str = "train", **options: Any) -> AbstractScenes:
    """A dataset of scenes by its word (a key of `DATASETS`) or by the path of a folder.

    Args:
        name_or_path: a word in `DATASETS`, which wins over a folder of that name (`./mnist` is the folder).
            A folder with the index of the salient object subitizing set is read as that set.
        split: "train" or "test".
        **options: of that family, such as `counts`, `canvas`, `size`; a family's own defaults otherwise.

    Raises:
        UsageError: the word is misspelt, or the family has no such option.
        NoInputError: the path does not exist, or its pictures cannot be read.
    """
    known, path = DATASETS.get(str(name_or_path)), Path(name_or_path)
    if known is None and not path.is_dir():
        raise refusal(str(name_or_path), path)
    of_folder = Salient if (path / INDEX).is_file() else Folder
    family = known or of_folder
    takes = [
        name
        for name in inspect.signature(family.__init__).parameters
        if name not in ("self", "path", "split")
    ]
    for option in options:
        if option not in takes:
            hint = did_you_mean(option, takes)
            raise UsageError(
                f"{family.__name__} has no option `{option}`.{hint} It takes {', '.join(takes)}."
            )
    return family(split, **options) if known else of_folder(path, split, **options)


def refusal(word: str, path: Path) -> UsageError | NoInputError:
    """What to say about a word that is neither a family nor a folder."""
    if path.exists():
        return UsageError(
            f"Scenes come from a folder of pictures; {word} is a file. Give the folder it is in."
        )
    if os.sep in word:
        return NoInputError(
            f"Scenes come from a folder of pictures; there is no folder {word}. Give one that exists."
        )
    return UsageError(
        f"There are no scenes called '{word}'.{did_you_mean(word, DATASETS)} Use {', '.join(DATASETS)}, "
        f"or the path of a folder of pictures."
    )

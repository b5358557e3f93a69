"""How does a folder of pictures become scenes composed of its own objects?

The folder is read, or enough of it: `PICTURES` of its pictures, more if they are small, fewer if they are
large, evenly spread over their names. They are normalized, and lone objects and bare ground are harvested
(`subitize.models.catalogue`).
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from subitize.core.errors import NoInputError, printable
from subitize.core.image_io import PictureError, read_picture
from subitize.core.interfaces import Batch
from subitize.core.json import JSON
from subitize.core.picture_files import FoundPictures, find_pictures, paged, state_of
from subitize.models.catalogue.channel import chosen_channel, grey_of
from subitize.models.catalogue.compose import Bank, bank_of, example
from subitize.models.catalogue.harvest import CROP, Lone, lone_objects
from subitize.models.catalogue.light import light_of
from subitize.models.catalogue.normalize import AREA, Known, Normalizer, appearance
from subitize.models.catalogue.shapes import Shapes, shapes_of
from subitize.scenes.base import AbstractScenes, Scene

Light = Literal["adds", "covers"]
PICTURES, FEW_PIXELS = 40, 4_000_000  # enough to learn from, if they have so many pixels together
MOST, PIXELS = 400, 40_000_000  # more are never read, about
FEWEST, FEW = 3, 15  # lone objects: below the first nothing is learned, below the second all is doubtful
RESIZED = (0.6, 1.4)  # how far the area of lone objects may correct the diameter


@dataclasses.dataclass(frozen=True, eq=False)
class Harvest:
    """What a folder's pictures gave.

    Attributes:
        files: names of the pictures that were read.
        skipped: (name, why) of each that could not be read.
        remarks: lines on what else was left out.
        channel: what of their colours is looked at.
        normalizer: brings pictures to normalized ones.
        pictures: the normalized ones.
        objects: lone objects in them.
        light: adds, or covers, where objects overlap.
    """

    files: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    channel: str
    normalizer: Normalizer
    pictures: tuple[np.ndarray, ...]
    objects: tuple[Lone, ...]
    light: Light

    @property
    def known(self) -> Known:
        """What is known of the objects: given the same, the same is harvested."""
        n = self.normalizer
        return Known(n.diameter, n.dark, n.brightness)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the normalized pictures."""
        return hashlib.sha256(b"".join(each.tobytes() for each in self.pictures)).hexdigest()

    @cached_property
    def bank(self) -> Bank:
        """All that scenes are composed of."""
        return bank_of(self.pictures, self.objects, 0, adds=self.light == "adds")

    @cached_property
    def shapes(self) -> Shapes:
        """What stands out of the pictures."""
        return shapes_of(self.pictures)

    def with_light(self, light: Light) -> "Harvest":
        """The same, whatever was measured of the light."""
        return self if light == self.light else self._with_other_light

    @cached_property
    def _with_other_light(self) -> "Harvest":
        return dataclasses.replace(self, light="covers" if self.light == "adds" else "adds")


class ComposedScenes(AbstractScenes):
    """Scenes composed of a folder's own objects and grounds.

    Args:
        harvest: what the folder's pictures gave.
        path: the folder.
        split: "train" or "test": other scenes of the same objects.
    """

    bank: Bank
    harvest: Harvest = eqx.field(static=True)
    path: str = eqx.field(static=True)
    split: str = eqx.field(static=True)
    height: ClassVar[int] = CROP
    width: ClassVar[int] = CROP
    channels: ClassVar[int] = 1
    counts: ClassVar[tuple[int, ...]] = ()
    has_truth: ClassVar[bool] = False
    family: ClassVar[str] = "composed"

    def __init__(self, harvest: Harvest, path: str, split: str):
        self.bank, self.harvest, self.path, self.split = harvest.bank, harvest, path, split

    @property
    def name(self) -> str:
        """The path of the folder."""
        return self.path

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the pictures it is made of."""
        return self.harvest.digest

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(name, why) of each file that could not be read."""
        return self.harvest.skipped

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines on what else in the folder was left out."""
        return self.harvest.remarks

    def options(self) -> JSON:
        """None: the folder says it all."""
        return {}

    def scene(self, key: PRNGKeyArray) -> Scene:
        """One composed scene; what it holds is known per cell, as `examples` tells."""
        image, _ = example(self.bank, key)
        return Scene(image[..., None], jnp.array(-1), jnp.zeros((0, 4)), jnp.zeros(0, int))

    def batch(
        self, seed: int | np.integer | Int[Array, ""], indices: Int[Array | np.ndarray, "batch"]
    ) -> Scene:
        """Composed scenes, the same that `examples` gives."""
        images, n = self.examples(seed, jnp.asarray(indices)).image, len(indices)
        return Scene(images, jnp.full(n, -1), jnp.zeros((n, 0, 4)), jnp.zeros((n, 0), int))

    def examples(self, seed: int | np.integer | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Composed scenes, labelled per cell: present, row, column, and whether that is known."""
        root = jr.fold_in(jr.key(seed), self.split == "test")
        # one after the other: side by side, every slice would become a gather
        image, labels = jax.lax.map(lambda index: example(self.bank, jr.fold_in(root, index)), indices)
        return Batch(image[..., None], indices, labels)


def composed_scenes(
    path: str, split: str, given: Known, channel: str | None, light: Light | None = None
) -> ComposedScenes:
    """The scenes of a folder.

    Args:
        path: of the folder.
        split: "train" or "test".
        given: what is known of its objects; the rest is measured.
        channel: what of the colours to look at; chosen if None.
        light: adds, or covers; measured if None.

    Raises:
        NoInputError: there is no picture that can be read, or next to nothing in them lies alone.
    """
    found = harvested(path, given, channel)
    if len(found.objects) < FEWEST:
        ground = "bright" if found.normalizer.dark else "dark"
        raise NoInputError(
            f"Some objects must lie alone somewhere in {printable(path)}, since scenes are composed of them; "
            f"{len(found.objects)} were found. They were looked for on a {ground} ground, about "
            f"{found.normalizer.diameter:.0f} pixels across. If that is wrong, crop the pictures to what "
            "objects lie on, or give `--ground` and `--diameter`. Else add pictures in which objects lie "
            "apart, count by `--model watershed`, which learns nothing, or train `--model dair`."
        )
    return ComposedScenes(found.with_light(light or found.light), path, split)


_last: dict[tuple, Harvest] = {}  # of one folder, by its state, what was given, and what was found


def harvested(path: str, given: Known, channel: str | None) -> Harvest:
    """What a folder's pictures give; they are read once while they stay as they are."""
    found = find_pictures([Path(path)])
    state = path, state_of(found.files), tuple(found.remarks())
    harvest = _last.get((*state, given, channel))
    if harvest is None:
        harvest = harvest_of(path, found, given, channel)
        _last.clear()
        _last[*state, given, channel] = _last[*state, harvest.known, harvest.channel] = harvest
    return harvest


def harvest_of(path: str, found: FoundPictures, given: Known, channel: str | None) -> Harvest:
    """What a folder's pictures give."""
    pictures, skipped = read_some(found.files)
    if not pictures:
        raise NoInputError(
            f"Pictures are needed, but none in {printable(path)} can be read; the first: {skipped[0][1]}"
        )
    channel = channel or chosen_channel(list(pictures.values()))
    greys = [grey_of(each, channel) for each in pictures.values()]
    normalizer, normalized, objects = measured(greys, given)
    remarks = (*found.remarks(), *learned_from(len(pictures), len(found.files)))
    light = light_of(normalized, objects)
    parts = tuple(pictures), skipped, remarks, channel, normalizer, tuple(normalized), tuple(objects), light
    return Harvest(*parts)


def read_some(
    files: Sequence[tuple[Path, str]],
) -> tuple[dict[str, np.ndarray], tuple[tuple[str, str], ...]]:
    """Pictures by their names, as many as are learned from, and (name, why) of those that cannot be read."""
    sources = paged([files[i] for i in sorted(scattered(len(files))[:MOST])], "each")
    pictures, skipped, read = {}, [], 0
    for i in scattered(len(sources))[:MOST]:
        if read > (PIXELS if len(pictures) < PICTURES else FEW_PIXELS):
            break
        file, name = sources[i]
        try:
            pictures[i] = read_picture(file).pixels
            read += pictures[i].size
        except PictureError as error:
            skipped.append((name, str(error)))
    return {sources[i][1]: pictures[i] for i in sorted(pictures)}, tuple(skipped)


def learned_from(read: int, there: int) -> list[str]:
    """A line on how many pictures are learned from, if not all are."""
    return [f"learns from {read} of {there} pictures"] * (read < there)


def scattered(number: int) -> list[int]:
    """The numbers below one, in an order of which each beginning is spread evenly (van der Corput 1935)."""
    bits = number.bit_length()
    mirrored = (int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits))
    return [k for k in mirrored if k < number]


def measured(greys: Sequence[np.ndarray], given: Known) -> tuple[Normalizer, list[np.ndarray], list[Lone]]:
    """The normalizer of grey pictures, the normalized ones, and the lone objects in them.

    The first diameter is that of the largest disc inside an object; then that of a disc of its area.
    """
    normalizer = appearance(greys, given)
    pictures = [normalizer(grey).pixels for grey in greys]
    objects = lone_objects(pictures)
    if given.diameter is None and objects:
        area = float(np.median([each.area for each in objects]))
        factor = float(np.clip((AREA / area) ** 0.5, *RESIZED))
        normalizer = dataclasses.replace(normalizer, diameter=normalizer.diameter / factor)
        pictures = [normalizer(grey).pixels for grey in greys]
        objects = lone_objects(pictures)
    return normalizer, pictures, objects

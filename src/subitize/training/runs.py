"""Runs: what happened, as files.

    recipe.json           everything that decides the outcome; replayable
    provenance.json       versions, device, seed: where it was made
    records.jsonl         one row per chunk of steps; no clock times, so equal runs have equal records
    timings.jsonl         the clock times
    checkpoints/          to go on from
    weights.safetensors   the trained model, with its settings; loading it runs no code
    pictures/             made from the above

Figures, tables and verdicts read these files only.
"""

import dataclasses
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from subitize import scenes
from subitize.core.errors import CheckpointError, NoInputError, UsageError
from subitize.models.air import AIR, AIRSettings
from subitize.models.look import Look
from subitize.training.checkpoint import named_leaves, sha256, write_atomically
from subitize.training.recipe import Recipe
from subitize.training.records import read_rows, training_seconds

WEIGHTS = "weights.safetensors"
LOOKED_AT_ONCE = 16  # pictures per call of the compiled look, unless there is only one


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model and the folder it came from.

    Attributes:
        path: of the run folder.
        recipe: how it was trained.
        model: the trained AIR.
        digest: SHA-256 of its weights file, in hexadecimal.
    """

    path: Path
    recipe: Recipe
    model: AIR
    digest: str

    def scenes(self, split: str = "test") -> scenes.AbstractScenes:
        """The world it was trained on, or its held-out half."""
        return scenes.load(self.recipe.scenes, split, **self.recipe.scene_options())

    def records(self) -> list[dict[str, Any]]:
        """Rows of the training record."""
        return read_rows(self.path)

    def extended(self, max_objects: int | None = None, looks: int = 1) -> "Run":
        """The same run, whose model takes up to another number of steps, or looks more than once.

        Raises:
            UsageError: the model cannot do that; see `AIR.extended`.
        """
        return dataclasses.replace(self, model=self.model.extended(max_objects, looks))

    def seconds(self) -> float:
        """Seconds of training: compilation included, and what interruptions made it do twice."""
        return training_seconds(self.path)

    def look(self, images: np.ndarray) -> Look:
        """Count what is in pictures. Deterministic, and the same whatever else is in the batch.

        Args:
            images: [n, height, width, channels], brightness 0 … 1 on black, of the model's own size.

        Returns:
            A `Look` of numpy arrays, each with a leading axis n.

        Raises:
            UsageError: the pictures are not of the model's size.
        """
        s = self.model.settings
        if images.ndim != 4 or images.shape[1:] != (s.height, s.width, s.channels):
            raise UsageError(
                f"This model looks at pictures of {s.height}x{s.width} pixels and {s.channels} channels; "
                f"got an array of shape {images.shape}. Bring them to size first (`Preprocessor`)."
            )
        at_once = 1 if len(images) == 1 else LOOKED_AT_ONCE
        looks = [look_at(self.model, batch, number) for batch, number in batches(images, at_once)]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(images)], *looks)


def batches(images: np.ndarray, size: int) -> Iterator[tuple[jax.Array, int]]:
    """Pictures, at least one batch of `size` of them, and how many there are; the last one is padded."""
    for start in range(0, max(len(images), 1), size):
        batch = np.zeros((size, *images.shape[1:]), np.float32)
        number = len(images[start : start + size])
        batch[:number] = images[start : start + size]
        yield jnp.asarray(batch), number


@jax.jit
def look_at(model: AIR, images: jax.Array, number: jax.Array | int) -> Look:
    """`AIR.look` at the first `number` pictures, one after the other; they cost what they cost.

    In a batch the last bits of a sum depend on a picture's place there; alone they depend on nothing else,
    so that a broken file in a folder changes not a digit of the others. The number is no constant, or a loop
    of one turn would be compiled as none, perhaps to other bits.
    """
    shapes = jax.eval_shape(model.look, images[0])
    unseen = jax.tree.map(lambda shape: jnp.zeros((len(images), *shape.shape), shape.dtype), shapes)

    def look(i: jax.Array, looks: Look) -> Look:
        return jax.tree.map(lambda all_, one: all_.at[i].set(one), looks, model.look(images[i]))

    return jax.lax.fori_loop(0, number, look, unseen)


def open_run(path: str | Path, max_objects: int | None = None, looks: int = 1) -> Run:
    """Open a finished run.

    Args:
        path: its folder.
        max_objects: the most objects to look for, if not as in training.
        looks: how often to look at a picture.

    Raises:
        UsageError: the model cannot look for so many objects, or so often.
        NoInputError: there is no run there.
        CheckpointError: its weights are damaged, or not of its recipe.
    """
    path = Path(path)
    if not (path / "recipe.json").is_file():
        raise NoInputError(f"A run is a folder that `subitize train` made; there is none at {path}.")
    recipe = Recipe.from_json((path / "recipe.json").read_text())
    if not (path / WEIGHTS).is_file():
        raise CheckpointError(
            f"The run {path} has no {WEIGHTS}: its training did not end. "
            f"Finish it with `subitize train --out {path} --resume auto` and the same options."
        )
    model, digest = load_weights(path / WEIGHTS)
    decided = ("model", "max_objects", "what", "pixel_deviation", "object_size", "count_prior")
    if any(getattr(recipe, name) != getattr(model.settings, name) for name in decided):
        raise CheckpointError(f"The weights in {path} are of another recipe than its recipe.json.")
    return Run(path, recipe, model, digest).extended(max_objects, looks)


def save_weights(path: Path, model: AIR) -> None:
    """Write a model as safetensors, its settings and a digest of the arrays in the header."""
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(model).items()}
    settings = json.dumps(dataclasses.asdict(model.settings))
    header = {"settings": settings, "digest": digest_of(settings, arrays)}
    # one entry, because safetensors writes several in no fixed order, and equal models make equal files
    write_atomically(path, save(arrays, {"air": json.dumps(header)}))


def load_weights(path: Path) -> tuple[AIR, str]:
    """Read a model that `save_weights` wrote: (model, SHA-256 of the file).

    Raises:
        CheckpointError: the file is cut short, altered, or not such a model.
    """
    try:
        arrays = load_file(path)
        header = read_header(path)
        if digest_of(header["settings"], arrays) != header["digest"]:
            raise CheckpointError(f"{path} was altered after it was written. Copy or train it again.")
        settings = AIRSettings.from_json(json.loads(header["settings"]))
        skeleton = jax.eval_shape(lambda: AIR(settings, key=jr.key(0)))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a model that can be read: {error}") from None
    shapes = {name: (leaf.shape, leaf.dtype) for name, leaf in named_leaves(skeleton).items()}
    if {name: (a.shape, a.dtype) for name, a in arrays.items()} != shapes:
        raise CheckpointError(f"The arrays in {path} are not those of the model that its header describes.")
    leaves = [jnp.asarray(arrays[name]) for name in named_leaves(skeleton)]
    return jax.tree.unflatten(jax.tree.structure(skeleton), leaves), sha256(path)


def read_header(path: Path) -> dict[str, Any]:
    """What `save_weights` wrote into the header of a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(json.loads(file.read(length))["__metadata__"]["air"])


def digest_of(settings: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over a model's settings and the names, shapes, types and contents of its arrays."""
    digest = hashlib.sha256(settings.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def new_folder(name_or_path: str) -> Path:
    """The first unused runs/<name>-NNN under the current folder, for scenes of that name; not created."""
    name, number = Path(name_or_path).absolute().name, 1
    while (folder := Path("runs") / f"{name}-{number:03d}").exists():
        number += 1
    return folder


def provenance() -> dict[str, Any]:
    """Versions, device, commit, command and day: where, how and when a result was made."""
    packages = ("subitize", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")
    return {
        "versions": {name: installed(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device(),
        "commit": COMMIT,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "cpu": cpu(),
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }


def begun(folder: Path) -> dict[str, Any]:
    """The provenance of a run; empty if it has none."""
    try:
        return json.loads((folder / "provenance.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}


def changed_since(made: dict[str, Any]) -> str:
    """What is not as a provenance has it, of all that may change the bits of a result; empty if nothing."""
    here, versions = provenance(), made.get("versions", {})
    pairs = {name: (versions.get(name), now) for name, now in here["versions"].items()}
    pairs |= {word: (made.get(word), here[word]) for word in ("commit", "device", "cpu")}
    return ", ".join(
        f"{name} was {before}, is {now}" for name, (before, now) in pairs.items() if before not in (None, now)
    )


def installed(name: str) -> str | None:
    """Version of an installed package, None if it runs from its sources."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def device() -> str:
    """The device in words, such as "cpu (2 cores)"."""
    kind = jax.devices()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if kind.platform == "cpu":
        return f"cpu ({cores} core{'' if cores == 1 else 's'})"
    return f"{kind.device_kind} x {jax.device_count()}"


def cpu() -> str:
    """The processor by its maker's name, as far as the system tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    told = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(told, platform.processor() or "unknown")


def commit() -> str | None:
    """The commit of the sources, "-dirty" if they were changed since; None where they are not a checkout."""
    here = Path(__file__)
    tracked = ["ls-files", "--error-unmatch", here.name]  # or it is installed inside of another checkout
    named = ["describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    try:
        for words in (tracked, named):
            command = ["git", "-C", str(here.parent), *words]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        return said
    except (OSError, subprocess.CalledProcessError):
        return None


COMMIT = commit()  # of the code that runs: the checkout may have gone on since it was loaded

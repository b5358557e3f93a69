"""Weights: a trained model on disk, as safetensors. Reading them runs no code.

The header names the model in the registry and holds its settings, the shapes of its pictures, what the run
found out about itself, and a digest over all that and the arrays.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from safetensors.numpy import load_file, save

from subitize.core.errors import CheckpointError
from subitize.core.files import sha256, write_atomically
from subitize.core.interfaces import Batch, DataSpec, HasParams, Learner, Trainable
from subitize.core.json import JSON
from subitize.core.specs import present_names
from subitize.core.typed import typed
from subitize.registry import LEARNERS, name_of
from subitize.training.checkpoint import named_leaves

WEIGHTS = "weights.safetensors"  # in a run folder
HEADER, OLD_HEADER = "subitize", "air"  # key of the metadata; that of files from before there was a registry
SHAPES_OF_AIR = ("height", "width", "channels")
FORMER_PATHS = {".guide.": ".attention."}  # of arrays, in files of earlier releases


class Weights(NamedTuple):
    """What a file of weights says.

    Attributes:
        settings: of the model, as the registry has them.
        given: names of the settings that the file itself gives; an old one gives no more than the model's.
        data: the shapes of its pictures.
        diagnostics: what the run found out about itself.
        arrays: by their paths in the pytree of weights.
        digest: SHA-256 of the file, in hexadecimal.
    """

    settings: Trainable
    given: frozenset[str]
    data: DataSpec
    diagnostics: JSON
    arrays: dict[str, np.ndarray]
    digest: str

    def params(self, learner: Learner) -> PyTree:
        """The arrays as the weights of a learner.

        Raises:
            CheckpointError: they are of another one.
        """
        shape = jax.eval_shape(lambda: first_params(learner, self.data))
        wanted = {name: (leaf.shape, leaf.dtype) for name, leaf in named_leaves(shape).items()}
        if {name: (array.shape, array.dtype) for name, array in self.arrays.items()} != wanted:
            raise CheckpointError("The arrays of the weights are not those of the model in their header.")
        leaves = [jax.device_put(self.arrays[name]) for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(shape), leaves)


def first_params(learner: Learner, data: DataSpec) -> PyTree:
    """The weights of a learner before the first step, for pictures of these shapes."""
    images = jnp.zeros((1, data.height, data.width, data.channels))
    labels = None if data.classes is None else jnp.zeros(1, jnp.int32)
    batch, key = Batch(images, jnp.zeros(1, jnp.int32), labels), jax.random.key(0)
    return learner.init_params(key, batch) if isinstance(learner, HasParams) else learner.init(key, batch)


def save_weights(
    path: Path, settings: Trainable, data: DataSpec, params: PyTree, diagnostics: JSON | None = None
) -> None:
    """Write weights with all that is needed to use them.

    Args:
        path: of the file.
        settings: of the model, from the registry.
        data: the shapes of its pictures.
        params: a pytree of arrays.
        diagnostics: what the run found out about itself; JSON.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    header = json.dumps(
        {
            "model": name_of(settings),
            "settings": dataclasses.asdict(settings),
            "data": data._asdict(),
            "diagnostics": dict(diagnostics or {}),
        }
    )
    sealed = json.dumps({"header": header, "digest": digest_of(header, arrays)})
    # one entry, because safetensors writes several in no fixed order, and equal models make equal files
    write_atomically(path, save(arrays, {HEADER: sealed}))


def read_weights(path: Path) -> Weights:
    """What `save_weights` wrote.

    Raises:
        CheckpointError: the file is cut short, altered, or holds no such model, or numbers that are none.
    """
    try:
        arrays, metadata = load_file(path), read_metadata(path)
        entry = json.loads(metadata.get(HEADER) or metadata[OLD_HEADER])
        text = entry["header"] if HEADER in metadata else entry["settings"]
        if digest_of(text, arrays) != entry["digest"]:
            raise CheckpointError(f"{path} was altered after it was written. Copy or train it again.")
        header = json.loads(text)
        header = header if HEADER in metadata else from_settings_of_air(header)
        kind, data = LEARNERS[header["model"]], DataSpec(**header["data"])
        known = {field.name for field in dataclasses.fields(kind)}
        given = present_names(header["settings"], known)
        settings = typed(kind, given)
    except CheckpointError:
        raise
    except Exception as error:  # whatever the bytes of a strange file may lead to
        raise CheckpointError(f"{path} is not a model that can be read: {error}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{path} holds weights that are not finite ({name}), and can do nothing. Train it again."
            )
    arrays = {renamed(name): array for name, array in arrays.items()}
    return Weights(settings, frozenset(given), data, header["diagnostics"], arrays, sha256(path))


def renamed(path: str) -> str:
    """The path of an array as this release has it."""
    for before, now in FORMER_PATHS.items():
        path = path.replace(before, now)
    return path


def from_settings_of_air(settings: JSON) -> JSON:
    """The header of a file from before there was a registry, which held the settings of an AIR."""
    kind = LEARNERS[settings["model"]]
    settings = present_names(settings, {field.name for field in dataclasses.fields(kind)})
    names = {field.name for field in dataclasses.fields(kind)} & set(settings)
    return {
        "model": settings["model"],
        "settings": {name: settings[name] for name in names},
        "data": {name: settings[name] for name in SHAPES_OF_AIR},
        "diagnostics": {},
    }


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length))["__metadata__"]


def digest_of(header: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over a header and the names, shapes, types and contents of arrays."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

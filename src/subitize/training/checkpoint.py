"""Checkpoints: a state on disk that is either whole and verified, or not there.

Orbax writes the arrays into a folder that appears under its name only when it is complete. A manifest
beside it, written last and sealed, holds the SHA-256 of every file and what else is to be known. A checkpoint
without its manifest was never finished. One that does not match it, or whose manifest is damaged, is set
aside, and the one before it is used.
"""

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from subitize.core.errors import CheckpointError, DiskFullError
from subitize.core.files import sha256, write_atomically
from subitize.core.sealed import seal, unseal

if TYPE_CHECKING:
    from orbax.checkpoint import StandardCheckpointer
else:
    StandardCheckpointer = Any  # what only opens a run loads no Orbax

KEEP = 2  # the newest checkpoint, and one to fall back on
NAME = re.compile(r"\d{3,}-\d{8}")  # of a checkpoint: attempt and step; all else in their folder is not ours
FULL = ("RESOURCE_EXHAUSTED", "No space left", "quota exceeded", "File too large")  # so Orbax says it
ORBAX = ".orbax-checkpoint-tmp"  # begins what Orbax puts to the name of a folder that it has not finished


class Saved(NamedTuple):
    """A verified checkpoint: its name, and what its manifest says besides the hashes."""

    name: str
    notes: Any


def save(
    folder: Path, name: str, state: PyTree, notes: Mapping[str, Any], keep: Iterable[str | None] = ()
) -> None:
    """Write a checkpoint, then its manifest, then delete old ones.

    Args:
        folder: of all checkpoints of a run.
        name: of this one, such as 000-00000500; names sort by age.
        state: a pytree of arrays.
        notes: what else is needed to go on from here; JSON.
        keep: names of those that are never old.

    Raises:
        DiskFullError: there is no room for it; what was saved before is still there.
    """
    target = (folder / name).absolute()
    (folder / f"{name}.json").unlink(missing_ok=True)  # or what is deleted next would pass for finished
    shutil.rmtree(target, ignore_errors=True)
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax reports saves, and what it raises
    try:
        with checkpointer() as orbax:
            orbax.save(target, named_leaves(state))
    except ValueError as error:  # so Orbax says what goes wrong with files
        if not any(sign in str(error) for sign in FULL):
            raise
        remove_unfinished(folder)
        raise DiskFullError(
            f"The disk is full at {folder}. Make room, then run it again: it goes on from its last save."
        ) from error
    manifest = {"files": digests(target), "notes": dict(notes)}
    write_atomically(folder / f"{name}.json", seal(manifest))
    for old in sorted(set(names(folder)[:-KEEP]) - set(keep)):
        (folder / f"{old}.json").unlink()
        shutil.rmtree(folder / old, ignore_errors=True)


def newest(
    folder: Path,
    warn: Callable[[str], None] = print,
    understood: Callable[[Mapping[str, Any]], Any] = lambda notes: notes,
    until: str | None = None,
) -> Saved | None:
    """The newest checkpoint that is whole; damaged ones are set aside, with a warning.

    Args:
        folder: of all checkpoints of a run.
        warn: is told of those that are damaged.
        understood: what the notes of a checkpoint mean; raises CheckpointError if they mean nothing.
        until: name of the newest to look at; None for any.
    """
    for name in reversed([name for name in names(folder) if until is None or name <= until]):
        try:
            return verify(folder, name, understood)
        except CheckpointError as error:
            quarantine(folder, name)
            warn(f"{error} Set aside; going on from the one before it, if there is one.")
    return None


def verify(
    folder: Path, name: str, understood: Callable[[Mapping[str, Any]], Any] = lambda notes: notes
) -> Saved:
    """Check a checkpoint against its manifest, and the manifest against its digest.

    Raises:
        CheckpointError: a file is missing, cut short or altered.
    """
    path = folder / f"{name}.json"
    try:
        manifest = unseal(path.read_bytes(), unsealed=("files", "notes"))
        notes = understood(manifest["notes"])
    except (OSError, LookupError, CheckpointError) as error:
        raise CheckpointError(f"The manifest {path} cannot be trusted. {error}") from None
    if digests(folder / name) != manifest.get("files"):
        raise CheckpointError(f"Checkpoint {folder / name} does not match its manifest: a file was altered.")
    return Saved(name, notes)


def restore(folder: Path, name: str, like: PyTree) -> PyTree:
    """Read the arrays of a verified checkpoint into the shape of `like`.

    Raises:
        CheckpointError: the arrays are not those of `like`: the checkpoint is of another recipe.
    """
    leaves = named_leaves(like)
    shapes = {k: jax.ShapeDtypeStruct(np.shape(v), v.dtype) for k, v in leaves.items()}
    try:
        with checkpointer() as orbax:
            found = orbax.restore((folder / name).absolute(), shapes)
    except Exception as error:  # Orbax raises many kinds
        raise CheckpointError(
            f"Checkpoint {folder / name} does not hold the arrays that this recipe needs. Resume with the "
            "recipe that wrote it, or train into another folder."
        ) from error
    return jax.tree.unflatten(jax.tree.structure(like), [jax.numpy.asarray(found[k]) for k in leaves])


def checkpointer() -> StandardCheckpointer:
    """What reads and writes arrays."""
    import orbax.checkpoint

    return orbax.checkpoint.StandardCheckpointer()


def step_of(name: str) -> int:
    """The step after which a checkpoint was written."""
    return int(name.partition("-")[2])


def names(folder: Path) -> list[str]:
    """Checkpoints that were finished, the oldest first."""
    return sorted(path.stem for path in folder.glob("*.json") if NAME.fullmatch(path.stem))


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed process left: folders of checkpoints without a manifest, and no others."""
    finished = set(names(folder))
    for path in folder.iterdir():
        name, _, being_written = path.name.partition(ORBAX)
        if path.is_dir() and NAME.fullmatch(name) and (being_written or name not in finished):
            shutil.rmtree(path)


def quarantine(folder: Path, name: str) -> None:
    """Rename a damaged checkpoint, so that it is kept for inspection but never used."""
    shutil.rmtree(folder / f"bad-{name}", ignore_errors=True)
    (folder / f"{name}.json").unlink(missing_ok=True)
    if (folder / name).exists():
        (folder / name).rename(folder / f"bad-{name}")


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The arrays of a pytree by their path."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files}

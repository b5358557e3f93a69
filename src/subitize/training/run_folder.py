"""Run folder: whose it is, and whether a training may begin or go on there. Nothing is ever overwritten."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from subitize.core.errors import UsageError
from subitize.core.files import LOCK, PARTIAL, alone, write_atomically
from subitize.core.provenance import PROVENANCE, begun, provenance
from subitize.training.recipe import RECIPE, Recipe, read_recipe


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that is neither new nor a run.

    Raises:
        UsageError: it is a file, or holds something else.
    """
    if folder.exists() and (not folder.is_dir() or not is_run(folder)):
        raise UsageError(f"{folder} exists and is not a run. Choose another --out; nothing is overwritten.")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep every other process from training in a folder, which is made if it is not there.

    Raises:
        UsageError: the folder is a file or holds something else than a run, or another process trains in it.
    """
    refuse_foreign(folder)
    with alone(folder):
        yield


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, or no more than what one killed at its very beginning leaves."""
    first = {LOCK, PROVENANCE}
    return (folder / RECIPE).is_file() or all(
        path.name in first or path.suffix == PARTIAL for path in folder.iterdir()
    )


def begun_recipe(folder: Path) -> Recipe | None:
    """The recipe of the run in a folder; None if none has begun there."""
    return read_recipe(folder) if (folder / RECIPE).is_file() else None


def open_folder(
    folder: Path,
    recipe: Recipe,
    resume: str,
    reasons: Mapping[str, str] | None = None,
    pictures: str | None = None,
) -> None:
    """Begin a run in a claimed folder, or check that the one in it is this recipe's.

    Args:
        folder: of the run.
        recipe: complete.
        resume: "auto" or "never".
        reasons: why what the recipe left open was so chosen, for the provenance.
        pictures: the fingerprint of those that it learns from.

    Raises:
        UsageError: it is another recipe's or of other pictures, or `resume` forbids to go on.
    """
    for left_behind in folder.glob(f".*{PARTIAL}"):
        left_behind.unlink()
    before = begun_recipe(folder)
    if before is not None:
        check_same(folder, recipe, before, resume, pictures)
        return
    known = dict(reasons or {}) | ({} if pictures is None else {"pictures": pictures})
    write_atomically(folder / PROVENANCE, json.dumps(provenance() | known, indent=2).encode())
    write_atomically(folder / RECIPE, recipe.to_json().encode())


def check_same(folder: Path, recipe: Recipe, before: Recipe, resume: str, pictures: str | None) -> None:
    """Refuse to go on with another recipe, other pictures, or where that was forbidden."""
    if resume == "never":
        raise UsageError(f"{folder} holds a run already. Choose another --out, or --resume auto to go on.")
    if begun(folder).get("pictures") not in (None, pictures):
        raise UsageError(
            f"{recipe.data.scenes} no longer holds the pictures that the run in {folder} began with. Bring "
            "them back to go on, or choose another --out."
        )
    if changed := recipe.changed_from(before):
        raise UsageError(
            f"{folder} holds a run with other options ({', '.join(changed)}). A run goes on with the "
            "recipe it began with: give the same options, or another --out."
        )

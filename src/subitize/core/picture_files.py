"""Which files are pictures to count, or to learn from, and what was left out?

A file named explicitly is always tried. A folder gives every file in it with a picture's suffix, those in
folders inside it included, and those of formats that are known but not read, which will be said. Left out are

    hidden files and folders    as everywhere
    links to folders            they may lead round in a circle
    files of other suffixes     a list of suffixes is in `subitize.core.image_io`
    what subitize wrote         an overlay is no new picture: folders of counts and of runs

All but the hidden ones are told by `FoundPictures.remarks`. Two spellings of one path are one picture; a link
to a file is a picture of its own, under its own name.
"""

import dataclasses
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from subitize.core.errors import NoInputError, UsageError, did_you_mean, printable
from subitize.core.files import CHECKPOINTS, PARTIAL
from subitize.core.image_io import HEIF, STRANGE_SUFFIXES, SUFFIXES, Page, pages_in

REQUEST, COUNTS_TABLE, OBJECTS_TABLE = "count.json", "counts.csv", "objects.csv"  # of a count
OVERLAYS, LABELS = "overlays", "labels"  # and its images,
PARTS = "parts"  # and the tables of its parts
RUN_RECIPE, RUN_FILES = "recipe.json", ("records.jsonl", "provenance.json", "weights.safetensors")
OUTPUT_FOLDERS = (OVERLAYS, LABELS, "pictures", CHECKPOINTS)  # inside a count or a run
PAGES = ("each", "first", "max")
PAGED = (".tif", ".tiff", ".gif", ".png", ".webp", ".avif", *HEIF)  # files that may have more than one page
NAMED_AT_MOST = 5  # folders or suffixes in a remark


@dataclasses.dataclass(frozen=True)
class FoundPictures:
    """Files to read, in an order that depends on their names alone, and what was left out.

    Attributes:
        files: pairs of a file and its name relative to the folder given; names are unique.
        outputs: folders that subitize wrote.
        links: to folders.
        others: how many files there are of each other suffix.
    """

    files: list[tuple[Path, str]] = dataclasses.field(default_factory=list)
    outputs: list[Path] = dataclasses.field(default_factory=list)
    links: list[Path] = dataclasses.field(default_factory=list)
    others: Counter[str] = dataclasses.field(default_factory=Counter)

    def remarks(self) -> list[str]:
        """A line for each kind of thing that was left out."""
        lines = []
        if self.outputs:
            lines.append(f"left out what subitize wrote: {some(map(printable, sorted(self.outputs)))}")
        if self.links:
            lines.append(f"left out links to folders: {some(map(printable, sorted(self.links)))}")
        if self.others:
            kinds = some(f"{number} {suffix}" for suffix, number in sorted(self.others.items()))
            lines.append(f"left out files that are no pictures by their suffix: {kinds}")
        return lines


def find_pictures(paths: Iterable[str | Path]) -> FoundPictures:
    """Pictures in files and folders.

    Raises:
        NoInputError: a path does not exist, or there is no picture in any of them.
        UsageError: a path is something that subitize wrote.
    """
    paths, found, names = [Path(path) for path in paths], FoundPictures(), {}
    for path in paths:
        check_input(path)
        is_folder = path.is_dir()
        for file in sorted(walk(path, found)) if is_folder else [path]:
            place = Path(os.path.realpath(file.parent), file.name)
            name = (file.relative_to(path) if is_folder else Path(file.name)).as_posix()
            names.setdefault(place, (file, as_text(name)))
    if not names:
        where = ", ".join(map(printable, paths)) or "an empty list of paths"
        others = "".join(f" {line[0].upper()}{line[1:]}." for line in found.remarks())
        raise NoInputError(
            f"Pictures are needed, but there is none in {where}.{others} "
            f"Files that count: {' '.join(SUFFIXES)}."
        )
    files, unfree = zip(*names.values(), strict=True)
    found.files.extend(zip(files, unique(unfree), strict=True))
    return found


def check_input(path: Path) -> None:
    """Refuse a path that is not there, and one that subitize wrote."""
    if not path.exists() and not path.is_symlink():
        siblings = os.listdir(path.parent) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings)
        raise NoInputError(f"There is no file or folder {printable(path)}.{hint} Give one that exists.")
    place = Path(os.path.realpath(path))
    for folder in (place, *place.parents):
        inside = place.relative_to(folder).parts
        if (not inside or inside[0] in OUTPUT_FOLDERS) and is_output(folder):
            raise UsageError(
                f"{printable(path)} is what subitize wrote, and its own pictures are not to be counted or "
                "learned from. Give your own pictures; copy them to another folder if they are in this one."
            )


def is_output(folder: Path) -> bool:
    """Whether a folder was written by a count, finished or not, or is a run."""
    if (folder / RUN_RECIPE).is_file() and any((folder / name).is_file() for name in RUN_FILES):
        return True
    signs = (COUNTS_TABLE, f"{COUNTS_TABLE}{PARTIAL}", REQUEST)  # the last is all that one in parts has
    if (folder / OVERLAYS).is_dir() and any((folder / sign).is_file() for sign in signs):
        return True
    return (folder / REQUEST).is_file() and any((folder / sign).exists() for sign in (*signs[:2], PARTS))


def walk(folder: Path, found: FoundPictures) -> Iterator[Path]:
    """Files of a folder that look like pictures, and folders in it that may not be opened.

    What is left out is noted in `found`.
    """
    closed: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        here = Path(root)
        if is_output(here):
            found.outputs.append(here)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.links.extend(here / name for name in folders if (here / name).is_symlink())
        for name in files:
            if name.startswith("."):
                continue
            if name.lower().endswith((*SUFFIXES, *STRANGE_SUFFIXES)):
                yield here / name
            else:
                found.others[os.path.splitext(name)[1].lower() or "without one"] += 1
    yield from closed


def as_text(path: str | Path) -> str:
    """A file name that can be written to any UTF-8 file, whatever bytes the disk holds."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unique(names: Iterable[str]) -> list[str]:
    """The names, with ~2, ~3, ... before the suffix of those that came before."""
    free: dict[str, None] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        candidates = (f"{stem}~{number}{suffix}" for number in itertools.count(2))
        free[name if name not in free else next(c for c in candidates if c not in free)] = None
    return list(free)


def some(things: Iterable[str]) -> str:
    """The first few of many, and how many more there are."""
    told = list(things)
    more = len(told) - NAMED_AT_MOST
    return ", ".join(told[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def paged(files: Iterable[tuple[Path, str]], pages: str) -> list[tuple[Path | Page, str]]:
    """What to read of each file, with its name; pages of a file with several are called NAME#1, NAME#2, ….

    Args:
        files: pairs of a file and its name.
        pages: each; the first of a file; or max, the brightest that any page has in each pixel.
    """
    result: list[tuple[Path | Page, str]] = []
    for file, name in files:
        number = pages_in(file) if pages != "first" and file.suffix.lower() in PAGED else 1
        if number == 1:
            result.append((file, name))
        elif pages == "max":
            result.append((Page(file, None), name))
        else:
            result.extend((Page(file, page), f"{name}#{page + 1}") for page in range(number))
    return result


def state_of(sources: Iterable[tuple[Path | Page, str]]) -> str:
    """SHA-256 over the name, size and last change of each file, and which page is read."""
    digest = hashlib.sha256()
    for source, name in sources:
        try:
            status = os.stat(source.file if isinstance(source, Page) else source)
            page = f" {source.number}" if isinstance(source, Page) else ""
            state = f"{status.st_size} {status.st_mtime_ns}{page}"
        except OSError:
            state = "missing"
        digest.update(f"{name}\0{state}\0".encode())
    return digest.hexdigest()

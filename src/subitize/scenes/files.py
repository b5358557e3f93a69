"""Where are a data set's files?

In `$SUBITIZE_DATA/NAME` or in the cache folder; failing both, behind one of its mirrors: then the file is
downloaded, after one line that says so, and its SHA-256 is compared before it gets its name.
"""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from subitize.core.errors import NoInputError


class Download(NamedTuple):
    """A file of a data set, as its mirrors have it.

    Attributes:
        dataset: name of its folder.
        name: of the file.
        sha256: of its bytes.
        kilobytes: to be told before they come.
        mirrors: addresses to which the name is appended, in the order in which they are asked.
        otherwise: what somebody without a network can do, as a sentence.
    """

    dataset: str
    name: str
    sha256: str
    kilobytes: int
    mirrors: Sequence[str]
    otherwise: str


def folders(dataset: str) -> Iterator[Path]:
    """Where files are looked for, in this order; downloads go to the last."""
    if chosen := os.environ.get("SUBITIZE_DATA"):
        yield Path(chosen) / dataset
    yield cache_folder(dataset)


def cache_folder(name: str) -> Path:
    """A folder of this name among those that may be deleted at any time, and are made anew when needed."""
    import pooch  # here: nobody who brings the data should wait for it

    return Path(pooch.os_cache("subitize")) / name


def found(download: Download, also: Sequence[str] = ()) -> Path:
    """The file, or one of the others that would do as well; downloaded if none is anywhere.

    Raises:
        NoInputError: it is nowhere and cannot be downloaded.
    """
    places = list(folders(download.dataset))
    for folder in places:
        for name in (*also, download.name):
            if (folder / name).is_file():
                return folder / name
    return fetched(download, places)


def fetched(download: Download, places: list[Path]) -> Path:
    """Fetch a file into the last place from the first mirror that answers with the right bytes."""
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    name, checksum = download.name, f"sha256:{download.sha256}"
    print(f"downloading {name} ({download.kilobytes:,} kB) to {places[-1]}", file=sys.stderr)
    failures = []
    for mirror in download.mirrors:
        try:
            return Path(pooch.retrieve(f"{mirror}{name}", checksum, fname=name, path=places[-1]))
        except (OSError, ValueError) as error:  # no network or no room; the wrong bytes
            failures.append(f"{mirror}: {(str(error) or type(error).__name__).splitlines()[0][:120]}")
    raise NoInputError(
        f"{name} is needed, which is not in {' or '.join(map(str, places))}, and downloading it failed "
        f"({'; '.join(failures)}). {download.otherwise}"
    )

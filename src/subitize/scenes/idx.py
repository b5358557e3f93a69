"""Where are MNIST's files, and are they what they should be?

The format, in big-endian bytes: two zeros, the type (8: unsigned bytes), the number of axes d, d sizes of
four bytes each, then the values. A file may be plain or gzipped.

Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", CC BY-SA 3.0.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from subitize.core.errors import NoInputError
from subitize.scenes.files import Download, found

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SHA256 = {
    "train-images-idx3-ubyte": "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    "train-labels-idx1-ubyte": "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    "t10k-images-idx3-ubyte": "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    "t10k-labels-idx1-ubyte": "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
}
KILOBYTES = {
    "train-images-idx3-ubyte": 9631,
    "train-labels-idx1-ubyte": 29,
    "t10k-images-idx3-ubyte": 1602,
    "t10k-labels-idx1-ubyte": 5,
}
OTHERWISE = "Put the four files of MNIST there, or use `--scenes digits`, which needs no download."


def find_idx(name: str) -> Path:
    """The file of this name, plain or gzipped, downloaded if it is nowhere.

    Raises:
        NoInputError: it is nowhere and cannot be downloaded.
    """
    zipped = Download("mnist", f"{name}.gz", SHA256[name], KILOBYTES[name], MIRRORS, OTHERWISE)
    return found(zipped, also=(name,))


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, plain or gzipped.

    Raises:
        NoInputError: the file is damaged, cut short, or of another kind.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise NoInputError(damaged(path, str(error) or type(error).__name__)) from None
    if raw[:3] != b"\0\0\x08":
        raise NoInputError(damaged(path, f"it starts with '{raw[:3].hex(' ')}', not with '00 00 08'"))
    start = 4 + 4 * raw[3] if len(raw) > 3 else 4
    if len(raw) < start:
        raise NoInputError(damaged(path, f"its header is cut short after {len(raw)} bytes"))
    shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
    needed = prod(shape)
    if len(raw) - start != needed:
        raise NoInputError(damaged(path, f"{shape} needs {needed:,} values; it has {len(raw) - start:,}"))
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def damaged(path: Path, why: str) -> str:
    """What to say about a file that is not what its name promises."""
    return f"{path} is not a sound IDX file ({why}). Delete it and let it be downloaded again, or replace it."

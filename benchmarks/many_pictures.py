"""How many small pictures a second does one process count, and in how much memory?

So many pictures of none to two digits, 40 pixels wide, are written as PNG files. One command counts them all,
by a model that the documented command trained. The clock holds its start and all that it writes.

    python benchmarks/many_pictures.py --pictures 100000
"""

import resource
import tempfile
from pathlib import Path
from typing import Any

from common import TINY, arguments, options, publish, subitize, write_scenes


def main() -> None:
    """Write pictures, count them, and write the result."""
    args = arguments(__doc__, pictures=100_000, seed=0)
    pictures = 40 if args.tiny else args.pictures
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / "pictures", "digits", "test", pictures, args.seed)
        subitize("train", *options(**TINY if args.tiny else {"scenes": "digits"}, out=folder / "run"))
        words = options(model=folder / "run", out=folder / "counts", save="none")
        seconds, said = subitize("count", str(folder / "pictures"), *words)
        assert f"in {pictures} pictures" in said, said
    publish(args.out, "many_pictures", summary(pictures, seconds))


def summary(pictures: int, seconds: float) -> dict[str, Any]:
    """What is published."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # of training and of counting
    return {
        "pictures": pictures,
        "seconds": round(seconds, 1),
        "pictures_a_second": round(pictures / seconds),
        "most_gigabytes": round(most, 2),
    }


if __name__ == "__main__":
    main()

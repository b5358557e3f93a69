"""Turn over every bit: is a damaged file of a run ever believed?

A run is trained. Then one bit at a time is turned over in its recipe, in the manifest of a checkpoint and in
its weights, and the file is read as the program reads it. It may be refused, or read as the very same where a
blank became another. To believe something else is wrong, and so is any other error.

    python benchmarks/bit_flips.py
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import TINY, arguments, options, publish, subitize

EVERY = {"recipe.json": 1, "manifest": 1, "weights.safetensors": 100_003}  # bits from one to the next


def main() -> None:
    """Count what becomes of each file's bits."""
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        subitize("train", *options(**TINY, save_every=8, seed=0, out=run))
        sparse = 101 if args.tiny else 1
        found = {of: outcomes(*file, EVERY[of] * sparse) for of, file in files(run).items()}
    publish(args.out, "bit_flips", found)


def files(run: Path) -> dict[str, tuple[Path, Callable[[], Any]]]:
    """Each file with what reads it."""
    from subitize.training import checkpoint
    from subitize.training.plan import Notes
    from subitize.training.recipe import RECIPE, read_recipe
    from subitize.training.weights import WEIGHTS, read_weights

    saves = run / "checkpoints"
    name = checkpoint.names(saves)[-1]
    return {
        "recipe.json": (run / RECIPE, lambda: read_recipe(run)),
        "manifest": (saves / f"{name}.json", lambda: checkpoint.verify(saves, name, Notes.from_json)),
        "weights.safetensors": (run / WEIGHTS, lambda: read_weights(run / WEIGHTS).digest),
    }


def outcomes(path: Path, read: Callable[[], Any], every: int) -> dict[str, int]:
    """How often a flip was refused, read the same, believed, or ended in another error."""
    from subitize.core.errors import CheckpointError

    data, whole = path.read_bytes(), read()
    counts = Counter(one_bit_in=every, bits=0, refused=0, same=0, believed=0, other_errors=0)
    for bit in range(0, 8 * len(data), every):
        counts["bits"] += 1
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            counts["same" if read() == whole else "believed"] += 1
        except CheckpointError:
            counts["refused"] += 1
        except Exception:
            counts["other_errors"] += 1
    path.write_bytes(data)
    return dict(counts)


if __name__ == "__main__":
    main()

"""Kill a count whenever you like: do its tables end exactly like those of one that was not killed?

One count goes through untouched. Others are killed with SIGKILL at a moment drawn uniformly from the time the
whole count takes, starting and compiling included, and gone on with; tables and overlays must have the same
bytes.

    python benchmarks/count_survives_kills.py --kills 20
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image

from common import TINY, arguments, environment, options, publish, subitize
from subitize import scenes

TABLES = ("counts.csv", "objects.csv")


def main() -> None:
    """Kill once per count, at random moments of its whole life, until so many were killed."""
    args = arguments(__doc__, kills=20, pictures=1000, seed=0)
    kills, pictures, recipe = (
        (1, 12, TINY) if args.tiny else (args.kills, args.pictures, {"scenes": "digits"})
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / "pictures", pictures, args.seed)
        subitize("train", *options(**recipe, out=folder / "run"), cache=folder / "cache")
        whole, seconds = folder / "whole", 0.0
        for _ in range(
            1 if args.tiny else 2
        ):  # the second time with a warm cache, as the killed ones have it
            shutil.rmtree(whole, ignore_errors=True)
            seconds, _ = subitize(*words(folder, whole), cache=folder / "cache")
        wanted = contents(whole)
        moments, counts = random.Random(args.seed), []
        while sum(count["killed"] for count in counts) < kills:  # one may have ended before its moment came
            counts.append(killed(folder, len(counts), moments.uniform(0, seconds), wanted))
        objects = len((whole / "objects.csv").read_text().splitlines()) - 1
    died = [count for count in counts if count["killed"]]
    found = {
        "kills": len(died),
        "while_counting": sum(0 < count["rows_when_killed"] < pictures for count in died),
        "identical": sum(count["identical"] for count in died),
        "pictures": pictures,
        "objects": objects,
        "seconds": seconds,
    }
    publish(args.out, "count_survives_kills", found, counts)


def write_pictures(folder: Path, number: int, seed: int) -> None:
    """Held-out scenes of digits as files."""
    folder.mkdir()
    images = np.asarray(scenes.load("digits", "test").batch(seed, jnp.arange(number)).image[..., 0])
    for i, image in enumerate(images):
        Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / f"{i:04d}.png")


def words(folder: Path, out: Path) -> list[str]:
    """The words after `subitize` of one count."""
    return ["count", str(folder / "pictures"), *options(model=folder / "run", out=out)]


def killed(folder: Path, number: int, moment: float, wanted: list[bytes]) -> dict:
    """Start a count, kill it after `moment` seconds, go on with it, and compare."""
    out = folder / f"killed-{number}"
    process = subprocess.Popen(
        [sys.executable, "-m", "subitize", *words(folder, out)],
        env=environment(folder / "cache"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    reached, table = process.wait(), out / "counts.csv.partial"
    rows = max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
    if reached == -signal.SIGKILL and not (out / "counts.csv").exists():
        subitize(*words(folder, out), "--resume", cache=folder / "cache")
    return {
        "seconds": round(moment, 2),
        "killed": reached == -signal.SIGKILL,
        "rows_when_killed": rows,
        "identical": contents(out) == wanted,
    }


def contents(out: Path) -> list[bytes]:
    """The bytes that must agree."""
    overlays = sorted((out / "overlays").rglob("*.png"))
    return [path.read_bytes() for path in (*(out / name for name in TABLES), *overlays)]


if __name__ == "__main__":
    main()

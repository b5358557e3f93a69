"""How light is it? Seconds until `subitize --help` has answered, and peak memory of a default training run.

python benchmarks/footprint.py
"""

import resource
import statistics
import tempfile
from pathlib import Path

from common import TINY, arguments, options, publish, subitize


def main() -> None:
    """Ask for help many times, then train once in a process of its own."""
    args = arguments(__doc__, times=20)
    recipe, times = (TINY, 2) if args.tiny else ({"scenes": "mnist"}, args.times)
    seconds = [subitize("--help")[0] for _ in range(times)]
    with tempfile.TemporaryDirectory() as name:
        subitize("train", *options(out=Path(name) / "run", **recipe), cache=Path(name) / "cache")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    result = {"help_seconds_median": statistics.median(seconds), "help_seconds_worst": max(seconds)}
    publish(args.out, "footprint", result | {"times": times, "training_peak_memory_gib": peak})


if __name__ == "__main__":
    main()

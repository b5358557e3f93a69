"""Kill any worker of a cluster whenever you like: does the count end like that of one process?

One process counts all pictures. Clusters of 1, 2 and 4 workers count them in parts, and one worker is killed
with SIGKILL at a moment drawn uniformly from the time that the count takes without. Tables and overlays must
have the same bytes.

    python benchmarks/parts.py --kills 20
"""

import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import distributed

from common import TINY, arguments, environment, measure_missing, options, subitize, write_scenes
from count_survives_kills import contents, words
from subitize.evaluation.dask_cluster import local_workers


def main() -> None:
    """Kill one worker of each count, once; goes on where an earlier sitting stopped."""
    args = arguments(__doc__, kills=20, pictures=1000, seed=0)
    full = args.kills, args.pictures, (1, 2, 4), {"scenes": "digits"}
    kills, pictures, numbers, recipe = (1, 12, (1,), TINY) if args.tiny else full
    known = {"pictures": pictures, "seed": args.seed}
    wanted = [known | {"workers": workers, "number": i} for workers in numbers for i in range(kills)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(environment(folder / "cache"))  # workers find most things compiled
        write_scenes(folder / "pictures", "digits", "test", pictures, args.seed)
        subitize("train", *options(**recipe, out=folder / "run"))
        subitize(*words(folder / "whole"))
        kill = partial(counted_and_killed, folder, cache(partial(seconds_without, folder)))
        measure_missing(args.out, "parts", wanted, kill, summary)


def seconds_without(folder: Path, workers: int) -> float:
    """Seconds that a count by so many workers takes if none is killed."""
    out = folder / f"by-{workers}"
    with local_workers(workers) as cluster:
        return subitize(*words(out), *options(engine=f"dask={cluster.scheduler_address}"))[0]


def counted_and_killed(
    folder: Path, longest: Callable[[int], float], *, pictures: int, seed: int, workers: int, number: int
) -> dict[str, Any]:
    """What became of a count, one worker of which was killed within the time that it takes."""
    out, moments = folder / f"killed-{workers}-{number}", random.Random(f"{seed}, {workers}, {number}")
    while True:
        shutil.rmtree(out, ignore_errors=True)
        moment = moments.uniform(0, longest(workers))
        rows, seconds = count_and_kill(out, workers, moment, moments)
        if rows is not None:  # else it ended before
            break
    found = {"moment": round(moment, 2), "seconds": round(seconds, 1), "rows_when_killed": rows}
    return found | {"identical": contents(out) == contents(folder / "whole")}


def count_and_kill(
    out: Path, workers: int, moment: float, moments: random.Random
) -> tuple[int | None, float]:
    """Rows that were there when a worker was killed, None if it never was, and seconds of the count."""
    rows: list[int] = []

    def kill() -> None:
        rows.append(sum(max(0, t.read_bytes().count(b"\n") - 1) for t in out.glob("parts/*/counts.csv*")))
        os.kill(victim, signal.SIGKILL)

    with local_workers(workers) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            victim = moments.choice(sorted(client.run(os.getpid).values()))
        timer = threading.Timer(moment, kill)
        timer.start()
        try:
            seconds, _ = subitize(*words(out), *options(engine=f"dask={cluster.scheduler_address}"))
        finally:
            timer.cancel()
            timer.join()
    return (rows[0] if rows else None), seconds


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many ended the same, and how many were killed while they counted; by workers."""
    return killed(runs) | {
        f"by_{workers}": killed([run for run in runs if run["workers"] == workers])
        for workers in sorted({run["workers"] for run in runs})
    }


def killed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Kills, those of them that came while it counted, and how many ended with the same bytes."""
    return {
        "kills": len(runs),
        "while_counting": sum(0 < run["rows_when_killed"] < run["pictures"] for run in runs),
        "identical": sum(run["identical"] for run in runs),
    }


if __name__ == "__main__":
    main()

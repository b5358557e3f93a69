"""How soon comes the first answer? This version beside an earlier one, in turns.

For each seed both train on MNIST scenes in a fresh process with nothing compiled before, each with all cores:
the earlier one by its default, this one by the preset `fast`. Both look at 2,000 held-out scenes every 100
steps. Measured is what the process has used and what the clock says, from its start to its first look, and
the clock until 98 % are counted right. Then `count` of one picture, `val` and `show` run in both versions,
with nothing compiled and once more.

    python benchmarks/start.py
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import FOLLOW, TINY, arguments, measure_missing, options, write_scenes
from subitize.core.specs import FORMER_OPTIONS

EARLIER = "9710018"  # the version that this one is compared with
ROOT = Path(__file__).parents[1]
LEVEL = 0.98  # of held-out scenes counted right
POLL = 0.02  # seconds
MODES = {"now": {"preset": "fast"}, "then": {}}


def main() -> None:
    """Measure both versions in turns, one seed after the other."""
    args = arguments(__doc__, seeds=10, first_seed=0, rounds=3)
    seeds, rounds = (1, 1) if args.tiny else (args.seeds, args.rounds)
    with tempfile.TemporaryDirectory() as temporary:
        sources = {"now": ROOT / "src", "then": ROOT / "src" if args.tiny else earlier(Path(temporary))}
        measure = Starts(sources, Path(temporary), args.tiny)
        seeded = range(args.first_seed, args.first_seed + seeds)
        wanted = [{"verb": "train", "number": number} for number in seeded]
        answers = () if args.tiny else ("count", "val", "show")
        wanted += [{"verb": verb, "number": number} for verb in answers for number in range(rounds)]
        measure_missing(args.out, "start", sorted(wanted, key=lambda who: who["verb"]), measure, ratios)


def earlier(folder: Path) -> Path:
    """The sources of the earlier version, taken out of the history."""
    archive = subprocess.run(["git", "archive", EARLIER, "src"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder / "src"


class Starts:
    """Runs of both versions, in turns."""

    def __init__(self, sources: dict[str, Path], folder: Path, small: bool):  # noqa: FBT001
        self.sources, self.folder, self.small = sources, folder, small

    def __call__(self, *, verb: str, number: int) -> dict[str, Any]:
        """What both versions took; the one that goes first alternates."""
        versions = list(MODES) if number % 2 else list(reversed(MODES))
        run = self.train if verb == "train" else self.answer
        return {version: run(version, verb, number) for version in versions}

    def train(self, version: str, verb: str, number: int) -> dict[str, Any]:
        """Seconds of the process and of the clock to the first look, and of the clock to 98 %."""
        out = self.folder / f"{version}-{number}"
        recipe = TINY if self.small else {"scenes": "mnist"} | FOLLOW | MODES[version]
        words = options(**spelled(recipe, version), seed=number, out=out)
        process, began = self.started(version, verb, *words)
        curve = [(look["count_accuracy"], *taken) for look, *taken in looks(process, began, out)]
        reached = [clock for accuracy, _, clock in curve if accuracy >= LEVEL]
        return {
            "process_seconds_to_first_look": round(curve[0][1], 2),
            "seconds_to_first_look": round(curve[0][2], 2),
            "seconds_to_98": round(reached[0], 1) if reached else None,
            "accuracies": [accuracy for accuracy, _, _ in curve],
        }

    def answer(self, version: str, verb: str, number: int) -> dict[str, float]:
        """Seconds of the clock of one command, with nothing compiled and once more."""
        run = self.trained(version)
        words = {
            "count": [str(self.folder / "picture"), "--model", str(run)],
            "val": [str(run), "--scenes-n", "64"],
            "show": [str(run)],
        }[verb]
        cache, seconds = self.folder / "cache", {}
        shutil.rmtree(cache, ignore_errors=True)
        for name in ("cold", "warm"):
            where = {
                "count": ["--out", str(self.folder / f"counts-{version}-{number}-{name}")],
                "show": ["--out", str(self.folder / f"shown-{version}-{number}-{name}.png")],
            }.get(verb, [])
            process, began = self.started(version, verb, *words, *where, cache=cache)
            if process.wait():
                raise RuntimeError(f"subitize {verb} of version {version} failed")
            seconds[name] = round(time.perf_counter() - began, 2)
        return seconds

    def trained(self, version: str) -> Path:
        """A run of a version, hardly trained, and a picture to count."""
        if not (self.folder / "picture").exists():
            write_scenes(self.folder / "picture", "digits", "test", 1, 0)
        run = self.folder / f"run-{version}"
        if not run.exists():
            words = options(**spelled(TINY | {"restarts": 0}, version), out=run)
            assert not self.started(version, "train", *words)[0].wait()
        return run

    def started(
        self, version: str, *words: str, cache: Path | None = None
    ) -> tuple[subprocess.Popen[bytes], float]:
        """A process of a version that finds nothing compiled unless a cache has it, and when it began."""
        places = {"PYTHONPATH": str(self.sources[version])}
        if self.small:  # measures nothing and may be quick
            cache = self.folder / "cache"
        own = cache or Path(tempfile.mkdtemp(dir=self.folder))
        places["JAX_COMPILATION_CACHE_DIR"] = str(own)
        command, silent = [sys.executable, "-m", "subitize", *words], subprocess.DEVNULL
        began = time.perf_counter()
        return subprocess.Popen(command, env=os.environ | places, stdout=silent, stderr=silent), began


def spelled(recipe: dict[str, Any], version: str) -> dict[str, Any]:
    """Options by the names that a version knows."""
    former = {now: then for then, now in FORMER_OPTIONS.items()} if version == "then" else {}
    return {former.get(name, name): value for name, value in recipe.items()}


def looks(
    process: subprocess.Popen[bytes], began: float, out: Path
) -> Iterator[tuple[dict[str, Any], float, float]]:
    """Each row with a look, the process's seconds, and the clock's; ends the process at 98 %."""
    seen = 0
    while process.poll() is None:
        time.sleep(POLL)
        path = out / "records.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        clock, used = time.perf_counter() - began, core_seconds(process.pid)
        rows = [json.loads(line) for line in lines[seen:]]
        seen = len(lines)
        for row in rows:
            if "count_accuracy" in row:
                yield row, used, clock
                if row["count_accuracy"] >= LEVEL:
                    process.kill()
    process.wait()


def core_seconds(pid: int) -> float:
    """Seconds that a process and those it has waited for have used of the cores."""
    try:
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, after[11:15])) / os.sysconf("SC_CLK_TCK")


def ratios(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of both versions, and of the ratios of runs that were made in turns."""
    summary = {}
    for verb in dict.fromkeys(run["verb"] for run in runs):
        own = [run for run in runs if run["verb"] == verb]
        names = [name for name in own[0]["now"] if name != "accuracies"]
        summary[verb] = {name: compared(own, name) for name in names} | {"runs": len(own)}
    return summary


def compared(runs: list[dict[str, Any]], name: str) -> dict[str, float | None]:
    """Medians of one figure in both versions, and of its ratio; what was never reached took for ever."""
    pairs = [[float("inf") if run[v][name] is None else run[v][name] for v in MODES] for run in runs]
    now, then = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(a / b if b < float("inf") else 0.0 for a, b in pairs)
    found = {"now_median": now, "then_median": then, "ratio_median": ratio}
    return {key: round(value, 3) if value < float("inf") else None for key, value in found.items()}


if __name__ == "__main__":
    main()

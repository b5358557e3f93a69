"""What every benchmark shares: where results go, and how a fresh process is run and timed."""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from filelock import FileLock
from PIL import Image

from subitize import scenes
from subitize.core.provenance import provenance as made_here
from subitize.core.results import Result

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
TINY = {  # the tested mode: soon compiled, and of given size, so that one program serves every seed
    "restarts": 0,
    "steps": 24,
    "steps_per_call": 4,
    "batch_size": 8,
    "eval_every": 8,
    "eval_size": 24,
    "scenes": "digits",
    "max_objects": 2,
    "object_size": 24.0,
}
FOLLOW = {"eval_every": 100, "eval_size": 2000}
LEVELS = (0.95, 0.98, 0.99)


def arguments(description: str | None, **defaults: Any) -> argparse.Namespace:
    """Command line of a benchmark: its numbers, its flags (what is False), `--tiny`, and where to write."""
    parser = argparse.ArgumentParser(description=description)
    for name, value in defaults.items():
        kind: Any = {"action": "store_true"} if value is False else {"type": type(value), "default": value}
        parser.add_argument(f"--{name.replace('_', '-')}", **kind)
    parser.add_argument("--tiny", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result and the runs")
    args = parser.parse_args()
    if args.tiny and args.out == RESULTS:
        parser.error("what --tiny writes is no result: give --out, another folder")
    return args


def black_and_white(of: str = "mnist", *, tiny: bool) -> dict[str, Any]:
    """Pictures as bits [pictures, 784], for training and test; if tiny the bundled digits."""
    from subitize.scenes.single_images import BinarizedImages

    return {
        split: BinarizedImages(split, of="digits" if tiny else of).vectors() for split in ("train", "test")
    }


def picture_path(out: Path, name: str) -> Path:
    """Where a picture goes: beside its result, or into the docs if the result is to be committed."""
    return (DOCS if out == RESULTS else out) / f"{name}.png"


def publish(
    out: Path, name: str, summary: dict[str, Any], runs: Iterable[dict[str, Any]] = (), **more: Any
) -> None:
    """Write a result with its provenance, and print its summary; `more` is a note or sittings."""
    Result(name, provenance(), summary, tuple(runs), **more).write(out)
    print(json.dumps(summary, indent=1))


def measure_missing(
    out: Path,
    name: str,
    wanted: list[dict[str, Any]],
    measure: Callable[..., dict[str, Any]],
    summarise: Callable[[list[dict[str, Any]]], dict[str, Any]],
) -> None:
    """Measure the runs that a result lacks, writing it after each; several processes may fill one result.

    Args:
        out: folder of the result.
        name: of the result.
        wanted: what tells one run from another, in words of `measure`; the result is sorted by it.
        measure: makes one run.
        summarise: makes the summary of all runs.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, lock = out / f"{name}.json", FileLock(out / f"{name}.lock")

    def measured() -> Result:
        return Result.read(path) if path.exists() else Result(name, {}, {})

    for who in wanted:
        with lock:
            if any(who == {k: run.get(k) for k in who} for run in measured().runs):
                continue
        made = provenance()
        where = {"commit": made["commit"][:7], "cpu": made["cpu"], "date": made["date"]}
        run = who | where | measure(**who)
        with lock:
            before = measured()
            others = [other for other in before.runs if who != {k: other.get(k) for k in who}]
            runs = sorted([*others, run], key=lambda run: [run[k] for k in who])
            sittings = dict.fromkeys(map(json.dumps, [*before.sittings, made]))  # each once
            more = {"note": before.note, "sittings": tuple(map(json.loads, sittings))}
            publish(out, name, summarise(runs), runs, **more)


def provenance() -> dict[str, Any]:
    """Where, how and when a result was made; of the command no word tells where the result went."""
    return made_here() | {"command": " ".join(["python", *words_without_out(sys.argv)])}


def words_without_out(words: list[str]) -> list[str]:
    """A command line without where its result went."""
    if "--out" in words:
        at = words.index("--out")
        return words[:at] + words[at + 2 :]
    return words


def write_scenes(folder: Path, dataset: str, split: str, number: int, seed: int) -> dict[str, int]:
    """Write scenes as PNG files; returns how many objects each holds."""
    drawn, truth = scenes.load(dataset, split), {}
    folder.mkdir(parents=True)
    for first in range(0, number, AT_ONCE):
        batch = drawn.batch(seed, jnp.arange(first, min(first + AT_ONCE, number)))
        for i, (image, count) in enumerate(zip(np.asarray(batch.image), batch.count, strict=True), first):
            name = f"{i:06d}.png"
            Image.fromarray((255 * image[..., 0]).round().astype(np.uint8)).save(folder / name)
            truth[name] = int(count)
    return truth


AT_ONCE = 1000  # scenes drawn together
DOUBTFUL = 8  # exit code of a count whose run says of itself that it failed


def subitize(*words: str, cache: Path | None = None, allowed: Iterable[int] = (0,)) -> tuple[float, str]:
    """Run the command in a fresh process: (seconds, what it printed).

    If tiny, it runs in this process, which knows what it compiled before.

    Args:
        words: after `subitize`.
        cache: folder of compiled programs; an empty one makes the process compile everything.
        allowed: exit codes that are no error.
    """
    began = time.perf_counter()
    code, printed, said = (in_this_process if tiny() else in_a_fresh_one)(list(words), cache)
    if code not in allowed:
        raise RuntimeError(f"subitize {' '.join(words)} exited with {code}:\n{said}")
    return time.perf_counter() - began, printed


def in_a_fresh_one(words: list[str], cache: Path | None) -> tuple[int, str, str]:
    """Exit code, output and errors of the command in a process of its own."""
    command = [sys.executable, "-m", "subitize", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(cache))
    return done.returncode, done.stdout, done.stderr


def in_this_process(words: list[str], cache: Path | None) -> tuple[int, str, str]:
    """Exit code, output and errors of the command in this process."""
    from subitize.cli import main

    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        code = main(words)
    return code, printed.getvalue(), said.getvalue()


def tiny() -> bool:
    """Whether this is the tested mode, which measures nothing and may be quick."""
    return "--tiny" in sys.argv


def seconds_of_last(times: int, out: Path, *words: str, cache: Path, allowed: Iterable[int] = (0,)) -> float:
    """Seconds of the last of so many runs of a command that fills `out`; it finds most things compiled."""
    seconds = 0.0
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True)
        seconds, _ = subitize(*words, cache=cache, allowed=allowed)
    return seconds


def killed(moments: random.Random, longest: float, out: Path, *words: str, cache: Path) -> float:
    """After how many seconds a command that fills `out` was killed with SIGKILL.

    The moment is drawn uniformly up to `longest` seconds. A command that ends before is started anew.
    """
    command, silent = [sys.executable, "-m", "subitize", *words], subprocess.DEVNULL
    while True:
        shutil.rmtree(out, ignore_errors=True)
        moment = moments.uniform(0, longest)
        process = subprocess.Popen(command, env=environment(cache), stdout=silent, stderr=silent)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            return moment


def environment(cache: Path | None) -> dict[str, str]:
    """Of a fresh process with a folder of compiled programs of its own; None, or tiny: the usual one."""
    own = cache is not None and not tiny()
    return dict(os.environ) | ({"JAX_COMPILATION_CACHE_DIR": str(cache)} if own else {})


def trained(
    seed: int, folder: Path, *, core: int | None = None, **recipe: Any
) -> tuple[Path, dict[str, Any]]:
    """Train once on MNIST in a fresh process, nothing compiled before: (run, what was measured).

    The run follows its own accuracy on 2,000 held-out scenes every 100 steps; the clock runs on meanwhile.
    With `core` it has that core alone, and the clock is what the process has used of it.
    """
    run = folder / "-".join([str(recipe.get("estimator", "exact")), str(seed)])
    began = time.time()
    recipe = {"scenes": "mnist", "seed": seed, "out": run} | FOLLOW | recipe
    if core is not None:
        os.sched_setaffinity(0, {core})  # the process inherits it
    seconds, _ = subitize("train", *options(**recipe), cache=folder / f"{run.name}-cache")
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    timings = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()]
    if core is not None:
        began, seconds = 0.0, timings[-1]["core_seconds"]
    clock = {t["step"]: t["time" if core is None else "core_seconds"] - began for t in timings if t["step"]}
    curve = [
        (r["step"], round(clock[r["step"]], 1), r["count_accuracy"]) for r in rows if "count_accuracy" in r
    ]
    reached = {
        f"seconds_to_{level:.0%}": next((t for _, t, a in curve if a >= level), None) for level in LEVELS
    }
    measured = {"seed": seed, "seconds": round(seconds, 1), "restarts": rows[-1]["restarts"], "curve": curve}
    return run, measured | reached


def median_reached(runs: list[dict[str, Any]]) -> dict[str, float | None]:
    """Median seconds to each level; None if at least half of the runs never got there."""
    medians = {}
    for level in LEVELS:
        times = [run[f"seconds_to_{level:.0%}"] for run in runs]
        middle = statistics.median([float("inf") if t is None else t for t in times])
        medians[f"median_seconds_to_{level:.0%}"] = None if middle == float("inf") else round(middle, 1)
    return medians


def options(**values: Any) -> list[str]:
    """Options of the command line: steps=40 becomes --steps 40."""
    return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]

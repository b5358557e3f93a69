"""`count --engine dask`, with real workers: what they write is what a count by one process writes."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import jax
import pytest
from folders import contents, write_many

from subitize.cli import main
from subitize.evaluation import dask_cluster
from subitize.training.run import open_run

pytestmark = pytest.mark.processes
MANY = 400  # pictures: in four parts, for two workers
# A job in the background is started deaf to SIGINT; one in the foreground is not.
HEARING = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    folder = write_many(tmp_path_factory.mktemp("many"), MANY - 1)
    (folder / "empty.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def whole(many, run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    words = ["count", many, "--model", run, "--out", out]
    with jax.enable_x64(False):
        assert main([str(word) for word in words]) == 4
    return out


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    with dask_cluster.local_workers(2) as cluster:
        yield cluster


def clock(out: Path) -> set[tuple[str, ...]]:
    """Rows of the clock, which never reads the same twice: whoever has them has not counted again."""
    found = set()
    for path in (*out.glob("timings.csv"), *out.glob("parts/*/timings.csv*")):
        with path.open(newline="") as file:
            lines = [line for line in file if line.endswith("\n")]
        found |= {tuple(row) for row in csv.reader(lines[1:])}
    return found


def test_the_bytes_are_those_of_one_process(many, run, whole, cluster, said, tmp_path, monkeypatch):
    monkeypatch.chdir(many.parent)
    engine = f"dask={cluster.scheduler_address}"
    code, out, error = said("count", many.name, "--model", run, "--out", tmp_path / "out", "--engine", engine)
    assert (code, f"{many / 'empty.png'}: the file has 0 bytes" in error) == (4, True), error
    assert out.splitlines()[-1].endswith(f" in {MANY - 1} pictures, {MANY - 1} to review, 1 failed")
    assert contents(tmp_path / "out") == contents(whole)
    assert len(clock(tmp_path / "out")) == MANY


def test_a_worker_that_is_killed_has_done_nothing_in_vain(many, run, whole, cluster, said, tmp_path):
    """SIGKILL, when each of the two is in the middle of a part."""
    out, before = tmp_path / "out", set()

    def kill() -> None:
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            pid, *_ = client.run(os.getpid).values()
        while len([table for table in out.glob("parts/*/counts.csv.partial") if rows(table) > 5]) < 2:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        before.update(clock(out))

    killer = threading.Thread(target=kill)
    killer.start()
    engine = f"dask={cluster.scheduler_address}"
    code, _, error = said("count", many, "--model", run, "--out", out, "--engine", engine)
    killer.join()
    assert (code, error.count("empty.png")) == (4, 1), error
    assert contents(out) == contents(whole)
    assert len(before) >= 12
    assert before < clock(out)


def rows(table: Path) -> int:
    return table.read_bytes().count(b"\n") - 1


def test_a_count_that_is_stopped_goes_on_in_the_parts_that_it_has(many, run, whole, cluster, said, tmp_path):
    """Ctrl-C reaches all processes that one on a terminal has begun, its workers too."""
    out = tmp_path / "out"
    words = [
        sys.executable,
        "-m",
        "subitize",
        "count",
        many,
        "--model",
        run,
        "--out",
        out,
        "--engine",
        "dask",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while sum(map(rows, out.glob("parts/*/counts.csv*"))) < MANY / 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=600)[1]
    assert process.returncode == 130, error
    assert (
        f" of {MANY} files. What was counted is in {out}/parts; go on with --out {out} --engine dask" in error
    )
    assert "Traceback" not in error
    before, parts = clock(out), {path.name.split("-")[-1] for path in (out / "parts").iterdir()}
    code, _, error = said("count", many, "--model", run, "--out", out, "--engine", "dask")
    assert (code, "go on with the count in it by --resume" in error) == (2, True)
    engine = f"dask={cluster.scheduler_address}"
    assert said("count", many, "--model", run, "--out", out, "--engine", engine, "--resume")[0] == 4
    assert contents(out) == contents(whole)
    assert len(before) >= MANY / 3
    assert before < clock(out)
    assert len(parts) == 1


def test_what_it_learned_before_is_kept(pictures, run, cluster, said, tmp_path, monkeypatch):
    def learned(folder: Path, out: Path, model: str | None, *, resume: bool):
        shutil.copytree(run, out / "model")
        return open_run(out / "model")

    monkeypatch.setattr("subitize.cli.count.learned", learned)
    assert said("count", pictures, "--out", tmp_path / "whole")[0] == 0
    engine = f"dask={cluster.scheduler_address}"
    code, _, error = said("count", pictures, "--out", tmp_path / "out", "--engine", engine)
    assert code == 0, error
    one, other = (contents(tmp_path / name) for name in ("out", "whole"))
    requests = [json.loads(each.pop("count.json")) | {"run": "each its own"} for each in (one, other)]
    assert one == other
    assert requests[0] == requests[1]


def test_where_no_scheduler_answers_it_says_so(pictures, run, said, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT", 0.3)
    for address in ("127.0.0.1:9", "nonsense://x"):
        words = ("--model", run, "--out", tmp_path / "out", "--engine", f"dask={address}")
        code, _, error = said("count", pictures, *words)
        assert (code, f"at '{address}' none answers" in error) == (2, True), error
        assert not (tmp_path / "out").exists()

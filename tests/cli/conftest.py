"""One tiny run, trained once by the real command, serves all tests of the command line."""

import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from subitize.cli import main

# The recipe of all tiny runs in processes of their own: what one has compiled, the others need not.
common = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "common.py"))
TINY = tuple(common["options"](**common["TINY"], save_every=8, seed=3))


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    return TINY


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess]:
    """Run the real command in a process of its own."""

    def call(
        *words: object, cwd: Path | None = None, encoding: str | None = None
    ) -> subprocess.CompletedProcess:
        whole = [sys.executable, "-m", "subitize", *map(str, words)]
        return subprocess.run(
            whole, capture_output=True, text=True, cwd=cwd, encoding=encoding, timeout=900, check=False
        )

    return call


@pytest.fixture(scope="session")
def trained(command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """The run folder, and what the command said."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = command("train", *TINY, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture(scope="session")
def run(trained) -> Path:
    return trained[0]


@pytest.fixture
def said(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: (exit code, stdout, stderr)."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three good pictures, one of them in a folder inside."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name, size in (("a.png", (40, 40)), ("b.jpg", (90, 60)), ("more/c.png", (30, 50))):
        values = np.zeros((*size, 3), np.uint8)
        values[8:20, 5:18] = rng.integers(100, 255, 3)
        Image.fromarray(values).save(folder / name)
    return folder

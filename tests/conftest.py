"""Tests of the mathematics run in double precision.

What they compile is small and runs once, so compilation is told not to try hard; those that run real
processes share one cache of compiled programs.
"""

import gc
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"subitize-tests-{os.getuid()}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")  # most take less than the usual 1

import jax
import pytest

jax.config.update("jax_enable_x64", True)


def pytest_sessionstart() -> None:
    """As the command does; not sooner, since what is imported before pytest begins is not type-checked."""
    from subitize.cli import SELDOM

    gc.set_threshold(*SELDOM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end one core would wait for the other's last."""
    items.sort(key=lambda item: "processes" not in item.keywords)


MOST_MAPPINGS = 40_000  # of a process's memory; Linux allows 65,530, and each compiled program takes some


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Forget compiled programs between modules before there are too many: then the process would crash."""
    if nextitem is not None and nextitem.path != item.path and mappings() > MOST_MAPPINGS:
        jax.clear_caches()
        gc.collect()


def mappings() -> int:
    """Mappings of this process's memory; 0 where the system does not tell."""
    try:
        return Path("/proc/self/maps").read_text().count("\n")
    except OSError:
        return 0


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Path]:
    """Write a finished count with its own model, from names, counts and intervals; a count of None failed."""
    import csv

    from subitize.evaluation.tables import COUNTS, as_cell

    weights = b"the weights of a run"
    digest = hashlib.sha256(weights).hexdigest()

    def line(name: str, count: int | None, low: int = 0, high: int = 0, review: bool = False) -> dict:
        known = {"file": as_cell(name), "model_sha256": digest, "needs_review": str(review).lower()}
        if count is None:
            return known | {"status": "failed", "reason": "empty"}
        own = {"count_lo90": low, "count_hi90": high, "uncorrected_lo90": low, "uncorrected_hi90": high}
        return known | own | {"status": "ok", "count": count, "confidence": 0.5}

    def write(*rows: tuple, folder: str = "counts") -> Path:
        out = tmp_path / folder
        (out / "model").mkdir(parents=True)
        (out / "model" / "weights.safetensors").write_bytes(weights)
        (out / "overlays").mkdir()
        (out / "count.json").write_text("{}")
        with (out / "counts.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COUNTS, restval="")
            table.writeheader()
            table.writerows(line(*row) for row in rows)
        return out

    return write

"""All that the page on counting shows can be done: its commands run, and its options are known.

The commands are those of the page, in its order, on small pictures; learning is cut short.
"""

import csv
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from subitize.cli import main
from subitize.cli.count import Count
from subitize.cli.parse import fields, parse
from subitize.cli.train import parsed
from subitize.cli.verify import Verify
from subitize.core.errors import UsageError
from subitize.counter.catalogue import CatalogueOptions

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "counting.md").read_text()
QUICK = {"steps": 2, "steps_per_call": 2, "save_every": 2, "eval_every": 2}
SHORT = [
    "--steps",
    "2",
    "--steps-per-call",
    "2",
    "--batch-size",
    "2",
    "--eval-every",
    "2",
    "--eval-size",
    "4",
    "--restarts",
    "0",
    "--object-size",
    "20",
]
UNTRUSTED = 8  # after two steps a run says that it failed


def commands() -> list[str]:
    """The commands of the page that need no other machine and no other package."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("subitize ")]
    return [line.replace("/data/", "") for line in lines if "--engine" not in line]


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    with jax.enable_x64(False):
        yield


def test_every_command_of_the_page_runs(tmp_path, monkeypatch, capsys):
    write = runpy.run_path(str(ROOT / "examples" / "write_fields.py"))["write"]
    for name, number in (("my-pictures", 9), ("more-pictures", 1), ("new-pictures", 1), ("crowded", 1)):
        write(tmp_path / name, "touching", number, seed=3, side=144)
    shutil.copytree(tmp_path / "new-pictures", tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CatalogueOptions, "defaults", CatalogueOptions.defaults | QUICK)
    assert len(commands()) >= 9
    for command in commands():
        words = shlex.split(command.replace("$SLURM_ARRAY_TASK_ID/8", "1/1"))[1:]
        if words[0] == "train":
            shutil.rmtree("run")
        elif words[0] == "count" and "counts/model" not in words:
            shutil.rmtree("counts", ignore_errors=True)
        elif "--truth" in words:
            fill_in(Path("counts", "to_verify.csv"))
        code = main(words + SHORT * (words[0] == "train"))
        assert code in (0, UNTRUSTED), f"{command}: {capsys.readouterr().err}"
        if not Path("run").exists():
            shutil.copytree("counts/model", "run")
        if words[0] == "count":
            rows = Path(words[words.index("--out") + 1], "counts.csv")
            assert len(rows.read_text().splitlines()) > 1, command


def fill_in(path: Path) -> None:
    """Count what is to be verified by eye."""
    with path.open(newline="") as file:
        rows = [row | {"count": 12} for row in csv.DictReader(file)]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`(--[a-z][^`]*)`", PAGE))))
def test_every_option_of_the_page_is_known(words):
    given = shlex.split(words)
    if len(given) == 1:
        names = {name for kind in (Count, Verify, type(parsed([]))) for name, _ in fields(kind)}
        assert given[0][2:].replace("-", "_") in names
    else:
        assert is_understood(given), words


def is_understood(words: list[str]) -> bool:
    """Whether some command takes an option with such a value."""
    takes = [
        lambda: parse(
            Count,
            "count",
            ["a.png", "--out", "counts", *([] if "--model" in words else ["--model", "run"]), *words],
        ),
        lambda: parsed(words),
        lambda: parsed(["--model", "catalogue", "--scenes", ".", *words]),
    ]
    for take in takes:
        try:
            take()
        except UsageError:
            continue
        return True
    return False


def test_the_page_names_every_option_of_count():
    missing = {name for name, _ in fields(Count) if f"--{name.replace('_', '-')}" not in PAGE}
    assert missing == {"paths", "debug"}

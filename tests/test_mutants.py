"""Every mutant can be made: the fault fits the code as it is, and the tests that it names are there."""

import ast
import importlib.util
import shlex
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(path.stem for path in (ROOT / "benchmarks" / "mutants").glob("*.toml"))


@pytest.fixture(scope="module")
def mutants():
    """The benchmark, as a module."""
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "benchmarks" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")  # as Python does when the benchmark is run
        spec.loader.exec_module(module)
    return module


def files(words):
    return [word.split("::")[0] for word in shlex.split(words) if ".py" in word]


@pytest.mark.parametrize("room", ROOMS)
def test_every_mutant_can_be_made(room, mutants):
    for mutant in mutants.table(room):
        whole = (ROOT / "src" / "subitize" / mutant.file).read_text()
        assert mutant.new != mutant.old, mutant.name
        ast.parse(mutant.mutated(whole), mutant.name)


@pytest.mark.parametrize("room", ROOMS)
def test_every_mutant_has_tests(room, mutants):
    for mutant in mutants.table(room):
        assert files(mutant.tests), mutant.name
        assert set(files(mutant.tests)) <= set(files(mutant.rest)), (
            mutant.name
        )  # those of the room hold them all
        for file in files(mutant.rest):
            assert (ROOT / "tests" / file).is_file(), file


def test_every_mutant_has_a_name_and_a_change_of_its_own(mutants):
    every = [mutant for room in ROOMS for mutant in mutants.table(room)]
    for tells_apart in ("name", "digest"):
        counts = Counter(getattr(mutant, tells_apart) for mutant in every)
        assert max(counts.values()) == 1, counts.most_common(3)


def test_text_that_stands_elsewhere_too_is_refused(mutants):
    mutant = mutants.table("core")[0]
    with pytest.raises(ValueError, match="2 times, not once"):
        mutant.mutated(2 * mutant.old)

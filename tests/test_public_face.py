"""What `import subitize` offers: each name is the thing itself, and is loaded when it is asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subitize as sb
from subitize.core.errors import NoInputError, UsageError
from subitize.verbs import UncountedWarning

STUBS = sorted(Path(sb.__file__).parent.rglob("__init__.pyi"))


def offered(stub: Path) -> list[tuple[str, str, str]]:
    """(package, module, name) of everything that a stub names; no module for what is one itself."""
    package = ".".join(stub.parent.relative_to(Path(sb.__file__).parents[1]).parts)
    nodes = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return [(package, node.module or "", alias.name) for node in nodes for alias in node.names]


@pytest.mark.parametrize(("package", "module", "name"), [each for stub in STUBS for each in offered(stub)])
def test_a_name_is_what_its_module_calls_so(package, module, name):
    found = getattr(importlib.import_module(package), name)
    wanted = importlib.import_module(f"{package}.{module or name}")
    assert found is (getattr(wanted, name) if module else wanted)


def test_completion_shows_the_names_and_nothing_else():
    assert set(dir(sb)) == {name for package, _, name in offered(STUBS[0]) if package == "subitize"}
    assert {"train", "count", "evaluate", "sample", "open_run", "load_scenes"} < set(dir(sb))
    with pytest.raises(AttributeError, match="subitize"):
        sb.cuont  # noqa: B018


def test_importing_it_loads_no_jax():
    code = "import subitize, sys; assert dir(subitize); sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def squares(tmp_path):
    """Two pictures with nine and with four squares."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for name, number in (("a", 3), ("b", 2)):
        grey = np.zeros((120, 120), np.uint8)
        for row in range(number):
            for column in range(number):
                grey[10 + 36 * row : 26 + 36 * row, 10 + 36 * column : 26 + 36 * column] = 200
        Image.fromarray(grey).save(folder / f"{name}.png")
    return folder


def test_counting_says_what_is_in_each_picture(squares):
    counted = sb.count(squares, "watershed")
    assert [(each.file, each.count, len(each.boxes)) for each in counted] == [
        ("a.png", 9, 9),
        ("b.png", 4, 4),
    ]


def test_a_file_without_a_count_is_told_of(squares):
    (squares / "c.png").write_bytes(b"no picture")
    with pytest.warns(UncountedWarning, match=r"c\.png: this is no PNG"):
        counted = sb.count(squares, "watershed")
    assert [each.failed for each in counted] == [False, False, True]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NoInputError, match="There is no file or folder"):
        sb.count(tmp_path / "nothing")


def test_without_a_run_one_folder_is_needed(squares):
    with pytest.raises(UsageError, match="learned from one folder; got"):
        sb.count([squares / "a.png", squares / "b.png"])


def test_scenes_are_those_of_their_room():
    scenes = sb.load_scenes("dots", "test", counts=(1,))
    assert (scenes.split, scenes.counts) == ("test", (1,))

"""The page on equivalences runs as it is written, and names what there is."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import subitize.equivalences

PAGE = (Path(__file__).parents[2] / "docs" / "equivalences.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"\n## ([^\n]+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))
FUNCTIONS = re.findall(r"`(\w+)\.(\w+)` \|\n", PAGE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_runs(name, capsys):
    exec(compile(PROGRAMS[name], name, "exec"), {})
    said = capsys.readouterr().out
    assert said
    assert "nan" not in said


def test_the_table_has_every_file_and_every_entry_has_a_program():
    files = {module.name for module in pkgutil.iter_modules(subitize.equivalences.__path__)} - {"sides"}
    assert {file for file, _ in FUNCTIONS} == files
    assert len(PROGRAMS) == len(FUNCTIONS) == 8
    for file, function in FUNCTIONS:
        assert callable(getattr(importlib.import_module(f"subitize.equivalences.{file}"), function))

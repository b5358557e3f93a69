"""The docs say only what the code and the committed results say."""

import dataclasses
import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from subitize.core.results import Result

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")  # as mkdocs does
        spec.loader.exec_module(module)
    return module


def test_the_readme_carries_the_committed_numbers(hooks):
    readme = README.read_text()
    assert hooks.README_BLOCK.search(readme)
    assert hooks.renewed(readme) == readme, "run `python docs/hooks.py`"


def test_a_result_that_is_older_than_its_code_says_so(hooks, tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    code = tmp_path / "src" / "subitize" / "training" / "loop.py"
    code.parent.mkdir(parents=True)
    code.write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    made = {"commit": commit.strip(), "command": "c <1>", "device": "cpu", "cpu": "x", "date": "2026-11-30"}
    found = Result("survives_kills", made, {})
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    assert hooks.measured(found) == (
        f'<abbr title="c &lt;1&gt;, cpu x, 2026-11-30; {commit[:7]}">measured 2026-11-30</abbr>'
    )
    code.write_text("2")
    hooks.changed_since.cache_clear()
    assert hooks.measured(found).endswith("; its code has changed since")
    assert not hooks.measured(dataclasses.replace(found, name="belief_net_race")).endswith("since")


def test_every_mark_in_the_docs_is_filled(hooks):
    for page in (ROOT / "docs").rglob("*.md"):
        assert "{{" not in hooks.on_page_markdown(page.read_text()), page


def test_only_what_is_meant_for_mkdocs_looks_like_it(hooks):
    """It takes every function on_… for an event of its own."""
    assert [name for name in vars(hooks) if name.startswith("on_")] == ["on_page_markdown"]


def test_the_table_of_estimators_has_them_all(hooks):
    from subitize.gradients import ESTIMATORS

    assert re.findall(r"^\| `(\w+)`", hooks.estimators(), re.MULTILINE) == list(ESTIMATORS)


def programs(page: str) -> str:
    """All Python of a page, as it would be typed in."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL))


def test_the_program_in_the_docs_runs():
    found = {}
    exec(compile(programs("gradients.md"), "gradients.md", "exec"), found)
    assert abs(float(found["value"])) < 10


def test_the_mixture_for_those_who_come_from_pyro_is_learned(capsys):
    found = {}
    exec(compile(programs("from-pyro.md"), "from-pyro.md", "exec"), found)
    np.testing.assert_allclose(np.sort(found["state"][0]["means"]), [-3, 3], atol=0.25)


def test_the_program_for_those_who_come_from_scikit_image_counts(tmp_path, monkeypatch, capsys):
    draw = runpy.run_path(str(ROOT / "examples" / "write_fields.py"))["write"]
    draw(tmp_path / "my-pictures", "touching", 2, seed=0, side=256)
    monkeypatch.chdir(tmp_path)
    exec(compile(programs("from-scikit-image.md"), "from-scikit-image.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5
    assert int(said[0].split()[1]) > 20


@pytest.mark.processes
def test_the_example_in_the_readme_runs(tmp_path, monkeypatch, capsys):
    (program,) = re.findall(r"## In Python\n\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    tiny = runpy.run_path(str(ROOT / "benchmarks" / "common.py"))[
        "TINY"
    ]  # that of other tests: compiled once
    of = 'Recipe.of(scenes="digits")'
    assert of in program
    monkeypatch.chdir(tmp_path)
    with jax.enable_x64(False):
        exec(compile(program.replace(of, f"Recipe.of(**{tiny!r})"), "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2
    assert (tmp_path / "runs" / "digits" / "weights.safetensors").is_file()


def test_the_repository_names_no_machine():
    words = ["/" + "work/", "/" + "tmp/", "--index" + "-url", "file" + ":///"]
    files = [
        p
        for p in ROOT.rglob("*")
        if p.is_file() and p.suffix in (".py", ".md", ".toml", ".json", ".lock", ".yml")
    ]
    tracked = [
        p for p in files if not {".venv", ".git", "runs", "site", "demo"} & set(p.relative_to(ROOT).parts)
    ]
    assert len(tracked) > 60
    for path in tracked:
        assert not any(word in path.read_text(errors="replace") for word in words), path


def test_importing_the_package_loads_nothing_heavy():
    import subprocess

    code = "import sys, subitize, subitize.training.recipe; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def sentences(markdown: str) -> list[str]:
    """The sentences of a page, without code, tables and headings."""
    text = re.sub(r"(?s:```.*?```|<!--.*?-->)|\n\n(?:    .*\n)+", "\n", markdown)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "Code", text))
    lines = [line for line in text.split("\n") if not line.startswith(("|", "#", "{{"))]
    parts = re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", "\n".join(lines))
    whole = [re.split(r"(?<=[.!?:])\s+(?=[A-Z*(])", " ".join(part.split())) for part in parts]
    return [each for part in whole for each in part if len(each.split()) > 2]


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem)
def test_sentences_are_short(page):
    found = sentences(page.read_text())
    assert np.median([len(each.split()) for each in found]) <= 18
    assert np.mean([each.count(",") for each in found]) <= 1.3

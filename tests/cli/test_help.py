import subprocess
import sys
import time

import pytest

from subitize import __version__
from subitize.cli import VERBS, main

HEAVY = ("jax", "equinox", "numpy", "matplotlib", "sklearn", "tyro", "rich", "PIL")


def loaded_by(*words: str) -> set[str]:
    code = f"import sys, subitize.cli as c; c.main({list(words)!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_is_quick_because_it_loads_nothing():
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "subitize", "--help"], capture_output=True, text=True, check=False
    )
    assert time.perf_counter() - begun < 1  # 0.06 s on a quiet machine
    assert done.returncode == 0
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert loaded_by("--help").isdisjoint(HEAVY)


def test_help_of_a_verb_does_not_wait_for_jax():
    code = (
        "import sys\nfrom subitize.cli import main\n"
        "for verb in ('train', 'val', 'count', 'verify', 'sample', 'show'):\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit as end: assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stderr.split()).isdisjoint({"jax", "equinox", "numpy", "sklearn"})
    options = "--estimator", "--deterministic", "--resume", "--model", "--scenes-n", "--json", "--truth"
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_verb_it_explains_itself(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("usage: subitize VERB")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"subitize {__version__}\n"


@pytest.mark.parametrize(("word", "meant"), [("trian", "train"), ("vall", "val"), ("Count", "count")])
def test_a_misspelt_verb_gets_a_suggestion(word, meant, capsys):
    assert main([word]) == 2
    error = capsys.readouterr().err
    assert error.startswith("subitize: There is no command")
    assert f"Did you mean '{meant}'?" in error


def test_a_terminal_of_another_alphabet_is_no_error(command, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = command("show", encoding="latin-1")
    assert done.returncode == 0, done.stderr
    assert "\\u221d" in done.stdout


def test_unexpected_errors_are_one_sentence_unless_debugged(monkeypatch, capsys):
    def broken(words):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("subitize.cli.dispatch", broken)
    assert main(["show"]) == 1
    assert capsys.readouterr().err == (
        "subitize: something unexpected happened (RuntimeError: first). "
        "Run again with --debug for the traceback.\n"
    )
    assert main(["show", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "part"),
    [
        (OSError(28, "No space left on device", "/x/y"), 7, "the disk is full at /x/y"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "/x/y: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_system_has_exit_codes_too(error, code, part, monkeypatch, capsys):
    def broken(words):
        raise error

    monkeypatch.setattr("subitize.cli.dispatch", broken)
    assert main(["show"]) == code
    assert part in capsys.readouterr().err


def test_options_of_training_stand_in_the_groups_of_a_recipe(capsys):
    from subitize.training.recipe import SECTIONS

    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    shown = capsys.readouterr().out
    places = [shown.index(f"{section} options") for section in SECTIONS]
    assert places == sorted(places)

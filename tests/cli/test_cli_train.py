import json
import os
import subprocess
import sys

import pytest
from PIL import Image


def test_it_names_the_run_first_and_last_and_a_picture(trained):
    folder, done = trained
    lines = done.stdout.splitlines()
    assert lines[0] == lines[-1] == f"run: {folder.absolute()}"
    assert lines[1] == "model: air"
    assert lines[2].startswith("device: ")
    picture = lines[-2].removeprefix("picture: ")
    with Image.open(picture) as image:
        assert image.width > 400
    assert "(0: " in lines[3]
    assert ", 2: " in lines[3]
    assert done.stderr.index("compiling...") < done.stderr.index("24/24")
    assert "\x1b" not in done.stdout + done.stderr


def test_the_run_folder_is_complete(run):
    recipe = json.loads((run / "recipe.json").read_text())
    loop = recipe["loop"]
    assert (recipe["data"]["scenes"], loop["steps"], loop["seed"]) == ("digits", 24, 3)
    for name in ("provenance.json", "records.jsonl", "weights.safetensors", "pictures/board.png"):
        assert (run / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--stepz", "9"], 2, "Did you mean '--steps'?"),
        (["--scenes", "digist"], 2, "Did you mean 'digits'?"),
        (["--scenes", "no/such/folder"], 3, "there is no folder no/such/folder"),
        (["--estimator", "nvill"], 2, "nvil"),
        (["--estimator", "mvd"], 2, "These would work for 'count': exact"),
        (["--counts", "0", "1", "7"], 2, "at most 3 objects cannot learn scenes of 7"),
        (["--anneal-steps", "5"], 2, "needs both"),
        (["--count-prior", "geometric(rate=7)"], 2, "rate"),
        (["--objective", "iwae(k=0)"], 2, "iwae"),
        (["--size", "60"], 2, "more than a 40×40 canvas"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_written(words, code, message, said, tmp_path):
    found, _, error = said("train", *words, "--out", tmp_path / "run")
    assert (found, message in error) == (code, True), error
    assert "Traceback" not in error
    assert "compiling" not in error
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_neither_changed_nor_replaced(run, tiny, said):
    before = (run / "weights.safetensors").read_bytes()
    code, _, error = said("train", *tiny, "--seed", 4, "--out", run)
    assert code == 2
    assert "seed" in error
    code, _, error = said("train", *tiny, "--out", run, "--resume", "never")
    assert code == 2
    assert (run / "weights.safetensors").read_bytes() == before


def test_somebody_elses_folder_is_left_alone(tiny, said, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    code, _, error = said("train", *tiny, "--out", tmp_path)
    assert code == 2
    assert "nothing is overwritten" in error
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_of_pictures_is_exit_3(said, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, error = said("train", "--scenes", tmp_path / "empty", "--out", tmp_path / "run")
    assert code == 3
    assert "there is none in" in error


SEEN_BY_JAX = """
import os, sys

class Witness:
    def find_spec(name, *_):
        if name == "jax":
            print(len(os.sched_getaffinity(0)), os.environ.get("XLA_FLAGS", ""))
            sys.exit()

sys.meta_path.insert(0, Witness)
from subitize.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("model", ["air", "draw"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_deterministic_keeps_the_command_to_one_core_before_jax_is_imported(model, deterministic, tmp_path):
    """The cores that JAX finds, and its flags, in a process of the command's own that ends there."""
    words = ["train", "--model", model, "--out", tmp_path / "run"] + ["--deterministic"] * deterministic
    flags = {"XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false"}
    command = [sys.executable, "-c", SEEN_BY_JAX, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | flags)
    cores, *found = done.stdout.split()
    assert int(cores) == (1 if deterministic else len(os.sched_getaffinity(0)))
    assert found == [flags["XLA_FLAGS"]] + ["--xla_cpu_multi_thread_eigen=false"] * deterministic

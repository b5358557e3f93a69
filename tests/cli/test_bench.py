import json

import jax
from PIL import Image

from subitize.evaluation.programs import PROGRAMS, Program, build

QUICK = ("--draws", 4, "--burn-in", 2, "--estimators", "exact", "rloo(k=2)", "st")


def test_bench_prints_a_table_and_draws_a_picture(said, tmp_path):
    code, out, _ = said("bench", "gradients", "--on", "coins", *QUICK, "--out", tmp_path / "work.png")
    assert code == 0, _
    for part in (
        "coins",
        "estimator",
        "exact",
        "rloo(k=2)",
        "st (biased)",
        f"picture: {tmp_path / 'work.png'}",
    ):
        assert part in out
    with Image.open(tmp_path / "work.png") as image:
        assert image.width > 500


def test_bench_prints_one_json_object(said):
    code, out, _ = said("bench", "gradients", "--on", "two_dependent", *QUICK, "--json")
    assert code == 0
    rows = json.loads(out)["two_dependent"]
    assert {row["site"] for row in rows} == {"first", "second"}
    assert all(row["work"] >= 0 for row in rows)


def test_bench_says_what_there_is(said):
    code, _, err = said("bench", "gradients", "--on", "conis")
    assert code == 2
    assert "Did you mean 'coins'" in err
    code, _, err = said("bench", "gradients", "--on", "coins", "--estimators", "rebbar")
    assert code == 2
    assert "Did you mean 'rebar'" in err


def test_a_program_is_built_from_its_seed(monkeypatch):
    random = lambda key: Program(lambda model, x, draw: model * x, jax.random.normal(key), None)  # noqa: E731
    monkeypatch.setitem(PROGRAMS, "random", random)
    models = [float(build("random", seed).model) for seed in (0, 1, 0)]
    assert models[0] == models[2] != models[1]

"""`subitize compare`, on runs that hardly learned."""

import csv

import jax
import pytest
from PIL import Image

from subitize.core.errors import UsageError
from subitize.training import Recipe, train

TINY = {"steps": 2, "steps_per_call": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of a model with a likelihood, and of one without."""
    folder = tmp_path_factory.mktemp("runs")
    with jax.enable_x64(False):
        for spec in ("vae(latent_dim=2, hidden=(4,))", "gan(latent_dim=2, hidden=(4,))"):
            train(Recipe.of(spec, **TINY), folder / spec.split("(")[0])
    return folder


def test_a_table_and_a_sheet_of_samples_are_written(runs, said, tmp_path):
    code, out, _ = said(
        "compare", runs / "vae", runs / "gan", "--out", tmp_path, "--scenes-n", 8, "--samples-n", 8, "--n", 3
    )
    assert code == 0
    with (tmp_path / "comparison.csv").open(newline="") as file:
        vae, gan = csv.DictReader(file)
    assert (vae["model"], vae["nll_kind"], vae["nll_direction"]) == ("vae", "iwae, 1,000 samples", "upper")
    assert 100 < float(vae["nll"]) < 1000
    assert (gan["nll"], gan["nll_kind"]) == ("", "none: the model has no likelihood")
    assert "nats (upper bound; iwae, 1,000 samples), fd" in out
    assert float(gan["fd"]) > 0
    assert gan["samples_n"] == "8"
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.width > 3 * 100
    code, _, error = said("compare", runs / "vae", "--out", tmp_path)
    assert (code, "nothing is overwritten" in error) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"), [([], "needs runs"), (["a", "a"], "named twice"), (["nowhere"], "nowhere")]
)
def test_slips_are_said(words, message, said):
    code, _, error = said("compare", *words)
    assert code in (UsageError.exit_code, 3, 5)
    assert message in error

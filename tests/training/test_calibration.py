"""A calibration is that of its run's weights, whole, or refused."""

import dataclasses
import json

import pytest

from subitize.core.errors import CheckpointError
from subitize.evaluation.count_request import read_request
from subitize.training.calibration import CALIBRATION, Calibration, read_calibration, save_calibration

GIVEN = Calibration("ab" * 32, 1.75, 19, "")


def test_it_comes_back_and_the_last_one_counts(tmp_path):
    assert read_calibration(tmp_path, GIVEN.model_sha256) is None
    save_calibration(tmp_path, dataclasses.replace(GIVEN, factor=0.1))
    save_calibration(tmp_path, GIVEN)
    assert read_calibration(tmp_path, GIVEN.model_sha256) == GIVEN


def test_of_other_weights_it_is_refused(tmp_path):
    save_calibration(tmp_path, GIVEN)
    with pytest.raises(CheckpointError, match=r"is of other weights .* Verify a count of this run again"):
        read_calibration(tmp_path, "cd" * 32)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1.75", "1.76"),
        lambda text: "",
        lambda text: "[1]",
        lambda text: "\0\xff",
    ],
)
def test_damaged_it_is_refused(damage, tmp_path):
    save_calibration(tmp_path, GIVEN)
    path = tmp_path / CALIBRATION
    path.write_text(damage(path.read_text()))
    with pytest.raises(CheckpointError, match="cannot be trusted"):
        read_calibration(tmp_path, GIVEN.model_sha256)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), "2"])
def test_a_factor_is_a_number_from_0_on_whoever_sealed_it(factor, tmp_path):
    from subitize.core.sealed import seal

    content = dataclasses.asdict(GIVEN) | {"factor": factor}
    (tmp_path / CALIBRATION).write_bytes(seal(content))
    assert json.loads((tmp_path / CALIBRATION).read_text())["pictures"] == 19
    with pytest.raises(CheckpointError, match="cannot be trusted"):
        read_calibration(tmp_path, GIVEN.model_sha256)


def test_options_may_have_their_former_names(tmp_path):
    save_calibration(tmp_path, Calibration("0" * 64, 1.5, 19, "max_objects=3, looks=8, fit=resize"))
    assert read_calibration(tmp_path, "0" * 64).options == "max_objects=3, passes=8, fit=resize"
    (tmp_path / "count.json").write_text('{"looks": 8, "fit": "resize"}')
    assert read_request(tmp_path / "count.json") == {"passes": 8, "fit": "resize"}

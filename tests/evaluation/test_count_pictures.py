from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subitize.core.errors import NoInputError
from subitize.core.pictures import FITS, fit_picture
from subitize.evaluation.pictures import Counted, count_pictures, doubts, fullest, in_picture


def box_of(values: np.ndarray, threshold: float) -> np.ndarray:
    rows, columns = np.where(values[..., 0] > threshold)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=60, deadline=None)
@given(height=st.integers(16, 90), width=st.integers(16, 90), data=st.data())
def test_a_box_on_the_canvas_is_the_same_place_in_the_picture(fit, height, width, data):
    canvas = 40, 32
    x0, y0 = data.draw(st.integers(0, width - 9)), data.draw(st.integers(0, height - 9))
    picture = np.zeros((height, width, 1), np.float32)
    picture[y0 : y0 + 9, x0 : x0 + 9] = 1
    fitted = fit_picture(picture, *canvas, fit)
    if fitted.max() < 0.5:
        return  # cropped away
    found = in_picture(box_of(fitted, 0.5)[None], (height, width), canvas, fit)[0]
    truth, pixel = np.array([x0, y0, x0 + 9, y0 + 9]), max(height / 40, width / 32, 1)
    if fit == "crop":
        left, top = max(0, (width - 32) // 2), max(0, (height - 40) // 2)
        truth = np.clip(truth, [left, top] * 2, [left + 32, top + 40] * 2)
    assert np.abs(found - truth).max() <= (1.5 * pixel if fit != "crop" else 0)


def test_boxes_never_leave_the_picture():
    found = in_picture(np.array([[-9.0, -9, 99, 99]]), (20, 60), (40, 40), "resize")
    assert found.tolist() == [[0, 0, 60, 20]]


SURE, UNSURE, FULL = np.array([0.01, 0.98, 0.01]), np.array([0.2, 0.6, 0.2]), np.array([0, 0.01, 0.99])


@pytest.fixture
def spot() -> np.ndarray:
    values = np.zeros((20, 20, 1))
    values[5:9, 5:9] = 1
    return values


def test_reasons_to_doubt(spot):
    nothing = np.zeros_like(spot)
    assert doubts(spot, spot, SURE, 6) == []
    assert doubts(spot, spot, UNSURE, 6) == ["low_confidence"]
    assert doubts(spot, spot, FULL, 6) == ["at_max_count"]
    assert doubts(spot, nothing, SURE, 6) == ["poor_reconstruction", "unexplained_part"]
    assert doubts(nothing, nothing, SURE, 6) == ["blank"]
    assert doubts(0.03 * spot, 0.03 * spot, SURE, 6) == ["low_contrast"]
    two = np.roll(spot, 9, 0) + spot
    three = np.roll(spot, 9, 1) + two
    assert doubts(three, two, SURE, 6) == ["unexplained_part"]
    assert doubts(three, 0.8 * three, SURE, 6) == []


@pytest.mark.parametrize("window", [1, 4, 30])
def test_the_fullest_window_is_that_of_brute_force(window):
    values = np.random.default_rng(window).uniform(size=(9, 12))
    k = min(window, 9)
    sums = [values[y : y + k, x : x + k].sum() for y in range(10 - k) for x in range(13 - k)]
    assert fullest(values, window) == pytest.approx(max(sums))


def test_a_blank_picture_is_only_doubtful_if_something_is_counted_in_it():
    picture = np.zeros((9, 9, 3))
    assert not Counted("a", "blank", picture=picture, posterior=np.array([0.9, 0.1])).needs_review
    assert Counted("a", "blank", picture=picture, posterior=np.array([0.1, 0.9])).needs_review


def test_numbers_of_a_posterior():
    seen = Counted("a", picture=np.zeros((9, 9, 3)), posterior=np.array([0.05, 0.15, 0.7, 0.1]))
    assert (seen.count, seen.interval, seen.failed) == (2, (1, 3), False)
    assert seen.expected == pytest.approx(1.85)
    np.testing.assert_allclose(seen.scores, [0.95, 0.8])


def write_pictures(folder: Path, n: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(n)
    for i in range(n):
        values = rng.integers(0, 255, (24, 24), np.uint8)
        Image.fromarray(values).save(folder / f"{i:03d}.png")


def answers(counted: list[Counted]) -> dict[str, tuple]:
    return {x.file: (x.reason, x.posterior.tobytes(), x.boxes.tobytes()) for x in counted if not x.failed}


@pytest.mark.parametrize("bad", [1, 5, 40])
def test_bad_files_change_nothing_for_the_good_ones(untrained, tmp_path, bad):
    write_pictures(tmp_path / "p", 70)
    clean = answers(list(count_pictures(untrained, [tmp_path / "p"])))
    for i in range(bad):
        (tmp_path / "p" / f"{i:03d}a.png").write_text("no picture")
    found = list(count_pictures(untrained, [tmp_path / "p"]))
    assert sum(x.failed for x in found) == bad
    assert [x.file for x in found] == sorted(x.file for x in found)
    assert {x.reason for x in found if x.failed} == {"not_a_picture"}
    assert answers(found) == clean


def test_nothing_but_bad_files_is_still_an_answer(untrained, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (found,) = count_pictures(untrained, [tmp_path])
    assert found.failed
    assert found.reason == "empty"


def test_an_empty_folder_is_an_error(untrained, tmp_path):
    with pytest.raises(NoInputError, match="there is none in"):
        list(count_pictures(untrained, [tmp_path]))

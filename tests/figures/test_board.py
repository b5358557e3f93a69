import numpy as np
import pytest

from subitize.figures.board import board, cut, summary
from subitize.figures.showcase import choose
from subitize.figures.style import WINDOWS
from subitize.models.look import Look


def look(n: int, most: int, height: int, width: int, channels: int) -> Look:
    rng = np.random.default_rng(n)
    count = rng.integers(0, most + 1, n)
    boxes = np.tile([3.0, 4.0, 13.0, 14.0], (n, most, 1))
    patches = rng.uniform(size=(n, most, height, width, channels))
    return Look(
        count,
        np.eye(most + 1, dtype=np.float32)[count],
        boxes,
        np.zeros((n, most, 2)),
        patches,
        patches[:, 0],
    )


@pytest.mark.parametrize("shape", [(40, 40, 1), (50, 70, 3), (128, 96, 3), (300, 280, 1)])
@pytest.mark.parametrize("most", [1, 3, 6, 12])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_any_scenes_fit_on_a_board(n, most, shape):
    sheet = board(np.zeros((n, *shape)), look(n, most, *shape), np.zeros(n, int), "title")
    assert 400 < sheet.width < 3000
    assert sheet.height < 250 * (n + 1)


def test_a_window_shows_what_was_painted_for_its_object():
    patch = np.zeros((20, 20, 1))
    patch[4:14, 3:13] = 0.7
    assert cut(patch, np.array([3.0, 4, 13, 14])).shape == (10, 10, 1)
    assert cut(patch, np.array([3.0, 4, 13, 14])).min() == 0.7
    beyond = cut(patch, np.array([-7.0, -6, 13, 14]))
    assert beyond.shape == (20, 20, 1)
    assert beyond[10:, 10:].min() == 0.7
    assert beyond.sum() == pytest.approx(70)
    assert cut(patch, np.array([30.0, 30, 40, 40])).max() == 0


def test_as_many_coloured_frames_as_objects():
    seen = look(1, 3, 40, 40, 1)._replace(count=np.array([2]))
    sheet = np.asarray(board(np.zeros((1, 40, 40, 1)), seen, title=""))
    shown = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in WINDOWS[:3]]
    found = [(sheet == colour).all(-1).sum() > 100 for colour in shown]
    assert found == [True, True, False]


def test_the_head_says_how_many_were_right():
    assert summary(np.array([1, 2, 0]), np.array([1, 2, 1])).startswith("2 of 3 counts right")
    assert summary(np.array([1, 2, 0]), None) == "3 scenes, 3 objects"
    assert summary(np.array([1, 2, 0]), np.array([-1, -1, -1])) == "3 scenes, 3 objects"


def test_scenes_are_chosen_by_truth_with_few_empty_ones():
    truth = np.array([0] * 50 + [1] * 50 + [2] * 50)
    chosen = truth[choose(truth, 12)]
    assert np.bincount(chosen).tolist() == [2, 5, 5]
    assert len(choose(np.array([-1] * 5), 12)) == 5
    assert len(choose(np.array([0] * 5), 3)) == 3

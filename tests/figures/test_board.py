import numpy as np
import pytest

from subitize.figures.board import board, card, cut, fields, slots, summary
from subitize.figures.showcase import choose
from subitize.figures.style import ACCENT, INK, WINDOWS
from subitize.models.inference import Inference


def infer(n: int, most: int, height: int, width: int, channels: int) -> Inference:
    rng = np.random.default_rng(n)
    count = rng.integers(0, most + 1, n)
    boxes = np.tile([3.0, 4.0, 13.0, 14.0], (n, most, 1))
    patches = rng.uniform(size=(n, most, height, width, channels))
    return Inference(
        count,
        np.eye(most + 1, dtype=np.float32)[count],
        boxes,
        np.zeros((n, most, 2)),
        patches,
        patches[:, 0],
    )


def one(results: Inference) -> Inference:
    return Inference(*(part[0] for part in results))


def is_of(picture: np.ndarray, colour: str) -> np.ndarray:
    return (picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)


def is_dark(picture: np.ndarray) -> np.ndarray:
    return picture.min(-1) < 128


@pytest.mark.parametrize("shape", [(40, 40, 1), (50, 70, 3), (128, 96, 3), (300, 280, 1)])
@pytest.mark.parametrize("most", [1, 3, 6, 12])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_any_scenes_fit_on_a_board(n, most, shape):
    sheet = board(np.zeros((n, *shape)), infer(n, most, *shape), np.zeros(n, int), "title")
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
    seen = infer(1, 3, 40, 40, 1)._replace(count=np.array([2]))
    sheet = np.asarray(board(np.zeros((1, 40, 40, 1)), seen, title=""))
    shown = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in WINDOWS[:3]]
    found = [(sheet == colour).all(-1).sum() > 100 for colour in shown]
    assert found == [True, True, False]


def test_windows_are_where_the_objects_are_on_the_enlarged_scene():
    seen = infer(1, 3, 24, 32, 1)._replace(count=np.array([2]))
    boxes = np.array([[3.0, 2, 9, 14], [20, 6, 30, 13], [12, 16, 18, 22]])  # the third is not counted
    sheet = np.asarray(card(np.zeros((24, 32, 1)), one(seen)._replace(boxes=boxes), None))
    scene = sheet[:, : 4 * 32]  # four times as large
    for number, (x0, y0, x1, y1) in enumerate(4 * boxes[:2].astype(int)):
        ink = is_of(scene, WINDOWS[number])
        assert np.flatnonzero(ink[y0 + 1 :].any(0))[[0, -1]].tolist() == [x0, x1 - 1]  # its tag stands above
        assert np.flatnonzero(ink[:, x1 - 1])[[0, -1]].tolist() == [y0, y1 - 1]
    assert not is_of(scene, WINDOWS[2]).any()


def test_beside_a_scene_stand_its_reconstruction_and_what_was_painted_for_each_object():
    seen = one(infer(1, 3, 40, 40, 1))
    shades = np.array([0.2, 0.5, 0.8])
    patches = np.ones((3, 40, 40, 1)) * shades[:, None, None, None]
    seen = seen._replace(count=np.array(3), patches=patches, reconstruction=np.ones((40, 40, 1)))
    sheet = np.asarray(card(np.zeros((40, 40, 1)), seen, None))
    (_, second, third, _), (side, columns) = fields(seen, 120), slots(seen, 120)
    assert columns == 3
    assert (sheet[60:, :120] == 0).all()  # below its windows
    assert (sheet[:120, second : second + 120] == 255).all()
    for slot, shade in enumerate(shades):
        middle = third + slot * (side + 8) + side // 2
        assert (sheet[side // 2, middle] == round(255 * shade)).all()


def test_a_truth_that_nobody_knows_is_not_shown():
    images, results = np.zeros((3, 40, 40, 1)), infer(3, 2, 40, 40, 1)
    np.testing.assert_array_equal(board(images, results, np.full(3, -1)), board(images, results))


@pytest.mark.parametrize(("truth", "right"), [(None, True), (3, True), (2, False)])
def test_the_number_is_the_count_and_coloured_where_it_is_wrong(truth, right):
    seen = one(infer(1, 4, 40, 40, 1))
    mode_is_three = np.array([0.31, 0.15, 0.05, 0.40, 0.09])  # its mean is 1.81
    last = fields(seen, 120)[-1]
    shown, *others = (
        np.asarray(card(np.zeros((40, 40, 1)), seen._replace(count=np.array(n), posterior=q), truth))
        for n, q in [(3, mode_is_three), *enumerate(np.eye(5))]
    )
    number = (slice(0, 26), slice(last, last + 18))
    alike = [np.array_equal(is_dark(shown[number]), is_dark(other[number])) for other in others]
    assert alike == [False, False, False, True, False]
    assert is_of(shown[number], INK if right else ACCENT).any()
    assert not is_of(shown[number], ACCENT if right else INK).any()


@pytest.mark.parametrize("truth", range(5))
def test_the_dot_is_below_the_truth(truth):
    seen = one(infer(1, 4, 40, 40, 1))._replace(count=np.array(truth), posterior=np.eye(5)[truth])
    told, untold = (np.asarray(card(np.zeros((40, 40, 1)), seen, known)) for known in (truth, None))
    columns = np.flatnonzero((told != untold).any((0, 2)))
    step = (told.shape[1] - fields(seen, 120)[-1]) / 5
    assert abs(columns.mean() - (fields(seen, 120)[-1] + (truth + 0.5) * step)) < 1


def test_the_head_says_how_many_were_right():
    assert summary(np.array([1, 2, 0]), np.array([1, 2, 1])).startswith("2 of 3 counts right")
    assert summary(np.array([1, 2, 0]), None) == "3 scenes, 3 objects"
    assert summary(np.array([1, 2, 0]), np.array([-1, -1, -1])) == "3 scenes, 3 objects"


def test_scenes_are_chosen_by_truth_with_few_empty_ones():
    truth = np.array([0] * 50 + [1] * 50 + [2] * 50)
    chosen = truth[choose(truth, 12)]
    assert np.bincount(chosen).tolist() == [2, 5, 5]
    assert (np.diff(chosen) >= 0).all()
    assert [len(choose(truth, n)) for n in range(1, 12)] == list(range(1, 12))
    assert len(choose(np.array([-1] * 5), 12)) == 5
    assert len(choose(np.array([0] * 5), 3)) == 3

import itertools

import numpy as np
import pytest

from subitize.evaluation.localisation import ink_boxes, iou, localisation, matched


def pixels(box: np.ndarray) -> np.ndarray:
    canvas = np.zeros((30, 30), bool)
    x0, y0, x1, y1 = box
    canvas[y0:y1, x0:x1] = True
    return canvas


def random_boxes(n: int, rng: np.random.Generator) -> np.ndarray:
    corner, side = rng.integers(0, 20, (n, 2)), rng.integers(1, 10, (n, 2))
    return np.concatenate([corner, corner + side], 1)


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_that_of_pixels(seed):
    rng = np.random.default_rng(seed)
    a, b = random_boxes(6, rng), random_boxes(5, rng)
    counted = [[(pixels(x) & pixels(y)).sum() / (pixels(x) | pixels(y)).sum() for y in b] for x in a]
    np.testing.assert_allclose(iou(a, b), counted)


def test_boxes_without_area_overlap_nothing():
    assert iou(np.array([[3, 3, 3, 3], [5, 5, 2, 2]]), np.array([[0, 0, 9, 9]])).tolist() == [[0], [0]]


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 4), (4, 2)])
def test_matching_is_the_best_of_all_permutations(rows, columns):
    overlap = np.random.default_rng(rows).uniform(0.01, 1, (rows, columns))
    wide = overlap if rows <= columns else overlap.T
    best = max(
        sum(wide[i, j] for i, j in enumerate(order))
        for order in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert matched(overlap).sum() == pytest.approx(best)


def test_numbers_of_a_known_case():
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30]])
    found = localisation(
        [
            (truth, np.array([[20, 20, 30, 30], [0, 0, 10, 4]])),  # perfect, and 0.4
            (truth[:1], np.zeros((0, 4))),  # missed
            (np.zeros((0, 4)), truth),  # two are seen where nothing is
        ]
    )
    assert found["iou"] == pytest.approx(0.7)
    assert found["recall_50"] == pytest.approx(1 / 3)
    assert found["precision_50"] == pytest.approx(1 / 4)


def test_nothing_to_compare_is_none_and_not_zero():
    nothing = np.zeros((0, 4))
    assert localisation([(nothing, nothing)]) == {"iou": None, "recall_50": None, "precision_50": None}
    assert localisation([]) == {"iou": None, "recall_50": None, "precision_50": None}


def test_ink_boxes_frame_the_ink():
    patches = np.zeros((3, 20, 30, 1))
    patches[0, 4:9, 11:13] = 0.8
    patches[0, 3, 11] = 0.1  # fainter than ink
    patches[2, 0, 29] = 0.2
    assert ink_boxes(patches).tolist() == [[11, 4, 13, 9], [0, 0, 0, 0], [29, 0, 30, 1]]
    assert ink_boxes(np.zeros((0, 20, 30, 1))).shape == (0, 4)


def test_boxes_that_do_not_touch_are_no_match():
    apart = np.array([[0, 0, 4, 4]]), np.array([[10, 10, 14, 14]])
    near = np.array([[0, 0, 4, 4]]), np.array([[0, 0, 4, 2]])
    assert localisation([apart])["iou"] is None
    assert localisation([apart, near]) == {"iou": 0.5, "recall_50": 0.5, "precision_50": 0.5}

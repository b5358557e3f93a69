"""Pairs know their sum and order; objects are handed on from left to right."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np

from subitize.claims import downstream
from subitize.claims.downstream import LABELS, NOTHING, RIVALS, TASKS, answered, leads, objects, sum_and_order
from subitize.reproduce import Lab
from subitize.scenes import Scene


def test_a_pair_knows_its_sum_and_its_order():
    boxes = np.array(
        [[[20, 0, 30, 9], [3, 5, 11, 20]], [[1, 0, 9, 9], [8, 0, 20, 9]], [[0, 0, 9, 9], [5, 5, 9, 9]]]
    )
    labels = np.array([[7, 2], [7, 2], [4, 4]])
    scene = Scene(np.zeros((3, 1, 1, 1)), np.full(3, 2), boxes, labels)
    np.testing.assert_array_equal(sum_and_order(scene), [[9, 1], [9, 0], [8, 1]])


def test_objects_come_from_left_to_right_whatever_the_order_of_attention(monkeypatch):
    boxes = jnp.array([[30.0, 0, 40, 9], [2, 5, 11, 20], [0, 0, 1, 1]])
    what = jnp.array([[1.0], [2], [3]])
    seen = SimpleNamespace(boxes=boxes, what=what)
    monkeypatch.setattr("subitize.claims.downstream.infer_per_object", lambda model, image, key: seen)
    air = SimpleNamespace(settings=SimpleNamespace(width=50, height=25))
    for code in objects(air, jnp.zeros((25, 50, 1))):
        np.testing.assert_allclose(code, [[0.04, 0.2, 0.22, 0.8, 2], [0.6, 0, 0.8, 0.36, 1]], rtol=1e-6)


def test_with_nothing_to_go_by_one_gives_the_commonest_answer_to_each_task(monkeypatch, tmp_path):
    """A sum that is always seven is told; an order that is another at the test is not."""
    known = {"train": [[7, 1], [7, 1], [7, 0]], "test": [[7, 0], [7, 0], [7, 0], [7, 1]]}
    pairs = {split: SimpleNamespace(pictures=[], known=np.array(labels)) for split, labels in known.items()}
    monkeypatch.setattr(downstream, "pairs_of", lambda lab, split, *_: pairs[split])
    found = answered(Lab(tmp_path, (0,), tiny=True), NOTHING, 0)
    assert {task: list(right.values()) for task, right in found.items()} == {"sum": [100], "order": [25]}


def test_the_lead_is_the_least_over_all_others_and_both_tasks_with_few_labels(tmp_path):
    table = {
        task: {name: {str(n): [80.0, 80.0] for n in LABELS} for name in ("air", *RIVALS)} for task in TASKS
    }
    for task in TASKS:
        table[task]["air"] |= {str(n): [90.0, 90.0] for n in LABELS}
    table["order"]["cnn"]["200"] = [80.0, 88.0]
    table["sum"]["draw"]["50"] = [95.0, 80.0]
    table["sum"]["vae"][str(LABELS[-1])] = [99.0, 99.0]  # many
    assert leads(table, Lab(tmp_path, (0, 1))) == [-5, 2]

"""Times are those of pictures told right, numbers in turn; ink alone is what it says."""

import itertools
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np

from subitize.claims import glances
from subitize.claims.glances import Watcher, clocked, ink, median_of, told_apart
from subitize.reproduce import Lab


def test_the_median_is_of_the_chosen_or_else_of_all():
    values = np.array([1.0, 2.0, 9.0])
    assert median_of(values, np.array([True, False, True])) == 5.0
    assert median_of(values, np.zeros(3, bool)) == 2.0


def test_ink_is_mean_and_deviation():
    image = jnp.zeros((2, 2, 1)).at[0, 0].set(1.0)
    assert np.allclose(ink(None, image), [0.25, np.sqrt(3) / 4])


def test_every_number_has_its_time_in_milliseconds_and_all_come_in_turn(monkeypatch):
    """A clock on which the first picture takes a second, the next two, and so on: five turns of three."""
    ticks = itertools.chain.from_iterable((0.0, float(seconds)) for seconds in itertools.count(1))
    monkeypatch.setattr(glances, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    pictures = {n: np.full((5, 4, 4, 1), n, np.uint8) for n in (1, 4, 8)}
    watcher = Watcher(lambda model, image: image.sum() + model, jnp.zeros(()))
    found = clocked(watcher, pictures, {n: np.ones(5, bool) for n in pictures})
    assert found == [7000.0, 8000.0, 9000.0]


def test_a_glance_tells_numbers_from_one_on(monkeypatch, tmp_path):
    for name in ("shown", "labelled", "fit_classifier"):
        monkeypatch.setattr(glances, name, lambda *_: None)
    assert told_apart(Lab(tmp_path, (0,)), 0).tell(np.array([0, 8])).tolist() == [1, 9]


def test_what_is_compared_is_one_with_four_and_four_with_eight(monkeypatch, tmp_path):
    answers = {"right": [95.0, 90.0, 30.0], "milliseconds": [2.0, 5.0, 9.0]}
    monkeypatch.setattr(glances, "watched", lambda *_: answers)
    found = glances.glances(Lab(tmp_path, (0,), tiny=True))
    assert found.values == {"few": [5.0], "many": [60.0], "slower": [2.5]}

"""Units of a code that follow number, area or hull are told apart; the reach of what is lit."""

import jax
import numpy as np

from subitize.claims import subitizing
from subitize.claims.subitizing import companions, number_units, reach, read_off
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings
from subitize.reproduce import Lab

RNG = np.random.default_rng(0)


def test_units_of_number_area_and_hull_are_told_apart():
    """In a sample of thousands, in which the hull goes with number."""
    n = 4000
    number, area = RNG.integers(0, 7, n), np.exp(RNG.normal(size=n))
    log_number, log_area = np.log(np.maximum(number, 1)), np.log(area)
    log_hull = log_number + RNG.normal(size=n)
    noise = RNG.normal(size=(n, 5))
    codes = np.stack([log_number, log_area, log_hull, log_number + log_area, 0 * area], 1) + 0.3 * noise
    codes = np.column_stack([codes, 0.2 * log_area + noise[:, 0]])  # too little of it is explained
    found = number_units(codes, number, np.stack([area, np.exp(log_hull)], 1))
    assert {name: [unit[0] for unit in units] for name, units in found.items()} == {
        "number": [0],
        "area": [1],
        "hull": [2],
    }


def test_the_reach_of_what_is_lit():
    lit = np.zeros((2, 10, 5))
    lit[0, 2, 1] = lit[0, 6, 3] = 1
    np.testing.assert_allclose(reach(lit, 1), [0.5, 1.0])
    np.testing.assert_allclose(reach(lit, 2), [0.6, 1.0])


def test_objects_cover_no_more_than_the_box_around_them(tmp_path):
    area, hull = companions(Lab(tmp_path, (0,), tiny=True), 0).T
    assert np.all(area <= hull)
    assert 0 < area.mean() < 0.9 * hull[area > 0].mean()


def test_an_untrained_network_stands_beside_the_trained(monkeypatch, tmp_path):
    for name in ("probe_accuracy", "linear_probe_accuracy", "classifier_accuracy"):
        monkeypatch.setattr(subitizing, name, lambda seen, *_, **__: float(np.sum(seen[0])))
    lab = Lab(tmp_path, (0,), tiny=True)
    dataset = subitizing.scenes(lab, "test", 16, 0)
    settings = SubitizingVAESettings(code=2, convolutions=((8, 2),), features=3, judge=())
    told = read_off(lab, SubitizingVAE(settings, key=jax.random.key(5)), dataset, dataset, 8, 0)
    assert told["code"] != told["untrained code"]

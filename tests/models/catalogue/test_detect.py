"""Objects are the places that most catalogues name."""

import jax.numpy as jnp
import numpy as np

from subitize.models.catalogue.detect import CATALOGUES, NAMED, SAME, centres_of, detect, merged, rescaled
from subitize.models.catalogue.normalize import BLOCK, CELL
from subitize.models.catalogue.posterior import COLOURS, Posterior


def test_what_half_of_the_catalogues_name_is_an_object_and_less_is_none():
    always, half, seldom = np.array([[10.0, 20.0]]), np.array([[50.0, 50.0]]), np.array([[90.0, 10.0]])
    catalogues = [
        np.concatenate([always, half]),
        np.concatenate([always, half]),
        np.concatenate([always, seldom]),
        always,
    ]
    places, named = merged(catalogues)
    np.testing.assert_array_equal(places, np.concatenate([always, half]))
    np.testing.assert_array_equal(named, [1, NAMED])


def test_near_points_of_different_catalogues_are_one_object_at_their_mean():
    places, named = merged([np.array([[10.0, 10.0]]), np.array([[12.0, 10.0]]), np.array([[11.0, 13.0]])])
    np.testing.assert_allclose(places, [[11, 11]])
    np.testing.assert_array_equal(named, [1])


def test_two_near_points_of_one_catalogue_stay_two_objects():
    pair = np.array([[10.0, 10.0], [10.0, 10.0 + 0.9 * SAME]])
    places, named = merged([pair, pair + 0.1, pair - 0.1])
    assert len(places) == 2
    np.testing.assert_array_equal(named, [1, 1])


def test_no_point_makes_no_object():
    places, named = merged([np.zeros((0, 2))] * 4)
    assert places.shape == (0, 2)
    assert named.shape == (0,)


def test_the_order_of_catalogues_does_not_matter():
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 200, (30, 2))
    catalogues = [centres + rng.normal(0, 1, centres.shape) for _ in range(8)]
    one, other = merged(catalogues)[0], merged(catalogues[::-1])[0]
    assert len(one) == len(other) >= 25
    np.testing.assert_allclose(sorted(map(tuple, one)), sorted(map(tuple, other)))


def test_centres_are_in_pixels():
    catalogue = np.zeros((3, 4, 3))
    catalogue[1, 2] = (1, 0.25, -0.5)
    np.testing.assert_allclose(centres_of(catalogue), [[1.75 * CELL, 2 * CELL]])


class Bright(Posterior):
    """A posterior that is sure of one object: in the cell whose middle is bright."""

    def __init__(self):
        self.layers, self.head = (), ()  # pyright: ignore[reportAttributeAccessIssue]

    def features(self, image, inside):
        rows, columns = inside.shape
        return image.reshape(rows, CELL, columns, CELL).mean((1, 3))[..., None]

    def of_colour(self, features, catalogue, number):
        row, column = COLOURS[number]
        own = features[row::2, column::2, 0]
        return jnp.stack([200 * (own - 0.5), jnp.zeros(own.shape), jnp.zeros(own.shape)], -1)


def test_a_picture_and_its_half_turn_agree_on_where_an_object_is():
    pixels = np.zeros((4 * BLOCK, 6 * BLOCK), np.float32)
    pixels[CELL : 2 * CELL, 3 * CELL : 4 * CELL] = 1
    found = detect(Bright(), pixels)
    np.testing.assert_allclose(found.centres, [[1.5 * CELL, 3.5 * CELL]])
    np.testing.assert_array_equal(found.named, [1])
    assert (found.counts[: 2 * CATALOGUES] == 1).all()


def test_rescaled_pictures_are_whole_blocks():
    pixels = np.random.default_rng(0).uniform(size=(5 * BLOCK, 7 * BLOCK))
    for scale in (0.87, 1.0, 1.15):
        assert all(side % BLOCK == 0 for side in rescaled(pixels, scale).shape)
    assert rescaled(pixels, 1.0).shape == pixels.shape

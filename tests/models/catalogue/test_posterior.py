"""The posterior over catalogues: a distribution, which its samples follow; no cell hears of later ones."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.models.catalogue.normalize import CELL
from subitize.models.catalogue.posterior import (
    COLOURS,
    PLACE,
    Convolution,
    Posterior,
    negative_log_likelihood,
    sample,
    told_of,
)

GRID = 2, 4  # cells: 256 catalogues


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """One whose cells are told something that matters."""
    model = Posterior(key=jr.key(0))
    last = model.head.layers[-1]
    free = eqx.tree_at(lambda layer: (layer.weight, layer.bias), last, (3 * last.weight, jnp.zeros(3)))
    return eqx.tree_at(lambda m: m.head.layers[-1], model, free)


@pytest.fixture(scope="module")
def image():
    return jr.uniform(jr.key(1), (GRID[0] * CELL, GRID[1] * CELL))


def presences() -> np.ndarray:
    """Every catalogue of the grid, as presences."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=GRID[0] * GRID[1]))).reshape(-1, *GRID)


def test_the_chances_of_all_catalogues_sum_to_one(posterior, image):
    # places are left at zero: what they cost is no chance, and is taken off
    def log_chance(present):
        labels = jnp.stack([present, *[jnp.zeros(GRID)] * 2, jnp.ones(GRID)], -1)
        return -negative_log_likelihood(posterior, image, labels), labels

    def place_cost(present):
        features = posterior.features(image, jnp.ones(GRID))
        truth, cost = jnp.stack([present, *[jnp.zeros(GRID)] * 2], -1), 0.0
        for number, (row, column) in enumerate(COLOURS):
            out = posterior.of_colour(features, truth, number)
            cost += (PLACE * jnp.abs(out[..., 1:]).sum(-1) * present[row::2, column::2]).sum()
        return cost

    every = jnp.asarray(presences())
    chances = jnp.exp(jax.vmap(lambda p: log_chance(p)[0] + place_cost(p))(every))
    assert float(chances.sum()) == pytest.approx(1, abs=1e-9)
    assert float(chances.max()) < 0.9, "a distribution that is all at one catalogue tells nothing"


def test_samples_are_drawn_from_what_the_likelihood_says(posterior, image):
    features = posterior.features(image, jnp.ones(GRID))
    keys = jr.split(jr.key(2), 20_000)
    drawn = jax.jit(jax.vmap(lambda key: sample(posterior, features, jnp.ones(GRID), key)))(keys)
    first = posterior.of_colour(features, jnp.zeros((*GRID, 3)), 0)
    row, column = COLOURS[0]
    share = drawn[:, row::2, column::2, 0].mean(0)
    np.testing.assert_allclose(share, jax.nn.sigmoid(first[..., 0]), atol=0.02)
    # the last colour, given what all others came out as, in the most frequent case
    row, column = COLOURS[3]
    others = np.array(drawn[..., 0])
    others[:, row::2, column::2] = -1
    _, which, number = np.unique(
        others.reshape(len(others), -1), axis=0, return_inverse=True, return_counts=True
    )
    most = which.ravel() == number.argmax()
    expected = posterior.of_colour(features, drawn[np.argmax(most)], 3)
    np.testing.assert_allclose(
        drawn[most][:, row::2, column::2, 0].mean(0),
        jax.nn.sigmoid(expected[..., 0]),
        atol=4 * 0.5 / most.sum() ** 0.5,
    )


def test_cells_that_are_not_inside_hold_nothing(posterior, image):
    inside = jnp.ones(GRID).at[:, 3].set(0)
    features = posterior.features(image, inside)
    drawn = jax.vmap(lambda key: sample(posterior, features, inside, key))(jr.split(jr.key(3), 200))
    assert not drawn[:, :, 3].any()
    assert drawn[:, :, :3].any()


def test_padding_changes_nothing_inside(posterior, image):
    wide = jnp.pad(image, ((0, 2 * CELL), (0, 6 * CELL)), constant_values=9.0)
    inside = jnp.pad(jnp.ones(GRID), ((0, 2), (0, 6)))
    small = posterior.features(image, jnp.ones(GRID))
    np.testing.assert_allclose(posterior.features(wide, inside)[: GRID[0], : GRID[1]], small, atol=1e-12)


def test_a_cell_hears_of_neighbours_of_earlier_colours_only():
    catalogue = jr.normal(jr.key(4), (6, 6, 3))
    for number in range(len(COLOURS)):
        told = told_of(catalogue, number)
        assert told.shape == (3, 3, 24)
        for other, (i, j) in enumerate(COLOURS):
            changed = told_of(catalogue.at[i::2, j::2].add(1), number)
            assert bool((changed != told).any()) == (other < number)
    # the cell right of the one in the middle, told to the one in the middle
    row, column = 2, 3  # of colour (0, 1), the third; its left neighbour is of the first
    told = told_of(catalogue, COLOURS.index((0, 1))).reshape(3, 3, 8, 3)[row // 2, column // 2]
    np.testing.assert_array_equal(told[3], catalogue[2, 2])
    np.testing.assert_array_equal(told[4], catalogue[2, 4])
    np.testing.assert_array_equal(told[1], catalogue[1, 3])
    np.testing.assert_array_equal(told[0], np.zeros(3))  # above on the left is one of the last colour


def test_a_convolution_is_that_of_jax():
    layer = Convolution(3, 5, key=jr.key(5))
    layer = jax.tree.map(lambda x: x + 0.1, layer)
    x = jr.normal(jr.key(6), (4, 7, 3))
    names = ("NHWC", "HWIO", "NHWC")
    wanted = jax.lax.conv_general_dilated(x[None], layer.weight, (1, 1), "SAME", dimension_numbers=names)[0]
    np.testing.assert_allclose(layer(x), wanted + layer.bias, atol=1e-12)


def test_what_is_not_known_teaches_nothing(posterior, image):
    labels = jr.bernoulli(jr.key(7), 0.5, (*GRID, 4)).astype(float)
    labels = labels.at[..., 3].set(0).at[0, 0, 3].set(1)

    def loss(labels):
        return negative_log_likelihood(posterior, image, labels)

    gradient = jax.grad(lambda model: negative_log_likelihood(model, image, labels.at[..., 3].set(0)))(
        posterior
    )
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))
    last = labels.at[1, 3, 0].set(1 - labels[1, 3, 0])  # of the second colour: the first is not told of it
    assert float(loss(last)) == float(loss(labels))
    assert float(loss(labels.at[0, 0, 0].set(1 - labels[0, 0, 0]))) != float(loss(labels))

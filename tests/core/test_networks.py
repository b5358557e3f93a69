"""Networks compute what their formulas say, and start as they should."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.networks import MLP, Linear, Rendering, leaky, lstm, patches, positive_scale


def with_biases(network):
    """Random ones, where a new network has zeros."""
    is_layer = lambda x: isinstance(x, Linear)  # noqa: E731
    keys = iter(jr.split(jr.key(9), 9))
    biased = lambda layer: eqx.tree_at(  # noqa: E731
        lambda layer: layer.bias, layer, jr.normal(next(keys), layer.bias.shape)
    )
    return jax.tree.map(biased, network, is_leaf=is_layer)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 6), (4, 5, 6)])
def test_an_mlp_has_an_activation_between_all_its_layers(hidden):
    network = with_biases(MLP((3, *hidden, 2), key=jr.key(0), activation=jnp.tanh))
    x = jr.normal(jr.key(1), (3,))
    expected = np.asarray(x)
    for number, layer in enumerate(network.layers):
        expected = expected @ np.asarray(layer.weight) + np.asarray(layer.bias)
        expected = np.tanh(expected) if number < len(hidden) else expected
    np.testing.assert_allclose(network(x), expected, rtol=1e-5)


def test_weights_begin_with_a_variance_of_two_over_the_inputs_and_the_last_layer_scaled():
    plain, small = (MLP((200, 300, 100), key=jr.key(0), last_scale=scale) for scale in (1.0, 0.01))
    for layer, inputs in zip(plain.layers, (200, 300), strict=True):
        assert np.isclose(layer.weight.std(), (2 / inputs) ** 0.5, rtol=0.02)
        assert not layer.bias.any()
    np.testing.assert_array_equal(small.layers[0].weight, plain.layers[0].weight)
    np.testing.assert_allclose(small.layers[1].weight, 0.01 * plain.layers[1].weight, rtol=1e-6)


def test_a_rendering_gathered_again_is_its_layers_one_after_the_other():
    """⟨rendering(x), p⟩ = ⟨layer(leaky(first(x))), patches(p)⟩ for every picture p."""
    network = with_biases(Rendering(9, 14, 3, convolutions=((2, 4),), features=6, key=jr.key(0)))
    x, p = jr.normal(jr.key(1), (6,)), jr.normal(jr.key(2), (9, 14, 3))
    cells = leaky(network.first(x).reshape(5, 7, 4))
    spread = jax.vmap(jax.vmap(network.convolutions[0]))(cells)
    assert np.isclose(jnp.vdot(network(x), p), jnp.vdot(spread, patches(p, 2)), rtol=1e-4)


def test_an_lstm_keeps_most_of_its_cell_unless_it_is_told_to_forget():
    gates, cell = np.array([0.3, -0.2, 1.1, 0.7]), np.array([0.9])
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    enter, keep, leave, new = gates
    expected = sigmoid(keep + 1) * cell + sigmoid(enter) * np.tanh(new)
    output, found = lstm(jnp.asarray(gates), jnp.asarray(cell))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(output, sigmoid(leave) * np.tanh(expected), rtol=1e-5)


def test_a_deviation_is_one_at_zero_and_never_vanishes():
    assert np.isclose(positive_scale(jnp.array(0.0)), 1, atol=2e-3)
    assert np.isclose(positive_scale(jnp.array(-1e3)), 1e-3)

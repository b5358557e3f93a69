"""Networks: the few parametric functions the models are made of, written for one example.

Activations are static fields, so that every leaf of a network is an array and `jax.grad` takes it whole.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


class Linear(eqx.Module):
    """x ↦ W x + b.

    Args:
        inputs: length of x.
        outputs: length of the result.
        key: for the initial weights, normal with variance scale²·2/inputs (He et al. 2015).
        scale: factor on the initial weights.
    """

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray, scale: float = 1.0):
        self.weight = scale * (2 / inputs) ** 0.5 * jr.normal(key, (outputs, inputs))
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """Apply to one vector."""
        return self.weight @ x + self.bias


class MLP(eqx.Module):
    """Linear layers with an activation between them.

    Args:
        sizes: lengths of the input, the hidden layers and the output.
        key: for the initial weights.
        activation: between layers, not after the last.
        last_scale: factor on the last layer's initial weights; small to start near constant.
    """

    layers: tuple[Linear, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        key: PRNGKeyArray,
        activation: Callable[[Array], Array] = jax.nn.relu,
        last_scale: float = 1.0,
    ):
        keys = jr.split(key, len(sizes) - 1)
        scales = [1.0] * (len(sizes) - 2) + [last_scale]
        self.layers = tuple(
            Linear(m, n, key=k, scale=s) for m, n, k, s in zip(sizes, sizes[1:], keys, scales, strict=False)
        )
        self.activation = activation

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """Apply to one vector."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


class Features(eqx.Module):
    """Convolutions of stride two, then one linear layer: what a picture holds, as a vector.

    Each convolution is 4x4 wide and is computed as one matrix product over 2x2 blocks, which XLA runs
    several times faster on a CPU than a convolution and its gradient.

    Args:
        height, width, depth: of the picture.
        channels: of the convolutions, in order.
        features: length of the vector.
        key: for the initial weights.
    """

    convolutions: tuple[Linear, ...]
    last: Linear

    def __init__(
        self, height: int, width: int, depth: int, *, channels: tuple[int, ...], features: int, key: PRNGKeyArray
    ):
        keys, depths = jr.split(key, len(channels) + 1), (depth, *channels)
        self.convolutions = tuple(
            Linear(16 * m, n, key=k) for m, n, k in zip(depths, channels, keys, strict=False)
        )
        for _ in channels:
            height, width = -(-height // 2), -(-width // 2)
        self.last = Linear(height * width * depths[-1], features, key=keys[-1])

    def __call__(self, picture: Float[Array, "height width depth"]) -> Float[Array, " features"]:
        """Look at one picture."""
        for convolution in self.convolutions:
            picture = leaky(jax.vmap(jax.vmap(convolution))(patches(picture)))
        return leaky(self.last(picture.ravel()))


def patches(picture: Float[Array, "height width depth"]) -> Float[Array, "h w 16*depth"]:
    """The 4x4 surroundings of every second pixel, padded with zeros."""
    height, width, depth = picture.shape
    h, w = -(-height // 2), -(-width // 2)
    padded = jnp.pad(picture, ((1, 2 * h + 1 - height), (1, 2 * w + 1 - width), (0, 0)))
    blocks = padded.reshape(h + 1, 2, w + 1, 2, depth).transpose(0, 2, 1, 3, 4).reshape(h + 1, w + 1, 4 * depth)
    return jnp.concatenate([blocks[:-1, :-1], blocks[:-1, 1:], blocks[1:, :-1], blocks[1:, 1:]], -1)


def leaky(x: Array) -> Array:
    """Rectifier that lets a tenth of the negative side through, so that no unit dies."""
    return jnp.maximum(x, 0.1 * x)

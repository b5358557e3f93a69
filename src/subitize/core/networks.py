"""Networks: the few parametric functions the models are made of, written for one example.

Activations are static fields, so that every leaf of a network is an array and `jax.grad` takes it whole.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import logit
from jaxtyping import Array, Float, PRNGKeyArray

SHADES = (0.005, 0.995)  # of a mean picture, so that its odds are finite
SMALLEST_DEVIATION = 1e-3  # of any posterior: keeps the density of a sure guess finite


class Linear(eqx.Module):
    """x ↦ x W + b, with W stored inputs first: XLA multiplies a batch by it without turning it around.

    Args:
        inputs: length of x.
        outputs: length of the result.
        key: for the initial weights, normal with variance scale²·2/inputs (He et al. 2015).
        scale: factor on the initial weights.
    """

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray, scale: float = 1.0):
        self.weight = scale * (2 / inputs) ** 0.5 * jr.normal(key, (inputs, outputs))
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """Apply to one vector."""
        return x @ self.weight + self.bias


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
    """Strided convolutions, then one linear layer: what a picture holds, as a vector.

    A convolution of stride s has a window of 2s x 2s and is computed as one matrix product over 2x2 blocks
    of s x s pixels, which XLA runs several times faster on a CPU than a convolution and its gradient.

    Args:
        height, width, depth: of the picture.
        convolutions: (stride, channels) of each, in order.
        features: length of the vector.
        key: for the initial weights.
    """

    convolutions: tuple[Linear, ...]
    last: Linear
    strides: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        height: int,
        width: int,
        depth: int,
        *,
        convolutions: tuple[tuple[int, int], ...],
        features: int,
        key: PRNGKeyArray,
    ):
        *keys, last = jr.split(key, len(convolutions) + 1)
        layers = []
        for (stride, channels), k in zip(convolutions, keys, strict=True):
            layers.append(Linear(4 * stride**2 * depth, channels, key=k))
            height, width, depth = -(-height // stride), -(-width // stride), channels
        self.convolutions = tuple(layers)
        self.strides = tuple(stride for stride, _ in convolutions)
        self.last = Linear(height * width * depth, features, key=last)

    def __call__(self, picture: Float[Array, "height width depth"]) -> Float[Array, " features"]:
        """The features of one picture."""
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            picture = convolve(convolution, picture, stride)
        return leaky(self.last(picture.ravel()))


class Rendering(eqx.Module):
    """The way back: from a vector to a picture, by one linear layer and transposed convolutions.

    Args:
        height, width, depth: of the picture.
        convolutions: (stride, channels) of the `Features` that it turns around, in their order.
        features: length of the vector.
        key: for the initial weights.
    """

    first: Linear
    convolutions: tuple[Linear, ...]
    shapes: tuple[tuple[int, int, int], ...] = eqx.field(static=True)  # from the smallest picture on
    strides: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        height: int,
        width: int,
        depth: int,
        *,
        convolutions: tuple[tuple[int, int], ...],
        features: int,
        key: PRNGKeyArray,
    ):
        first, *keys = jr.split(key, len(convolutions) + 1)
        shapes = [(height, width, depth)]
        for stride, channels in convolutions:
            shapes.append((-(-shapes[-1][0] // stride), -(-shapes[-1][1] // stride), channels))
        self.shapes = tuple(reversed(shapes))
        self.strides = tuple(stride for stride, _ in reversed(convolutions))
        self.first = Linear(features, math.prod(self.shapes[0]), key=first)
        self.convolutions = tuple(
            Linear(above[2], 4 * stride**2 * below[2], key=k)
            for above, below, stride, k in zip(self.shapes, self.shapes[1:], self.strides, keys, strict=False)
        )

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, "height width depth"]:
        """Render one vector; the last layer has no activation."""
        picture = self.first(x).reshape(self.shapes[0])
        for convolution, stride, shape in zip(self.convolutions, self.strides, self.shapes[1:], strict=True):
            spread = jax.linear_transpose(
                lambda p, s=stride: patches(p, s), jax.ShapeDtypeStruct(shape, picture.dtype)
            )
            (picture,) = spread(jax.vmap(jax.vmap(convolution))(leaky(picture)))
        return picture


def convolve(
    convolution: Linear, picture: Float[Array, "height width depth"], stride: int
) -> Float[Array, "h w channels"]:
    """A strided convolution and its activation."""
    return leaky(jax.vmap(jax.vmap(convolution))(patches(picture, stride)))


def patches(picture: Float[Array, "height width depth"], stride: int) -> Float[Array, "h w cells"]:
    """The surroundings of every block of stride x stride pixels, twice as wide, padded with zeros."""
    height, width, depth = picture.shape
    h, w, margin = -(-height // stride), -(-width // stride), stride // 2
    far = (stride * (h + 1) - height - margin, stride * (w + 1) - width - margin)
    padded = jnp.pad(picture, ((margin, far[0]), (margin, far[1]), (0, 0)))
    blocks = padded.reshape(h + 1, stride, w + 1, stride, depth).transpose(0, 2, 1, 3, 4)
    blocks = blocks.reshape(h + 1, w + 1, stride**2 * depth)
    return jnp.concatenate([blocks[:-1, :-1], blocks[:-1, 1:], blocks[1:, :-1], blocks[1:, 1:]], -1)


def lstm(gates: Float[Array, " gates"], cell: Float[Array, " width"]) -> tuple[Array, Array]:
    """Output and cell of a long short-term memory from its summed gate inputs."""
    enter, keep, leave, new = jnp.split(gates, 4)
    cell = jax.nn.sigmoid(keep + 1) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
    return jax.nn.sigmoid(leave) * jnp.tanh(cell), cell


def leaky(x: Array) -> Array:
    """Rectifier that lets a tenth of the negative side through, so that no unit dies."""
    return jnp.maximum(x, 0.1 * x)


def positive_scale(x: Array) -> Array:
    """A standard deviation from a network's output; one where the output is zero."""
    return jax.nn.softplus(x + 0.5413249) + SMALLEST_DEVIATION


def log_odds(mean: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Where a model starts whose pixels are a sigmoid, so that it first paints this mean picture."""
    return logit(jnp.clip(mean, *SHADES))

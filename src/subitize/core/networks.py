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

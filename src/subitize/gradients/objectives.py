"""Objectives: what is made of the costs of K runs of a program.

The objective is separate from the estimator: any estimator of the gradient of E[F(c_1 … c_K)] serves any F.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractObjective(eqx.Module):
    """A symmetric function of the costs of `particles` independent runs."""

    name: ClassVar[str]
    k: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if self.k < 1:
            raise ValueError(f"An objective needs at least one run of the program; got k={self.k}.")

    @abc.abstractmethod
    def __call__(self, costs: Float[Array, " particles"]) -> Float[Array, ""]:
        """Combine the costs."""


class Mean(AbstractObjective):
    """The mean cost: for a negative evidence bound, the usual variational objective.

    Args:
        k: how many runs of the program to average.
    """

    name: ClassVar[str] = "mean"

    def __call__(self, costs: Float[Array, " particles"]) -> Float[Array, ""]:
        """Average."""
        return costs.mean()


class ImportanceWeighted(AbstractObjective):
    """-log mean exp(-cost): the importance-weighted bound, in nats.

    Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", equation 8.

    Args:
        k: how many importance samples.
    """

    name: ClassVar[str] = "iwae"
    k: int = eqx.field(static=True, default=5)

    def __call__(self, costs: Float[Array, " particles"]) -> Float[Array, ""]:
        """Average of the weights exp(-cost), on the log scale."""
        return jnp.log(costs.size) - jax.nn.logsumexp(-costs)

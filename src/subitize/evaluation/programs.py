"""Which programs are estimators compared on?

Toys whose gradients are known, a sigmoid belief network of two layers on binarised MNIST, and AIR's count on
MNIST scenes: a name for each, and how to build it at its initial weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from subitize.core import interfaces
from subitize.gradients.toys import TOYS, Toy
from subitize.models import air, sbn

IMAGES = 24  # in a batch
COINS = 200  # in a layer of the belief network


class Program(NamedTuple):
    """A program, where to differentiate it, and examples."""

    cost: interfaces.Program
    model: PyTree
    batch: PyTree


def program_of(toy: Toy) -> Callable[[PRNGKeyArray], Program]:
    """How to build one of the toys."""

    def build_toy(key: PRNGKeyArray) -> Program:
        model = jnp.asarray(np.asarray(toy.model), jnp.result_type(float))
        return Program(toy.cost, model, jnp.linspace(0.0, 1.0, IMAGES))

    build_toy.__doc__ = toy.cost.__doc__
    return build_toy


def belief_net(key: PRNGKeyArray) -> Program:
    """Two layers of coins under binarised MNIST."""
    from subitize.scenes.single_images import BinarizedImages

    digits = BinarizedImages("train").vectors()
    means = digits.mean(0, dtype=jnp.float32)
    model = sbn.SBN(means, (COINS, COINS), key=key)
    return Program(sbn.negative_mean_elbo, model, digits[:IMAGES].astype(jnp.float32))


def air_count(key: PRNGKeyArray) -> Program:
    """Attend, infer, repeat, whose one discrete site is the count."""
    from subitize import scenes

    images = scenes.load("mnist", "train").batch(0, jnp.arange(IMAGES)).image
    return Program(air.negative_elbo, air.AIR(air.AIRSettings(), key=key), images)


PROGRAMS: dict[str, Callable[[PRNGKeyArray], Program]] = {
    **{toy.name.replace(" ", "_"): program_of(toy) for toy in TOYS},
    "sbn": belief_net,
    "air": air_count,
}


def build(name: str, seed: int) -> Program:
    """A program by its name, one of `PROGRAMS`, from a seed."""
    return PROGRAMS[name](jax.random.key(seed))

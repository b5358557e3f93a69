"""Straight-through: the draw on the way forward, something smooth on the way back. Biased.

    st          the mean: ∂z/∂φ := ∂E[z]/∂φ for coins and classes, coin by coin elsewhere,
    st_gumbel   a relaxed value that agrees with the draw,
    gumbel_rao  the mean of k such values given the draw: same bias, less variance,
    reinmax     2 ∂E_{(π+z)/2} - ½ ∂E_π, second order in the sense of Heun's method.

Bengio, Léonard and Courville (2013), "Estimating or propagating gradients through stochastic neurons"; Jang,
Gu and Poole (2017); Paulus, Maddison and Krause (2021), "Rao-Blackwellizing the straight-through
Gumbel-softmax gradient estimator"; Liu, Dong, Liu, Yu and Gao (2023), "Bridging discrete and backpropagation:
straight-through and beyond".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from subitize.core.distributions import AbstractDistribution, AbstractFinite, Categorical
from subitize.gradients.coins import bits, probability
from subitize.gradients.estimators.base import AbstractDirect, check_option
from subitize.gradients.estimators.rebar import soft_values


class StraightThrough(AbstractDirect[AbstractFinite]):
    """The draw, with the derivative of its mean."""

    name: ClassVar[str] = "st"
    unbiased: ClassVar[bool] = False
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Bengio et al. 2013"

    def draw(self, dist: AbstractFinite, noise: Array) -> Array:
        """The draw; its derivative is the mean's, coin by coin where there is more than one."""
        if isinstance(dist, Categorical):
            return hard(dist.from_noise(noise[0]), dist.probs())
        return dist.from_bits(hard(hard_bits(dist, noise[0]), probability(dist)))


class StraightThroughGumbel(AbstractDirect[AbstractFinite]):
    """The draw, with the derivative of a relaxed value that agrees with it.

    Args:
        temperature: τ, constant.
    """

    temperature: float = eqx.field(static=True, default=0.5)
    name: ClassVar[str] = "st_gumbel"
    unbiased: ClassVar[bool] = False
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Jang et al. 2017"

    def __check_init__(self):
        check_option(self.name, "temperature", self.temperature, 0)

    def draw(self, dist: AbstractFinite, noise: Array) -> Array:
        """The draw; its derivative is that of the relaxed values' mean."""
        return hard(dist.from_noise(noise[0]), relaxed_given(dist, noise, self.temperature).mean(0))


class GumbelRao(StraightThroughGumbel):
    """The draw, with the derivative of the mean of k relaxed values that agree with it.

    Args:
        temperature: τ, constant.
        k: how many.
    """

    k: int = eqx.field(static=True, default=10)
    name: ClassVar[str] = "gumbel_rao"
    reference: ClassVar[str] = "Paulus et al. 2021"

    def __check_init__(self):
        check_option(self.name, "k", self.k, 1, whole=True)

    @property
    def samples(self) -> int:
        """One noise per relaxed value."""
        return self.k


class ReinMax(AbstractDirect[AbstractFinite]):
    """The draw, with a derivative that is right for quadratic costs."""

    name: ClassVar[str] = "reinmax"
    unbiased: ClassVar[bool] = False
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Liu et al. 2023"

    def draw(self, dist: AbstractFinite, noise: Array) -> Array:
        """The draw; Heun's derivative, coin by coin where the site is no single class."""
        if isinstance(dist, Categorical):
            drawn = dist.from_noise(noise[0])
            middle = jnp.log((dist.probs() + drawn) / 2)
            at_middle = jax.nn.softmax(without_slope(middle, dist.logits))
            return hard(drawn, 2 * at_middle - 0.5 * dist.probs())
        b, p = hard_bits(dist, noise[0]), probability(dist)
        middle = jnp.log(p + b) - jnp.log(2 - p - b)
        at_middle = jax.nn.sigmoid(without_slope(middle, dist.coins().logits))
        return dist.from_bits(hard(b, 2 * at_middle - 0.5 * p))


def without_slope(value: Array, logits: Array) -> Array:
    """A value that moves as the logits do; where they are infinite it does not move."""
    logits = jnp.where(jnp.isfinite(logits), logits, 0.0)
    return jax.lax.stop_gradient(value - logits) + logits


def relaxed_given(dist: AbstractFinite, noise: Array, temperature: float) -> Array:
    """Relaxed values that agree with the base draw; derivatives are those at fixed Gumbels.

    Args:
        dist: the site.
        noise: of the site; the first sample made the draw, each sample makes one relaxed value.
        temperature: τ.
    """
    still = jax.lax.stop_gradient(dist)
    if isinstance(dist, Categorical) and isinstance(still, Categorical):
        drawn = still.from_noise(noise[0])
        perturbed = jax.vmap(lambda one: gumbels_given(still, drawn, still.gumbel_noise(one)))(noise)
        return jax.nn.softmax(without_slope(perturbed, dist.logits) / temperature, axis=-1)
    return soft_values(dist, noise, jnp.asarray(temperature))


def gumbels_given(dist: Categorical, drawn: Array, noise: Array) -> Array:
    """Perturbed logits φ + G, given which class is their largest (Maddison et al. 2014, "A* sampling")."""
    exponential = -jnp.log(noise)
    winner = jnp.sum(drawn * exponential)
    others = exponential / dist.probs() + winner
    return -jnp.log(jnp.where(drawn > 0.5, winner, others))


def hard(value: Array, smooth: Array) -> Array:
    """A value with the derivative of another."""
    return jax.lax.stop_gradient(value - smooth) + smooth


def hard_bits(dist: AbstractFinite, noise: Array) -> Array:
    """How the coins fell, cut off from φ."""
    return bits(jax.lax.stop_gradient(dist), noise)

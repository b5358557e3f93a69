"""Gumbel-Softmax and Concrete: relax the draw, and differentiate that. Biased.

    coins:        y = σ((ℓ + logit u) / τ),
    categorical:  y = softmax((φ + G) / τ),  G Gumbel,

in place of z wherever the program uses it, so it is the gradient of another program, the smoother the higher
τ. The program must make sense of values between zero and one.

Jang, Gu and Poole (2017), "Categorical reparameterization with Gumbel-softmax"; Maddison, Mnih and Teh
(2017), "The Concrete distribution". To give the relaxed value its own density too, as the latter do, draw a
`Logistic` site and let the program squash it; see `subitize.models.sbn`.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from subitize.core.distributions import AbstractDistribution, AbstractFinite, Categorical, relaxed_coins
from subitize.gradients.coins import faces, not_coins
from subitize.gradients.estimator import AbstractDirect, check_option
from subitize.gradients.rebar import uniforms


class GumbelSoftmax(AbstractDirect):
    """A relaxed draw instead of the draw.

    Args:
        temperature: τ, constant.
    """

    temperature: float = eqx.field(static=True, default=0.5)
    word: ClassVar[str] = "gumbel"
    unbiased: ClassVar[bool] = False
    reference: ClassVar[str] = "Jang et al. 2017, Maddison et al. 2017"

    def __check_init__(self):
        check_option(self.word, "temperature", self.temperature, 0)

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Finite sites."""
        return not_coins(dist)

    def draw(self, dist: AbstractDistribution, noise: Array) -> Array:
        """The relaxed value."""
        assert isinstance(dist, AbstractFinite)
        if isinstance(dist, Categorical):
            gumbel = -jnp.log(-jnp.log(dist.gumbel_noise(noise[0])))
            return jax.nn.softmax((dist.logits + gumbel) / self.temperature)
        return dist.relaxed(noise[0], jnp.asarray(self.temperature))


def relaxed_given(dist: AbstractFinite, noise: Array, temperature: float) -> Array:
    """Relaxed values that agree with the base draw; derivatives are those at fixed Gumbels.

    Args:
        dist: the site.
        noise: of the site; the first sample made the draw, each sample makes one relaxed value.
        temperature: τ.
    """
    still = jax.lax.stop_gradient(dist)
    if isinstance(dist, Categorical) and isinstance(still, Categorical):
        drawn = still.transport(noise[0])
        perturbed = jax.vmap(lambda one: gumbels_given(still, drawn, still.gumbel_noise(one)))(noise)
        return jax.nn.softmax((dist.logits - still.logits + perturbed) / temperature, axis=-1)
    soft = relaxed_coins(dist.coins(), uniforms(still, noise), jnp.asarray(temperature))
    return jax.vmap(dist.of_coins)(soft)


def gumbels_given(dist: Categorical, drawn: Array, noise: Array) -> Array:
    """Perturbed logits φ + G, given which class is their largest (Maddison et al. 2014, "A* sampling")."""
    exponential = -jnp.log(noise)
    winner = jnp.sum(drawn * exponential)
    others = exponential / dist.probs() + winner
    return -jnp.log(jnp.where(drawn > 0.5, winner, others))


def hard(value: Array, smooth: Array) -> Array:
    """A value with the derivative of another."""
    return jax.lax.stop_gradient(value - smooth) + smooth


def hard_faces(dist: AbstractFinite, noise: Array) -> Array:
    """How the coins fell, cut off from φ."""
    return faces(jax.lax.stop_gradient(dist), noise)

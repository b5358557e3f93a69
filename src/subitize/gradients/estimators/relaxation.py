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

from subitize.core.distributions import AbstractDistribution, AbstractFinite, Categorical
from subitize.gradients.estimators.base import AbstractDirect, check_option


class GumbelSoftmax(AbstractDirect[AbstractFinite]):
    """A relaxed draw instead of the draw.

    Args:
        temperature: τ, constant.
    """

    temperature: float = eqx.field(static=True, default=0.5)
    name: ClassVar[str] = "gumbel"
    unbiased: ClassVar[bool] = False
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Jang et al. 2017, Maddison et al. 2017"

    def __check_init__(self):
        check_option(self.name, "temperature", self.temperature, 0)

    def draw(self, dist: AbstractFinite, noise: Array) -> Array:
        """The relaxed value."""
        if isinstance(dist, Categorical):
            gumbel = -jnp.log(-jnp.log(dist.gumbel_noise(noise[0])))
            return jax.nn.softmax((dist.logits + gumbel) / self.temperature)
        return dist.relaxed(noise[0], jnp.asarray(self.temperature))

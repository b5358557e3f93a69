"""Continuous families, differentiable in their parameters when the noise is held."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions.base import AbstractDistribution, as_reals, open_uniform

LOG_2PI = 1.8378770664093453


class Normal(AbstractDistribution):
    """Independent normals.

    Args:
        loc: means, any shape.
        scale: standard deviations, positive, the same shape.
    """

    loc: Float[Array, "*event"] = eqx.field(converter=as_reals)
    scale: Float[Array, "*event"] = eqx.field(converter=as_reals)
    reparameterised: ClassVar[bool] = True

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw standard normal noise of the event's shape."""
        return jr.normal(key, jnp.shape(self.loc), jnp.result_type(self.loc))

    def from_noise(self, noise: Array) -> Array:
        """Return loc + scale ε."""
        return self.loc + self.scale * noise

    def mean(self) -> Array:
        """E[z]."""
        return self.loc

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, summed over the event."""
        ε = (value - self.loc) / self.scale
        return jnp.sum(-0.5 * (ε**2 + LOG_2PI) - jnp.log(self.scale))

    def kl(self, other: Normal) -> Float[Array, ""]:
        """KL(self ‖ other) in nats, summed over the event."""
        ratio = self.scale / other.scale
        shift = (self.loc - other.loc) / other.scale
        return 0.5 * jnp.sum(ratio**2 + shift**2 - 1 - 2 * jnp.log(ratio))


class Logistic(AbstractDistribution):
    """Independent logistics; at the scale 1/τ, what a coin relaxed at temperature τ is the sigmoid of.

    Args:
        loc: means, any shape.
        scale: positive, the same shape; the standard deviation is π/√3 times it.
    """

    loc: Float[Array, "*event"] = eqx.field(converter=as_reals)
    scale: Float[Array, "*event"] = eqx.field(converter=as_reals)
    reparameterised: ClassVar[bool] = True

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw uniforms of the event's shape, away from 0 and 1."""
        return open_uniform(key, jnp.shape(self.loc), jnp.result_type(self.loc))

    def from_noise(self, noise: Array) -> Array:
        """Return loc + scale logit(ε)."""
        return self.loc + self.scale * (jnp.log(noise) - jnp.log1p(-noise))

    def mean(self) -> Array:
        """E[z]."""
        return self.loc

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, summed over the event."""
        z = (value - self.loc) / self.scale
        return jnp.sum(-z - 2 * jax.nn.softplus(-z) - jnp.log(self.scale))


class AbstractSeeded(AbstractDistribution):
    """What is made of gamma variables.

    Its noise is a seed: the transport is JAX's own sampler, which is differentiable in the shape by implicit
    differentiation; Figurnov, Mohamed and Mnih (2018), "Implicit reparameterization gradients".
    """

    reparameterised: ClassVar[bool] = True

    def noise(self, key: PRNGKeyArray) -> Array:
        """The key itself, as numbers."""
        return jr.key_data(key)


def log_gammas(seed: Array, shapes: Array) -> Array:
    """Logarithms of independent gamma variables of rate 1."""
    return jr.loggamma(jr.wrap_key_data(seed), shapes)


class Gamma(AbstractSeeded):
    """Independent gammas.

    Args:
        concentration: shapes, positive.
        rate: positive, the same shape; the mean is concentration / rate.
    """

    concentration: Float[Array, "*event"] = eqx.field(converter=as_reals)
    rate: Float[Array, "*event"] = eqx.field(converter=as_reals)

    def from_noise(self, noise: Array) -> Array:
        """A gamma variable of that key, over the rate."""
        return jnp.exp(log_gammas(noise, self.concentration)) / self.rate

    def mean(self) -> Array:
        """E[z]."""
        return self.concentration / self.rate

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, summed over the event."""
        a, b = self.concentration, self.rate
        density = a * jnp.log(b) - gammaln(a) + (a - 1) * jnp.log(value) - b * value
        return jnp.sum(density)


class Dirichlet(AbstractSeeded):
    """A point on the simplex.

    Args:
        concentration: positive, one per corner.
    """

    concentration: Float[Array, " corners"] = eqx.field(converter=as_reals)

    def from_noise(self, noise: Array) -> Array:
        """Gamma variables of that key, over their sum."""
        return jax.nn.softmax(log_gammas(noise, self.concentration))

    def mean(self) -> Array:
        """E[z]."""
        return self.concentration / self.concentration.sum()

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, on the simplex."""
        a = self.concentration
        return gammaln(a.sum()) - gammaln(a).sum() + jnp.sum((a - 1) * jnp.log(value))


class Beta(AbstractSeeded):
    """Independent betas.

    Args:
        a, b: positive, the same shape; the mean is a / (a + b).
    """

    a: Float[Array, "*event"] = eqx.field(converter=as_reals)
    b: Float[Array, "*event"] = eqx.field(converter=as_reals)

    def from_noise(self, noise: Array) -> Array:
        """Two gamma variables of that key, the first over their sum."""
        both = log_gammas(noise, jnp.stack([self.a, self.b]))
        return jax.nn.sigmoid(both[0] - both[1])

    def mean(self) -> Array:
        """E[z]."""
        return self.a / (self.a + self.b)

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, summed over the event."""
        a, b = self.a, self.b
        normaliser = gammaln(a) + gammaln(b) - gammaln(a + b)
        return jnp.sum((a - 1) * jnp.log(value) + (b - 1) * jnp.log1p(-value) - normaliser)

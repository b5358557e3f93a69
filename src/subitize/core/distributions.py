"""Distributions: what a program may leave to chance.

Each is a small pytree whose leaves are its natural parameters φ, so that a gradient with respect to
the distribution has the distribution's own shape. A draw is a deterministic map of parameter-free
noise,

    ε ~ noise,    z = transport(φ, ε) ~ p(z; φ),

which is what lets one noise serve many values of φ (common random numbers) and lets a test integrate
over ε exactly. Continuous families are differentiable in φ there; finite ones use the inverse of their
cumulative distribution. Where a finite family has a continuous relaxation of the *same* noise,
`relaxed` gives it: as the temperature goes to zero it goes to `transport`.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

LOG_2PI = 1.8378770664093453
MAX_SUPPORT = 1 << 16


class AbstractDistribution(eqx.Module):
    """A distribution over one event; all coordinates of the event are summed in `log_prob`."""

    reparameterised: ClassVar[bool]

    @abc.abstractmethod
    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw parameter-free noise ε."""

    @abc.abstractmethod
    def transport(self, noise: Array) -> Array:
        """Map noise to a value of the event."""

    @abc.abstractmethod
    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability (or density) of one value, in nats."""

    def sample(self, key: PRNGKeyArray) -> Array:
        """Draw one value."""
        return self.transport(self.noise(key))


class AbstractFinite(AbstractDistribution):
    """A distribution over finitely many values, coded as vectors of zeros and ones."""

    reparameterised: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def support_size(self) -> int:
        """How many values there are."""

    @abc.abstractmethod
    def support(self) -> Array:
        """Every value once, stacked along the first axis."""

    def probs(self) -> Float[Array, " support"]:
        """Probability of each value, in the order of `support`."""
        return jnp.exp(jax.vmap(self.log_prob)(self.support()))


class Normal(AbstractDistribution):
    """Independent normals.

    Args:
        loc: means, any shape.
        scale: standard deviations, positive, the same shape.
    """

    loc: Float[Array, "*event"]
    scale: Float[Array, "*event"]
    reparameterised: ClassVar[bool] = True

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw standard normal noise of the event's shape."""
        return jr.normal(key, jnp.shape(self.loc), jnp.result_type(self.loc))

    def transport(self, noise: Array) -> Array:
        """Return loc + scale ε."""
        return self.loc + self.scale * noise

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-density in nats, summed over the event."""
        ε = (value - self.loc) / self.scale
        return jnp.sum(-0.5 * (ε**2 + LOG_2PI) - jnp.log(self.scale))

    def kl(self, other: Normal) -> Float[Array, ""]:
        """KL(self ‖ other) in nats, summed over the event."""
        ratio = self.scale / other.scale
        shift = (self.loc - other.loc) / other.scale
        return 0.5 * jnp.sum(ratio**2 + shift**2 - 1 - 2 * jnp.log(ratio))


class Bernoulli(AbstractFinite):
    """Independent coins; a value is an array of zeros and ones.

    Args:
        logits: log-odds of a one, any shape.
    """

    logits: Float[Array, "*event"]

    @property
    def support_size(self) -> int:
        """2 to the number of coins."""
        return 2**self.logits.size

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw one uniform per coin, away from 0 and 1."""
        return open_uniform(key, jnp.shape(self.logits), jnp.result_type(self.logits))

    def transport(self, noise: Array) -> Array:
        """One where ε > 1 - p."""
        return (noise > jax.nn.sigmoid(-self.logits)).astype(self.logits.dtype)

    def relaxed(self, noise: Array, temperature: Array) -> Array:
        """Binary Concrete of the same noise: σ((logits + logit ε) / temperature)."""
        return jax.nn.sigmoid((self.logits + jnp.log(noise) - jnp.log1p(-noise)) / temperature)

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability, summed over the coins."""
        return -jnp.sum(jax.nn.softplus(self.logits) - value * self.logits)

    def support(self) -> Array:
        """All 2^D patterns of the coins."""
        shape, size = jnp.shape(self.logits), jnp.size(self.logits)
        patterns = (jnp.arange(2**size)[:, None] >> jnp.arange(size)) & 1
        return patterns.reshape(-1, *shape).astype(self.logits.dtype)


class Categorical(AbstractFinite):
    """One of C classes; a value is its one-hot code.

    Args:
        logits: unnormalised log-probabilities.
    """

    logits: Float[Array, " classes"]

    @property
    def support_size(self) -> int:
        """The number of classes."""
        return self.logits.shape[0]

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw one uniform."""
        return open_uniform(key, (), self.logits.dtype)

    def transport(self, noise: Array) -> Array:
        """One-hot of the inverse cumulative distribution at ε."""
        return one_hot_of_uniform(jax.nn.softmax(self.logits), noise)

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability of a one-hot value."""
        return jnp.sum(value * jax.nn.log_softmax(self.logits))

    def support(self) -> Array:
        """The one-hot codes."""
        return jnp.eye(self.support_size, dtype=self.logits.dtype)


class Stopping(AbstractFinite):
    """How often to go on before stopping, at most N times; a value is the unary code 1…1 0…0.

    At each step one goes on with probability σ(continue_logit); the count is the number of ones, so

        p(n) = (1 - σ_{n+1}) ∏_{t≤n} σ_t,    p(N) = ∏_{t≤N} σ_t.

    This is the presence variable of Eslami et al. (2016), "Attend, Infer, Repeat", section 2.2, as one
    random variable with N + 1 outcomes.

    Args:
        continue_logits: log-odds of going on at steps 1 … N, given that it was reached.
    """

    continue_logits: Float[Array, " steps"]

    @property
    def support_size(self) -> int:
        """N + 1."""
        return self.continue_logits.shape[0] + 1

    def log_probs(self) -> Float[Array, " support"]:
        """Log-probability of each count 0 … N."""
        go_on = jax.nn.log_sigmoid(self.continue_logits)
        stop = jax.nn.log_sigmoid(-self.continue_logits)
        nothing = jnp.zeros(1, go_on.dtype)
        return jnp.concatenate([nothing, jnp.cumsum(go_on)]) + jnp.concatenate([stop, nothing])

    def probs(self) -> Float[Array, " support"]:
        """Probability of each count 0 … N."""
        return jnp.exp(self.log_probs())

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw one uniform."""
        return open_uniform(key, (), self.continue_logits.dtype)

    def transport(self, noise: Array) -> Array:
        """Unary code of the inverse cumulative distribution at ε."""
        return one_hot_of_uniform(self.probs(), noise) @ self.support()

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability of a unary code."""
        return self.log_probs() @ jnp.all(self.support() == value, axis=-1).astype(value.dtype)

    def support(self) -> Array:
        """The unary codes of 0 … N."""
        steps = self.continue_logits.shape[0]
        return jnp.tri(steps + 1, steps, -1, dtype=self.continue_logits.dtype)


def open_uniform(key: PRNGKeyArray, shape: tuple[int, ...], dtype) -> Array:
    """Uniform noise that is never exactly 0 or 1, so that its logit is finite."""
    tiny = jnp.finfo(dtype).eps
    return jr.uniform(key, shape, dtype, minval=tiny, maxval=1 - tiny)


def one_hot_of_uniform(probs: Float[Array, " support"], noise: Array) -> Float[Array, " support"]:
    """One-hot of the inverse of the cumulative distribution at `noise`."""
    index = jnp.sum(jnp.cumsum(probs)[:-1] < noise)
    return jax.nn.one_hot(index, probs.shape[0], dtype=probs.dtype)

"""Finite families, all made of coins: independent Bernoullis, from whose bits the value follows.

    u ~ uniform,    b_j = 1[u_j > 1 - σ(ℓ_j(φ))],    z = from_bits(b),

where `from_bits` is multilinear, so that it also takes bits between zero and one: relaxed ones, or means.
That is how what is known of coins (antithetic pairs, control variates) serves them all.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions.base import AbstractDistribution, as_reals, open_uniform

IMPOSSIBLE = -1e30  # stands for a logit of minus infinity where logits are subtracted


class AbstractFinite(AbstractDistribution):
    """A distribution over finitely many values, coded as vectors of zeros and ones.

    Its noise has one uniform per coin in front; `coin_noise` tells where.
    """

    reparameterised: ClassVar[bool] = False

    @abc.abstractmethod
    def coins(self) -> Bernoulli:
        """The coins this is made of."""

    @abc.abstractmethod
    def from_bits(self, bits: Array) -> Array:
        """The value that follows from the coins' bits; multilinear in them."""

    @abc.abstractmethod
    def active_bits(self, bits: Array) -> Array:
        """One for each coin whose face matters, given the others; else zero."""

    def coin_noise(self, noise: Array) -> Array:
        """The uniforms that decide the coins."""
        return noise

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw one uniform per coin, away from 0 and 1."""
        logits = jax.eval_shape(lambda dist: dist.coins().logits, self)
        return open_uniform(key, logits.shape, logits.dtype)

    def from_noise(self, noise: Array) -> Array:
        """The value that follows from tossing the coins."""
        return self.from_bits(threshold_uniforms(self.coins(), self.coin_noise(noise)))

    def relaxed(self, noise: Array, temperature: Array) -> Array:
        """The value that follows from relaxed coins of the same noise: it goes to `from_noise` as τ → 0."""
        return self.from_bits(relaxed_coins(self.coins(), self.coin_noise(noise), temperature))

    def mean(self) -> Array:
        """E[z]: the value that follows from the coins' probabilities, since `from_bits` is multilinear."""
        return self.from_bits(jax.nn.sigmoid(self.coins().logits))

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


class Bernoulli(AbstractFinite):
    """Independent coins; a value is an array of zeros and ones.

    Args:
        logits: log-odds of a one, any shape.
    """

    logits: Float[Array, "*event"] = eqx.field(converter=as_reals)

    @property
    def support_size(self) -> int:
        """2 to the number of coins."""
        return 2**self.logits.size

    def coins(self) -> Bernoulli:
        """Itself."""
        return self

    def from_bits(self, bits: Array) -> Array:
        """The bits themselves."""
        return bits

    def active_bits(self, bits: Array) -> Array:
        """Every coin matters."""
        return jnp.ones_like(bits)

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability, summed over the coins; linear in the value."""
        logits = jnp.clip(self.logits, IMPOSSIBLE, -IMPOSSIBLE)
        return -jnp.sum(jax.nn.softplus(logits) - value * logits)

    def kl(self, other: Bernoulli) -> Float[Array, ""]:
        """KL(self ‖ other) in nats, summed over the coins; logits are finite."""
        terms = [
            jax.nn.sigmoid(a) * (jax.nn.log_sigmoid(a) - jax.nn.log_sigmoid(b))
            for a, b in ((self.logits, other.logits), (-self.logits, -other.logits))
        ]
        return jnp.sum(terms[0] + terms[1])

    def support(self) -> Array:
        """All 2^D patterns of the coins."""
        shape, size = jnp.shape(self.logits), jnp.size(self.logits)
        patterns = (jnp.arange(2**size)[:, None] >> jnp.arange(size)) & 1
        return patterns.reshape(2**size, *shape).astype(self.logits.dtype)


class Categorical(AbstractFinite):
    """One of C classes; a value is its one-hot code.

    Its C - 1 coins break a stick: coin j decides whether it is class j, given that it is none before. C more
    uniforms are there for those who want Gumbel variables, independent of the coins.

    Args:
        logits: unnormalised log-probabilities.
    """

    logits: Float[Array, " classes"] = eqx.field(converter=as_reals)

    @property
    def support_size(self) -> int:
        """The number of classes."""
        return self.logits.shape[0]

    def coins(self) -> Bernoulli:
        """Coin j: class j rather than any after it."""
        finite = jnp.maximum(self.logits, IMPOSSIBLE)
        after = jax.lax.cumlogsumexp(finite, reverse=True)
        return Bernoulli(finite[:-1] - after[1:])

    def from_bits(self, bits: Array) -> Array:
        """z_j = b_j ∏_{i<j} (1 - b_i), and the last class if no coin shows a one."""
        passed = leading_products(1 - bits)
        return passed * jnp.append(bits, 1.0)

    def active_bits(self, bits: Array) -> Array:
        """Coins up to the first one."""
        return leading_products(1 - bits)[:-1]

    def coin_noise(self, noise: Array) -> Array:
        """The first C - 1."""
        return noise[: self.support_size - 1]

    def gumbel_noise(self, noise: Array) -> Array:
        """The last C."""
        return noise[self.support_size - 1 :]

    def noise(self, key: PRNGKeyArray) -> Array:
        """Draw 2C - 1 uniforms, away from 0 and 1."""
        return open_uniform(key, (2 * self.support_size - 1,), self.logits.dtype)

    def probs(self) -> Float[Array, " support"]:
        """Probability of each class."""
        return jax.nn.softmax(self.logits)

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability of a one-hot value; linear in it where classes are possible."""
        each = jax.nn.log_softmax(self.logits)
        possible = jnp.isfinite(each)
        taken = jnp.any((value > 0) & ~possible)
        return jnp.where(taken, -jnp.inf, value @ jnp.where(possible, each, 0.0))

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

    continue_logits: Float[Array, " steps"] = eqx.field(converter=as_reals)

    @property
    def support_size(self) -> int:
        """N + 1."""
        return self.continue_logits.shape[0] + 1

    def log_probs(self) -> Float[Array, " support"]:
        """Log-probability of each count 0 … N."""
        log_continue = jax.nn.log_sigmoid(self.continue_logits)
        stop = jax.nn.log_sigmoid(-self.continue_logits)
        nothing = jnp.zeros(1, log_continue.dtype)
        return jnp.concatenate([nothing, jnp.cumsum(log_continue)]) + jnp.concatenate([stop, nothing])

    def probs(self) -> Float[Array, " support"]:
        """Probability of each count 0 … N."""
        return jnp.exp(self.log_probs())

    def coins(self) -> Bernoulli:
        """Coin t: whether to go on to step t, given that step t - 1 was taken."""
        return Bernoulli(self.continue_logits)

    def from_bits(self, bits: Array) -> Array:
        """v_t = ∏_{s≤t} b_s."""
        return leading_products(bits)[1:]

    def active_bits(self, bits: Array) -> Array:
        """Coins up to the first zero."""
        return leading_products(bits)[:-1]

    def log_prob(self, value: Array) -> Float[Array, ""]:
        """Log-probability of a unary code; linear in it, so a relaxed code has one too."""
        reached = jnp.concatenate([jnp.ones(1, value.dtype), value])[:-1]
        logits = jnp.clip(self.continue_logits, IMPOSSIBLE, -IMPOSSIBLE)
        return reached @ jax.nn.log_sigmoid(-logits) + value @ logits

    def support(self) -> Array:
        """The unary codes of 0 … N."""
        steps = self.continue_logits.shape[0]
        return jnp.tri(steps + 1, steps, -1, dtype=self.continue_logits.dtype)


def threshold_uniforms(coins: Bernoulli, noise: Array) -> Array:
    """Faces of coins: one where u > 1 - p."""
    return (noise > jax.nn.sigmoid(-coins.logits)).astype(coins.logits.dtype)


def relaxed_coins(coins: Bernoulli, noise: Array, temperature: Array) -> Array:
    """Binary Concrete of the same noise: σ((ℓ + logit u) / τ).

    Maddison, Mnih and Teh (2017), "The Concrete distribution", equation 16; Jang, Gu and Poole (2017),
    "Categorical reparameterization with Gumbel-softmax".
    """
    return jax.nn.sigmoid((coins.logits + jnp.log(noise) - jnp.log1p(-noise)) / temperature)


def leading_products(bits: Float[Array, " coins"]) -> Float[Array, " coins+1"]:
    """Products of the first none, one, two … of the bits."""
    return jnp.cumprod(jnp.concatenate([jnp.ones(1, bits.dtype), bits]))

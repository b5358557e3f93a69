"""Priors on the count: how many objects a scene is expected to hold, before it is seen.

Each is a vector of log-probabilities over 0 … N. The geometric prior is that of Eslami et al. (2016), the
binomial one that of a scene in which each of N places is filled independently.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractCountPrior(eqx.Module):
    """A distribution over 0 … N."""

    word: ClassVar[str]

    @abc.abstractmethod
    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Log-probabilities of 0 … `most`, in nats."""


class Geometric(AbstractCountPrior):
    """p(n) ∝ rateⁿ, truncated at N: every further object costs -log rate nats.

    Args:
        rate: in (0, 1]; 1 is the uniform prior.
    """

    rate: float = eqx.field(static=True, default=1e-3)
    word: ClassVar[str] = "geometric"

    def __check_init__(self):
        if not 0 < self.rate <= 1:
            raise ValueError(f"The rate of a geometric prior lies in (0, 1]; got {self.rate}.")

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Normalised powers of the rate."""
        return jax.nn.log_softmax(jnp.arange(most + 1) * jnp.log(self.rate))


class Binomial(AbstractCountPrior):
    """p(n) of N independent coins.

    Args:
        p: probability that each of the N places is filled, in (0, 1).
    """

    p: float = eqx.field(static=True, default=0.5)
    word: ClassVar[str] = "binomial"

    def __check_init__(self):
        if not 0 < self.p < 1:
            raise ValueError(f"The probability of a binomial prior lies in (0, 1); got {self.p}.")

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Log of the binomial mass function."""
        n = jnp.arange(most + 1)
        gammaln = jax.scipy.special.gammaln
        choose = gammaln(most + 1.0) - gammaln(n + 1.0) - gammaln(most - n + 1.0)
        return choose + n * jnp.log(self.p) + (most - n) * jnp.log1p(-self.p)


class Uniform(AbstractCountPrior):
    """Every count alike."""

    word: ClassVar[str] = "uniform"

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Equal shares."""
        return jnp.full(most + 1, -jnp.log(most + 1.0))


COUNT_PRIORS = {"geometric": Geometric, "binomial": Binomial, "uniform": Uniform}

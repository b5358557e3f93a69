"""Priors on the count: how many objects a scene is expected to hold, before it is seen.

Each is a vector of log-probabilities over 0 … N. The geometric prior is that of Eslami et al. (2016), the
binomial one that of a scene in which each of N places is filled independently; breaking a stick knows no N.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractCountPrior(eqx.Module):
    """A distribution over 0 … N."""

    name: ClassVar[str]

    @abc.abstractmethod
    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Log-probabilities of 0 … `most`, in nats."""


class Geometric(AbstractCountPrior):
    """p(n) ∝ rateⁿ, truncated at N: every further object costs -log rate nats.

    Args:
        rate: in (0, 1]; 1 is the uniform prior.
    """

    rate: float = eqx.field(static=True, default=1e-3)
    name: ClassVar[str] = "geometric"

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
    name: ClassVar[str] = "binomial"

    def __check_init__(self):
        if not 0 < self.p < 1:
            raise ValueError(f"The probability of a binomial prior lies in (0, 1); got {self.p}.")

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Log of the binomial mass function."""
        n = jnp.arange(most + 1)
        gammaln = jax.scipy.special.gammaln
        choose = gammaln(most + 1.0) - gammaln(n + 1.0) - gammaln(most - n + 1.0)
        return choose + n * jnp.log(self.p) + (most - n) * jnp.log1p(-self.p)


class Sticks(AbstractCountPrior):
    """A stick broken for ever: there is no largest count.

    At every object a share β ~ Beta(1, α) of what is left of the stick is broken off, and n is the number of
    the piece that holds a point thrown onto it (Sethuraman 1994, for Dirichlet processes). On average over β,

        p(n) = (α / (1 + α))ⁿ / (1 + α),

    and the last entry of 0 … N holds N and all counts beyond. The likeliest α is the mean count.

    Args:
        concentration: α > 0, or where it starts.
        learned: whether it follows the gradient of the bound.
    """

    log_concentration: Float[Array, ""]
    learned: bool = eqx.field(static=True)
    name: ClassVar[str] = "sticks"

    def __init__(self, concentration: float | int = 1e-3, learned: bool = False):  # noqa: FBT001, FBT002
        if not concentration > 0:
            raise ValueError(f"The concentration of a stick-breaking prior is above 0; got {concentration}.")
        self.log_concentration = jnp.log(jnp.asarray(concentration))
        self.learned = learned

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """A geometric mass function, its tail in the last entry."""
        log_α = self.log_concentration if self.learned else jax.lax.stop_gradient(self.log_concentration)
        goes_on, ends = jax.nn.log_sigmoid(log_α), jax.nn.log_sigmoid(-log_α)
        n = jnp.arange(most + 1)
        return n * goes_on + jnp.where(n < most, ends, 0.0)


class Uniform(AbstractCountPrior):
    """Every count alike."""

    name: ClassVar[str] = "uniform"

    def log_probs(self, most: int) -> Float[Array, " counts"]:
        """Equal shares."""
        return jnp.full(most + 1, -jnp.log(most + 1.0))


COUNT_PRIORS = {prior.name: prior for prior in (Geometric, Binomial, Sticks, Uniform)}

"""RELAX: a learned function of the relaxed noise as control variate.

As REBAR, g = (f(b) - c(z)) (b - p) + c′(z) w, but with a network r in the control variate,

    relax:      c(z) = η f(σ(z/τ)) + r(z),
    black_box:  c(z) = m + r(z), m the cost's running mean; asks nothing of f but its value, and runs it once.

The network sees z, the example and the site's parameters, and works in units of the cost's running
deviation. Everything in c minimises E|g|², by differentiating g itself. As for REBAR, the program must be
continuous in the relaxed value under `relax`; `black_box` never relaxes it.

Grathwohl, Choi, Wu, Roeder and Duvenaud (2018), "Backpropagation through the void: optimizing control
variates for black-box gradient estimation".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.distributions.finite import relaxed_coins
from subitize.core.networks import MLP
from subitize.gradients.baselines import Scale, check_decay, context
from subitize.gradients.coins import face_slopes, number_of_coins, pulled_back, squared
from subitize.gradients.estimator import AbstractEstimator, Estimate, Site, base_only, check_option
from subitize.gradients.rebar import RebarMemory, controlled, soft_values, uniforms


class RelaxMemory(eqx.Module):
    """The network r, its units, and REBAR's temperature and coefficient."""

    network: MLP
    scale: Scale
    rebar: RebarMemory


class BlackBoxRelax(AbstractEstimator):
    """Score function with a learned control variate, for costs that cannot be relaxed.

    Args:
        hidden: width of the network's hidden layer.
        temperature: of the relaxed values that the network and (in `Relax`) the cost see, to start from.
        decay: of the running mean and deviation of the cost.
    """

    hidden: int = eqx.field(static=True, default=100)
    temperature: float = eqx.field(static=True, default=0.5)
    decay: float = eqx.field(static=True, default=0.9)
    word: ClassVar[str] = "black_box"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Grathwohl et al. 2018"

    def __check_init__(self):
        check_option(self.word, "hidden", self.hidden, 1, whole=True)
        check_option(self.word, "temperature", self.temperature, 0)
        check_decay(self.word, self.decay)

    def init(self, dist: AbstractDistribution, example: PyTree, key: PRNGKeyArray) -> RelaxMemory:
        """A network that says nothing yet."""
        assert isinstance(dist, AbstractFinite)
        size = number_of_coins(dist) + sum(leaf.size for leaf in jax.tree.leaves((example, dist)))
        network = MLP((size, self.hidden, 1), key=key, activation=jnp.tanh, last_scale=0.0)
        return RelaxMemory(network, Scale.fresh(), RebarMemory.starting_at(self.temperature))

    def network_part(self, memory: RelaxMemory, site: Site, u: Array) -> tuple[Array, Array]:
        """r(z) and its slope."""
        assert isinstance(site.dist, AbstractFinite)
        known, (_, deviation) = context(site.dist, site.example), memory.scale.unit()
        z = site.dist.coins().logits + jnp.log(u) - jnp.log1p(-u)

        def r(z):
            soft = jax.nn.sigmoid(z / memory.rebar.temperature)
            return deviation * memory.network(jnp.concatenate([soft.ravel() - 0.5, known]))[0]

        return jax.value_and_grad(r)(z)

    def control(self, memory: RelaxMemory, site: Site, u: Array) -> tuple[Array, Array]:
        """c(z) and ∂c/∂z."""
        r, slope = self.network_part(memory, site, u[0])
        return (memory.scale.unit()[0] + r)[None], slope[None]

    def estimate(self, memory: RelaxMemory, site: Site) -> Estimate:
        """The hard lane, and whatever lanes the control variate needs."""
        assert isinstance(site.dist, AbstractFinite)
        u = uniforms(site.dist, site.noise)
        c, c_slope = self.control(memory, site, u)
        g = controlled(site.dist, site.noise[0], site.costs[0], u, c, c_slope)
        gradient = pulled_back(site.dist, g)
        loss = squared(gradient) / jax.lax.stop_gradient(memory.scale.unit()[1]) ** 2
        return Estimate(gradient, base_only(site.costs), loss + memory.scale.loss(site.costs[0], self.decay))


class Relax(BlackBoxRelax):
    """Score function with a relaxed and a learned control variate; arguments as for `BlackBoxRelax`."""

    word: ClassVar[str] = "relax"
    needs_slopes: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    def alternatives(self, memory: RelaxMemory, dist: AbstractDistribution, noise: Array) -> Array:
        """The relaxed value of the base draw's own noise."""
        assert isinstance(dist, AbstractFinite)
        return soft_values(dist, noise, memory.rebar.temperature)

    def later(self, memory: RelaxMemory, dist: AbstractFinite, noise: Array) -> Array:
        """Later sites are relaxed at the same temperature."""
        return dist.relaxed(noise, memory.rebar.temperature)

    def control(self, memory: RelaxMemory, site: Site, u: Array) -> tuple[Array, Array]:
        """c(z) and ∂c/∂z."""
        assert isinstance(site.dist, AbstractFinite)
        assert site.slopes is not None
        τ, η = memory.rebar.temperature, memory.rebar.coefficient
        y = relaxed_coins(site.dist.coins(), u, τ)[0]
        slope = face_slopes(site.dist, y, site.slopes[1]) * y * (1 - y) / τ
        r, r_slope = self.network_part(memory, site, u[0])
        return (η * site.costs[1] + r)[None], (η * slope + r_slope)[None]

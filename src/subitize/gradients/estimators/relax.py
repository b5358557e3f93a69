"""RELAX: a learned function of the relaxed noise as control variate.

As REBAR, g = (f(b) - c(z)) (b - p) + c′(z) w, but with a network r in the control variate,

    relax:      c(z) = η f(σ(z/τ)) + m + r(z),
    black_box:  c(z) = m + r(z); asks nothing of f but its value, and runs it once,

m the running mean of what the network has to predict: f(b) - η f(σ(z/τ)), or f(b). It sees z, the example and
the site's parameters, and works in units of the running deviation. What else is in c minimises E|g|², by
differentiating g itself. As for REBAR, the program must be continuous in the relaxed value under `relax`;
`black_box` never relaxes it.

Grathwohl, Choi, Wu, Roeder and Duvenaud (2018), "Backpropagation through the void: optimizing control
variates for black-box gradient estimation".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.networks import MLP
from subitize.gradients.baselines import check_decay, context
from subitize.gradients.coins import number_of_coins, vjp_to_params
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, base_only, check_option
from subitize.gradients.estimators.rebar import Control, controlled, relaxed_costs, soft_values, uniforms


class RelaxState(eqx.Module):
    """The network r, and what REBAR learns; its scale is the network's unit too."""

    network: MLP
    control: Control


class BlackBoxRelax(AbstractEstimator[AbstractFinite]):
    """Score function with a learned control variate, for costs that cannot be relaxed.

    Args:
        hidden: width of the network's hidden layer.
        temperature: of the relaxed values that the network and (in `Relax`) the cost see, to start from.
        decay: of the running mean and deviation of what the network predicts.
    """

    hidden: int = eqx.field(static=True, default=100)
    temperature: float = eqx.field(static=True, default=0.5)
    decay: float = eqx.field(static=True, default=0.9)
    name: ClassVar[str] = "black_box"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Grathwohl et al. 2018"

    def __check_init__(self):
        check_option(self.name, "hidden", self.hidden, 1, whole=True)
        check_option(self.name, "temperature", self.temperature, 0)
        check_decay(self.name, self.decay)

    def init(self, dist: AbstractFinite, example: PyTree, key: PRNGKeyArray) -> RelaxState:
        """A network that says nothing yet."""
        size = number_of_coins(dist) + sum(leaf.size for leaf in jax.tree.leaves((example, dist)))
        network = MLP((size, self.hidden, 1), key=key, activation=jnp.tanh, last_scale=0.0)
        return RelaxState(network, Control.starting_at(self.temperature))

    def relaxed(
        self, state: RelaxState, site: Site[AbstractFinite], u: Array
    ) -> tuple[Array | float, Array | float]:
        """η f(y) and its slope: nothing, for a cost that cannot be relaxed."""
        return 0.0, 0.0

    def learned(self, state: RelaxState, site: Site[AbstractFinite], u: Array) -> tuple[Array, Array]:
        """What is learned, m + r(z), and its slope."""
        known, (mean, deviation) = context(site.dist, site.example), state.control.rest.unit()
        z = site.dist.coins().logits + jnp.log(u) - jnp.log1p(-u)

        def r(z):
            soft = jax.nn.sigmoid(z / state.control.temperature)
            return mean + deviation * state.network(jnp.concatenate([soft.ravel() - 0.5, known]))[0]

        return jax.value_and_grad(r)(z)

    def estimate(self, state: RelaxState, site: Site[AbstractFinite]) -> Estimate:
        """The hard lane, and whatever lanes the control variate needs."""
        u = uniforms(site.dist, site.noise)
        (soft, soft_slope), (r, r_slope) = self.relaxed(state, site, u), self.learned(state, site, u[0])
        c, c_slope = (soft + r)[None], (soft_slope + r_slope)[None]
        g = controlled(site.dist, site.noise[0], site.costs[0], u, c, c_slope)
        gradient = vjp_to_params(site.dist, g)
        loss = state.control.loss(gradient, site.costs[0] - soft, self.decay)
        return Estimate(gradient, base_only(site.costs), loss)


class Relax(BlackBoxRelax):
    """Score function with a relaxed and a learned control variate; arguments as for `BlackBoxRelax`."""

    name: ClassVar[str] = "relax"
    needs_value_grads: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    def alternatives(self, state: RelaxState, dist: AbstractFinite, noise: Array) -> Array:
        """The relaxed value of the base draw's own noise."""
        return soft_values(dist, noise, state.control.temperature)

    def later(self, state: RelaxState, dist: AbstractFinite, noise: Array) -> Array:
        """Later sites are relaxed at the same temperature."""
        return dist.relaxed(noise, state.control.temperature)

    def relaxed(self, state: RelaxState, site: Site[AbstractFinite], u: Array) -> tuple[Array, Array]:
        """η f(y) and its slope."""
        (soft,), (slope,) = relaxed_costs(state.control, site, u)
        return soft, slope

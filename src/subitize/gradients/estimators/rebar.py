"""REBAR: the cost at a relaxed value of the same noise, as control variate.

For coins b = 1[u > 1 - p] with p = σ(ℓ), relaxed to y = σ(z/τ) with z = ℓ + logit u, and c(z) = η f(y) + β,

    g = (f(b) - c(z)) (b - p) + c′(z) w,    w = (1 - p)/u if b = 1, p/(1 - u) if b = 0.

The control part c′(z) w - c(z)(b - p) has mean zero for every smooth c, because the conditional noise
of z given b, coupled to u, leaves z as it is while ∂z/∂ℓ = 1 - w. So one hard and one relaxed run do.
The form with noise of its own, z̃ drawn afresh given b, needs a second relaxed run:

    g = (f(b) - c(z̃)) (b - p) + c′(z) - c′(z̃) (1 - w̃).

The temperature τ and the coefficient η minimise E|g|², by differentiating g itself; β is the running mean of
f(b) - η f(y), which is far from zero where relaxing changes the cost. Unbiased as long as the program is
continuous in the relaxed value: a threshold or a rounding between the draw and the cost makes c jump, and its
derivative misses the jump.

Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein (2017), "REBAR: low-variance, unbiased gradient
estimates for discrete latent variable models".
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite
from subitize.core.distributions.finite import relaxed_coins
from subitize.gradients.baselines import Scale, check_decay
from subitize.gradients.coins import bit_grads, bits, probability, squared, vjp_to_params
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site, base_only, check_option


class Control(eqx.Module):
    """What a relaxed control variate learns.

    Attributes:
        log_temperature: ln τ.
        coefficient: η.
        rest: scale of what it leaves, f(b) - η f(y): β is its running mean.
    """

    log_temperature: Float[Array, ""]
    coefficient: Float[Array, ""]
    rest: Scale

    @staticmethod
    def starting_at(temperature: float) -> "Control":
        """A full control variate at a given temperature."""
        return Control(jnp.log(jnp.asarray(temperature, float)), jnp.ones(()), Scale.fresh())

    @property
    def temperature(self) -> Array:
        """The learned τ."""
        return jnp.exp(self.log_temperature)

    def loss(self, gradient: PyTree, rest: Array, decay: float) -> Float[Array, ""]:
        """|g|² in units of the rest's running variance, and what makes the rest's scale follow it."""
        return squared(gradient) / self.rest.unit()[1] ** 2 + self.rest.loss(rest, decay)


class Rebar(AbstractEstimator[AbstractFinite]):
    """Score function with a relaxed control variate.

    Args:
        temperature: τ to start from.
        coupled: relax once, coupled to the draw; or else twice, with noise of its own given the draw.
        decay: weight of the past in β and its unit, in [0, 1).
    """

    temperature: float = eqx.field(static=True, default=0.5)
    coupled: bool = eqx.field(static=True, default=True)
    decay: float = eqx.field(static=True, default=0.9)
    name: ClassVar[str] = "rebar"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = AbstractFinite
    reference: ClassVar[str] = "Tucker et al. 2017"
    needs_value_grads: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    def __check_init__(self):
        check_option(self.name, "temperature", self.temperature, 0)
        check_decay(self.name, self.decay)
        if not isinstance(self.coupled, bool):
            raise ValueError(f"rebar's coupled is True or False; got {self.coupled!r}.")

    @property
    def samples(self) -> int:
        """The uncoupled form needs a second noise."""
        return 1 if self.coupled else 2

    def init(self, dist: AbstractFinite, example: PyTree, key: PRNGKeyArray) -> Control:
        """Start at the given temperature with a full control variate."""
        return Control.starting_at(self.temperature)

    def alternatives(self, state: Control, dist: AbstractFinite, noise: Array) -> Array:
        """The relaxed value of the base draw's own noise; uncoupled, also of fresh noise that agrees."""
        return soft_values(dist, noise, state.temperature)

    def later(self, state: Control, dist: AbstractFinite, noise: Array) -> Array:
        """Later sites are relaxed at the same temperature."""
        return dist.relaxed(noise, state.temperature)

    def estimate(self, state: Control, site: Site[AbstractFinite]) -> Estimate:
        """The hard lane, and one or two relaxed ones."""
        u = uniforms(site.dist, site.noise)
        soft, soft_slope = relaxed_costs(state, site, u)
        β, _ = state.rest.unit()
        g = controlled(site.dist, site.noise[0], site.costs[0], u, soft + β, soft_slope)
        gradient = vjp_to_params(site.dist, g)
        loss = state.loss(gradient, site.costs[0] - soft[-1], self.decay)
        return Estimate(gradient, base_only(site.costs), loss)


def relaxed_costs(control: Control, site: Site[AbstractFinite], u: Array) -> tuple[Array, Array]:
    """η f(y) at the relaxed values of some uniforms, and its slope in z."""
    assert site.value_grads is not None
    η, τ = control.coefficient, control.temperature
    y = relaxed_coins(site.dist.coins(), u, τ)
    slope = jax.vmap(bit_grads, in_axes=(None, 0, 0))(site.dist, y, site.value_grads[1:])
    return η * site.costs[1:], η * slope * y * (1 - y) / τ


def uniforms(dist: AbstractFinite, noise: Array) -> Array:
    """Noise of the coins, and of any further sample, squeezed to where the coins fall as they did."""
    u = jax.vmap(dist.coin_noise)(noise)
    p, b = probability(dist), bits(dist, noise[0])
    agreeing = jnp.where(b > 0.5, (1 - p) + p * u[1:], (1 - p) * u[1:])
    tiny = jnp.finfo(u.dtype).eps  # rounding must not reach 0 or 1, whose logits are infinite
    return jnp.concatenate([u[:1], jnp.clip(agreeing, tiny, 1 - tiny)])


def soft_values(dist: AbstractFinite, noise: Array, temperature: Array) -> Array:
    """Values that follow from relaxed coins, one for each sample of the noise; see `uniforms`."""
    u = uniforms(jax.lax.stop_gradient(dist), noise)
    return jax.vmap(dist.from_bits)(relaxed_coins(dist.coins(), u, temperature))


def controlled(dist: AbstractFinite, noise: Array, cost: Array, u: Array, c: Array, c_slope: Array) -> Array:
    """The estimate in the coins' logits, from a control variate and its slope in z.

    Args:
        dist: the site.
        noise: of the base draw.
        cost: f(b).
        u: uniforms of z, and of z̃ if that is another; leading axis 1 or 2.
        c: the control variate at these.
        c_slope: ∂c/∂z at these.
    """
    p, b = probability(dist), bits(dist, noise)
    w = jnp.where(b > 0.5, (1 - p) / u[-1], p / (1 - u[-1]))
    return (cost - c[-1]) * (b - p) + c_slope[0] - c_slope[-1] * (1 - w)

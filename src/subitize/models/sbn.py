"""Sigmoid belief networks: layers of coins, each deciding the odds of the next.

    h_L ~ Bernoulli(prior),  h_l ~ Bernoulli(W_l (2 h_{l+1} - 1) + b_l), x ~ Bernoulli(W_0 (2 h_1 - 1) + b_0),

inverted by a network of the same shape the other way round, q(h_1 | x) q(h_2 | h_1) …; the benchmark on which
gradient estimators for discrete variables are compared.

Neal (1992), "Connectionist learning of belief networks"; Mnih and Gregor (2014); set up as by Tucker et al.
(2017), "REBAR", appendix: 200 coins a layer, codes ±1, images centred, output biases from the pixels' means.
"""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.distributions import Bernoulli, Logistic
from subitize.core.interfaces import Draw
from subitize.core.networks import Linear

DARKEST = 1e-3  # mean of a pixel that is never lit, so that its log-odds are finite
PRIOR_TEMPERATURE, POSTERIOR_TEMPERATURE = 1 / 2, 2 / 3  # of the Concrete bound, Maddison et al. 2017


class SBN(eqx.Module):
    """A sigmoid belief network and its inverse.

    Args:
        pixel_means: mean of each pixel over the training images; centres them, and biases the output.
        layers: coins in each hidden layer, from the one above the pixels up.
        key: for the initial weights.
    """

    pixel_means: Float[Array, " pixels"]  # constant
    up: tuple[Linear, ...]  # q: from below to each hidden layer
    down: tuple[Linear, ...]  # p: from above to the pixels, and to each hidden layer but the last
    prior: Float[Array, " top"]  # log-odds of the top layer

    def __init__(self, pixel_means: Array, layers: tuple[int, ...], *, key: PRNGKeyArray):
        sizes = (pixel_means.size, *layers)
        keys = jr.split(key, 2 * len(layers))
        pairs = list(itertools.pairwise(sizes))
        self.pixel_means = pixel_means
        self.up = tuple(Linear(a, b, key=k) for (a, b), k in zip(pairs, keys, strict=False))
        self.down = tuple(Linear(b, a, key=k) for (a, b), k in zip(pairs, keys[len(layers) :], strict=False))
        self.prior = jnp.zeros(layers[-1])

    def centred(self, x: Float[Array, " pixels"]) -> Array:
        """An image less the mean image."""
        return x - jax.lax.stop_gradient(self.pixel_means)

    def log_joint(self, x: Float[Array, " pixels"], hidden: list[Array]) -> Float[Array, ""]:
        """Log p(x, h) in nats, h from the bottom layer up; multilinear in what is not conditioned on."""
        total = Bernoulli(self.prior).log_prob(hidden[-1])
        for value, above, layer in zip(hidden, hidden[1:], self.down[1:], strict=False):
            total += Bernoulli(layer(2 * above - 1)).log_prob(value)
        return total + self.pixels_given(hidden[0]).log_prob(x)

    def pixels_given(self, bottom: Array) -> Bernoulli:
        """p(x | h_1)."""
        means = jnp.clip(jax.lax.stop_gradient(self.pixel_means), DARKEST, 1 - DARKEST)
        return Bernoulli(self.down[0](2 * bottom - 1) + jnp.log(means) - jnp.log1p(-means))

    def sample_prior(self, key: PRNGKeyArray) -> Float[Array, " pixels"]:
        """Draw an image: the odds of its pixels."""
        keys = jr.split(key, len(self.down))
        hidden = Bernoulli(self.prior).sample(keys[0])
        for layer, k in zip(reversed(self.down[1:]), keys[1:], strict=True):
            hidden = Bernoulli(layer(2 * hidden - 1)).sample(k)
        return jax.nn.sigmoid(self.pixels_given(hidden).logits)


def site_name(layer: int) -> str:
    """The name of a hidden layer's site; the layer above the pixels is 1."""
    return f"h{layer + 1}"


def negative_elbo(model: SBN, x: Float[Array, " pixels"], draw: Draw) -> Float[Array, ""]:
    """The program: log q(h | x) - log p(x, h), in nats; one site for each hidden layer."""
    return cost_of(model, x, draw, model.up)


def negative_mean_elbo(model: SBN, x: Float[Array, " pixels"], draw: Draw) -> Float[Array, ""]:
    """The same under the mean objective, and no other, with less noise.

    The weights of q are held fixed inside log q: their direct gradient there is that of a log-probability,
    whose mean over draws is zero, and would only add noise. Under `gumbel`, whose values are no draws, that
    mean is not quite zero: its gradient lacks this part. Under an importance-weighted objective draws have
    unequal weights, and it is not zero at all.
    """
    return cost_of(model, x, draw, jax.lax.stop_gradient(model.up))


def cost_of(
    model: SBN, x: Float[Array, " pixels"], draw: Draw, inside: tuple[Linear, ...]
) -> Float[Array, ""]:
    """The cost log q(h | x) - log p(x, h) of a draw, in nats, with these layers of q inside log q."""
    below, log_q, hidden = model.centred(x), jnp.zeros(()), []
    for number, (layer, within) in enumerate(zip(model.up, inside, strict=True)):
        h = draw(site_name(number), Bernoulli(layer(below)))
        log_q += Bernoulli(within(below)).log_prob(h)
        hidden.append(h)
        below = 2 * h - 1
    return log_q - model.log_joint(x, hidden)


def negative_concrete_elbo(model: SBN, x: Float[Array, " pixels"], draw: Draw) -> Float[Array, ""]:
    """The same with every coin relaxed to a Concrete variable, its density and its prior's included, in nats.

    Maddison, Mnih and Teh (2017), equation 21 and appendix C.3.2: logistic variables z, squashed where the
    network sees them. A bound on the likelihood of another, relaxed model; all its sites are pathwise.
    """
    below, cost, hidden = model.centred(x), jnp.zeros(()), []
    for number, layer in enumerate(model.up):
        q = concrete(layer(below), POSTERIOR_TEMPERATURE)
        z = draw(site_name(number), q)
        cost += q.log_prob(z)
        hidden.append(z)
        below = 2 * jax.nn.sigmoid(z) - 1
    soft = [jax.nn.sigmoid(z) for z in hidden]
    odds = [layer(2 * above - 1) for above, layer in zip(soft[1:], model.down[1:], strict=True)]
    for z, logits in zip(hidden, [*odds, model.prior], strict=True):
        cost -= concrete(logits, PRIOR_TEMPERATURE).log_prob(z)
    return cost - model.pixels_given(soft[0]).log_prob(x)


def concrete(logits: Float[Array, " coins"], temperature: float) -> Logistic:
    """Coins relaxed at a temperature, before the sigmoid."""
    return Logistic(logits / temperature, jnp.full(logits.shape, 1 / temperature))

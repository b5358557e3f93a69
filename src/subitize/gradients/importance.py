"""Importance sampling of log p(x): a lower bound that tightens with the number of samples.

    log p(x)  ≥  E[log 1/k Σ_i w_i],    w_i = p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)

Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", equation 8.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

AT_ONCE = 50  # samples of one picture beside each other


def importance_weighted(
    log_weight: Callable[[PRNGKeyArray], Float[Array, ""]], key: PRNGKeyArray, k: int
) -> Float[Array, ""]:
    """Log 1/k Σ_i w_i of one picture, by so many samples, some at once, in nats.

    Args:
        log_weight: log w_i, of a key.
        key: for the samples.
        k: how many; rounded up to a multiple of those at once if there are more.
    """
    at_once = min(k, AT_ONCE)
    rounds = -(-k // at_once)

    def more(total, i):
        weights = jax.vmap(log_weight)(jr.split(jr.fold_in(key, i), at_once))
        return jnp.logaddexp(total, logsumexp(weights)), None

    total, _ = jax.lax.scan(more, jnp.array(-jnp.inf), jnp.arange(rounds))
    return total - jnp.log(float(rounds * at_once))


def importance_weighted_of_each(
    log_weight: Callable[[Float[Array, " pixels"], PRNGKeyArray], Float[Array, ""]],
    images: Float[Array, "n ..."],
    key: PRNGKeyArray,
    k: int,
) -> Float[Array, " n"]:
    """The bound of each picture, in nats.

    Args:
        log_weight: log w_i, of a picture as a vector and a key.
        images: the pictures.
        key: for the samples.
        k: samples of each picture.
    """
    x = images.reshape(len(images), -1)
    bound = lambda given: importance_weighted(lambda key: log_weight(given[0], key), given[1], k)  # noqa: E731
    return jax.lax.map(bound, (x, jr.split(key, len(x))), batch_size=20)

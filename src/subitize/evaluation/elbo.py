"""How probable are these pictures to the model, at least?

The evidence lower bound of one picture, the count summed out exactly, all else sampled once,

    E_{q(where, what)} [ Σ_n q(n | image) elbo(n, where_1:n, what_1:n) ]  ≤  log p(image)   in nats,

averaged over pictures. A high bound does not mean right counts: two digits explained as one cost few nats.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from subitize.gradients import expectation
from subitize.models.air import AIR, negative_elbo


def elbo(model: AIR, images: np.ndarray, seed: int = 0, batch_size: int = 100, first: int = 0) -> float:
    """Mean evidence lower bound of pictures, in nats.

    Args:
        model: the AIR.
        images: [pictures, height, width, channels] in 0..1.
        seed: of the samples; picture number i always gets the same ones.
        batch_size: pictures that are looked at together.
        first: number of the first picture.
    """
    loss = expectation(negative_elbo, "exact")
    whole = -(-len(images) // batch_size) * batch_size
    padded = np.concatenate([images, np.zeros((whole - len(images), *images.shape[1:]), images.dtype)])
    costs = [
        costs_of(loss, model, jnp.asarray(padded[i : i + batch_size]), jr.key(seed), jnp.asarray(first + i))
        for i in range(0, whole, batch_size)
    ]
    return -float(np.concatenate(costs)[: len(images)].astype(np.float64).mean())


@eqx.filter_jit
def costs_of(loss, model: AIR, images: Array, key: Array, first: Array) -> Array:
    """Minus the bound of each picture of one batch, the first of which has number `first`."""
    estimator_state = loss.init(model, images[0], key)

    def one(image, number):
        return loss(model, estimator_state, image[None], jr.fold_in(key, number))[0]

    return jax.vmap(one)(images, first + jnp.arange(len(images)))

"""ARSM: ARM for classes - augment, reinforce, swap, merge.

With ϖ uniform on the simplex, z = argmin_k ϖ_k e^{-φ_k} is a draw of the site. Let f_{mj} be the cost where
ϖ_m and ϖ_j have changed places first. Every class serves once as the reference j, and all are averaged:

    g_c = 1/C Σ_j (f_{cj} - 1/C Σ_m f_{mj}) (1 - C ϖ_j).

One run of the program per pair of classes, and one. Two classes make ARM.

Yin, Yue and Zhou (2019), "ARSM: augment-REINFORCE-swap-merge estimator for gradient backpropagation through
categorical variables".
"""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from subitize.core.distributions import AbstractDistribution, AbstractFinite, Categorical
from subitize.gradients.coins import MAX_COINS
from subitize.gradients.estimators.base import AbstractEstimator, Estimate, Site


class ARSM(AbstractEstimator[Categorical]):
    """Classes drawn with every pair of noises swapped."""

    name: ClassVar[str] = "arsm"
    unbiased: ClassVar[bool] = True
    takes: ClassVar[type[AbstractDistribution]] = Categorical
    reference: ClassVar[str] = "Yin et al. 2019"
    uses_base: ClassVar[bool] = False

    def why_not(self, dist: AbstractDistribution) -> str | None:
        """Why not; of coins also what serves them."""
        no, coins = super().why_not(dist), isinstance(dist, AbstractFinite) and not self.serves(dist)
        return f"{no}; for coins it is 'arm'" if coins else no

    def beyond(self, dist: Categorical) -> str | None:
        """A site of too many pairs of classes."""
        pairs = dist.support_size * (dist.support_size - 1) // 2
        return f"it would swap {pairs:,} pairs of classes, over {MAX_COINS:,}" if pairs > MAX_COINS else None

    def alternatives(self, state: PyTree, dist: Categorical, noise: Array) -> Array:
        """The draw with nothing swapped, and with each pair."""
        swapped = jnp.log(uniform_on_simplex(dist, noise[0]))[swaps(dist.support_size)]
        return dist.support()[jnp.argmin(swapped - dist.logits, axis=1)]

    def estimate(self, state: PyTree, site: Site[Categorical]) -> Estimate:
        """A lane for each pair, every one of which is a draw of the site."""
        classes, lanes = site.dist.support_size, site.costs.shape[0]
        first, second = pairs_of(classes)
        f = jnp.full((classes, classes), site.costs[0])  # j with itself: nothing swapped
        f = f.at[first, second].set(site.costs[1:]).at[second, first].set(site.costs[1:])
        ϖ = uniform_on_simplex(site.dist, site.noise[0])
        g = (f - f.mean(0)) @ (1 - classes * ϖ) / classes
        return Estimate(Categorical(g), jnp.full(lanes, 1 / lanes, site.costs.dtype))


def uniform_on_simplex(dist: Categorical, noise: Array) -> Float[Array, " classes"]:
    """ϖ, made of the site's uniforms by normalising exponentials."""
    exponentials = -jnp.log(dist.gumbel_noise(noise))
    return exponentials / exponentials.sum()


def pairs_of(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second class of each pair."""
    return np.triu_indices(classes, 1)


def swaps(classes: int) -> Int[np.ndarray, "lanes classes"]:
    """The order of the classes with nothing swapped, then with each of `pairs_of` swapped."""
    first, second = pairs_of(classes)
    orders = np.tile(np.arange(classes), (1 + len(first), 1))
    lanes = 1 + np.arange(len(first))
    orders[lanes, first], orders[lanes, second] = second, first
    return orders

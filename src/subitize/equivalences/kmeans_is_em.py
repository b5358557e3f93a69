"""K-means is expectation maximisation for a mixture of equal spherical Gaussians whose variance vanishes.

    p(x) = Σ_k N(x; centre_k, variance I) / K

    E step: responsibility_ik = softmax_k(-|x_i - centre_k|² / (2 variance))  →  1 at the nearest centre
    M step: centre_k = Σ_i responsibility_ik x_i / Σ_i responsibility_ik      →  mean of its points

    free energy -variance Σ_i log Σ_k exp(-|x_i - centre_k|² / (2 variance)) / K  →  distortion,
    distortion  Σ_i min_k |x_i - centre_k|² / 2

The free energy exceeds its limit by n variance log K at most.

What it does not say: that k-means fits a mixture. At any positive variance the centres differ, and a large
variance draws all of them to the mean. K-means learns neither variances nor shares of the components. In the
limit the likelihood is no longer finite. If a point is as near to two centres, then the limit divides it and
k-means does not.

Sources: MacKay (2003), "Information theory, inference, and learning algorithms", chapters 20 and 22.
Kulis and Jordan (2012), "Revisiting k-means", section 2.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from sklearn.cluster import KMeans

from subitize.equivalences.sides import Sides


def kmeans_centres(
    x: Float[np.ndarray, "n d"], start: Float[np.ndarray, "K d"], iterations: int
) -> Float[np.ndarray, "K d"]:
    """The centres after some iterations of Lloyd's algorithm, from scikit-learn."""
    fitted = KMeans(
        len(start),
        init=start,  # pyright: ignore[reportArgumentType]
        n_init=1,  # pyright: ignore[reportArgumentType]
        max_iter=iterations,
        tol=0.0,
    )
    return fitted.fit(x).cluster_centers_


def em_centres(
    x: Float[np.ndarray, "n d"], start: Float[np.ndarray, "K d"], iterations: int, variance: float
) -> Float[np.ndarray, "K d"]:
    """The centres after some iterations of expectation maximisation.

    Args:
        x: points [n d].
        start: centres [K d] to begin with.
        iterations: of an E step and an M step each.
        variance: of every component along every dimension; it stays as it is.

    Source: MacKay (2003), section 20.2, soft k-means.
    """
    centres = start
    for _ in range(iterations):
        responsibility = softmax(-cdist(x, centres, "sqeuclidean") / (2 * variance), axis=1)
        centres = responsibility.T @ x / responsibility.sum(0)[:, None]
    return centres


def kmeans_and_em(
    x: Float[np.ndarray, "n d"], start: Float[np.ndarray, "K d"], iterations: int, variance: float
) -> Sides:
    """The centres of k-means and those of expectation maximisation, after as many iterations.

    Args:
        x: points [n d].
        start: centres [K d] to begin with; each needs a point that is nearest to it.
        iterations: of either algorithm.
        variance: of the mixture's components; the sides agree as it vanishes.

    Source: Kulis and Jordan (2012), section 2.
    """
    return Sides(kmeans_centres(x, start, iterations), em_centres(x, start, iterations, variance))


def free_energy_and_distortion(
    x: Float[np.ndarray, "n d"], centres: Float[np.ndarray, "K d"], variance: float
) -> Sides:
    """The free energy of the mixture, and half the sum of squared distances to the nearest centres.

    The first exceeds the second by n variance log K at most.

    Args:
        x: points [n d].
        centres: of the components [K d].
        variance: of each of them.
    """
    squared = cdist(x, centres, "sqeuclidean")
    log_density = logsumexp(-squared / (2 * variance), axis=1) - np.log(len(centres))
    return Sides(np.array(-variance * log_density.sum()), np.array(squared.min(1).sum() / 2))

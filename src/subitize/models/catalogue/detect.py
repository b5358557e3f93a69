"""Which objects does a trained posterior name in a normalized picture?

An object is a place that at least half of the sampled catalogues name. Single catalogues lose some, so the
number of objects is not the median of theirs.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, UInt32
from scipy.spatial import KDTree

from subitize.models.catalogue.normalize import BLOCK, CELL, DIAMETER, resized
from subitize.models.catalogue.posterior import Posterior, sample

CATALOGUES = 8  # sampled of a picture, as many of its half turn, and as many at each further scale
FURTHER = (0.87, 1.15)  # scales of the picture that tell how sure it is
NAMED = 0.5  # share of the catalogues that must name an object
SAME = 0.29 * DIAMETER  # pixels within which two catalogues name the same object
PADDED = (8, 32)  # cells: a side is padded to a multiple of the first up to the second, then of that


class Detected(NamedTuple):
    """What is named in a picture.

    Attributes:
        centres: of the objects, (row, column) in normalized pixels; [n, 2].
        named: share of the catalogues that name each.
        counts: of each catalogue, those at other sizes included.
    """

    centres: np.ndarray
    named: np.ndarray
    counts: np.ndarray


def detect(posterior: Posterior, pixels: np.ndarray) -> Detected:
    """The objects of a normalized picture; the same whenever it is asked."""
    half = np.ascontiguousarray(pixels[::-1, ::-1])
    upright = catalogues(posterior, pixels, 0)
    turned = [pixels.shape - centres for centres in catalogues(posterior, half, 1)]
    further = [each for scale in FURTHER for each in catalogues(posterior, rescaled(pixels, scale), 2)]
    counts = np.array([len(centres) for centres in (*upright, *turned, *further)])
    return Detected(*merged([*upright, *turned]), counts)


def rescaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    """A normalized picture with its objects larger or smaller."""
    return resized(pixels, *(max(BLOCK, BLOCK * round(side * scale / BLOCK)) for side in pixels.shape))


def catalogues(posterior: Posterior, pixels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Sampled catalogues of a normalized picture: the centres (row, column) in each, in pixels."""
    grid = [side // CELL for side in pixels.shape]
    wide = [padded(n) for n in grid]
    image, inside = np.zeros([n * CELL for n in wide], np.float32), np.zeros(wide, np.float32)
    image[: pixels.shape[0], : pixels.shape[1]], inside[: grid[0], : grid[1]] = pixels, 1
    found = np.asarray(sampled(posterior, image, inside, np.uint32(seed)))
    return [centres_of(catalogue) for catalogue in found]


def padded(cells: int) -> int:
    """Cells along a side of a padded grid; few shapes are compiled, and small ones stay small."""
    least = PADDED[0] if cells <= PADDED[1] else PADDED[1]
    return -(-cells // least) * least


@eqx.filter_jit
def sampled(
    posterior: Posterior,
    image: Float[Array | np.ndarray, "height width"],
    inside: Float[Array | np.ndarray, "rows columns"],
    seed: UInt32[Array, ""] | np.uint32,
) -> Float[Array, "catalogues rows columns 3"]:
    """`CATALOGUES` catalogues of a picture."""
    inside = jnp.asarray(inside)
    features = posterior.features(jnp.asarray(image), inside)
    keys = jr.split(jr.key(seed), CATALOGUES)
    return jax.vmap(lambda key: sample(posterior, features, inside, key))(keys)


def centres_of(catalogue: np.ndarray) -> np.ndarray:
    """The centres (row, column) in a catalogue, in pixels; [n, 2]."""
    cells = np.argwhere(catalogue[..., 0] > 0)
    return (cells + 0.5 + catalogue[cells[:, 0], cells[:, 1], 1:]) * CELL


def merged(catalogues: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Places that at least `NAMED` of the catalogues name, and the share that does; the densest come first.

    A place takes the nearest point of each catalogue, and what it takes no other place has.
    """
    points = np.concatenate(catalogues)
    if not len(points):
        return np.zeros((0, 2)), np.zeros(0)
    which = np.repeat(np.arange(len(catalogues)), [len(each) for each in catalogues])
    near = KDTree(points).query_ball_point(points, SAME)
    owner = np.repeat(np.arange(len(points)), [len(each) for each in near])
    pairs = np.unique(owner * len(catalogues) + which[np.concatenate(near).astype(int)])  # sorts fast
    # how many catalogues name a place near each point
    density = np.bincount(pairs // len(catalogues), minlength=len(points))
    free, places, named = np.ones(len(points), bool), [], []
    for i in np.lexsort((points[:, 1], points[:, 0], -density)):
        if density[i] < NAMED * len(catalogues):
            break
        if not free[i]:
            continue
        group = np.array([j for j in near[i] if free[j]], int)
        nearest = group[np.argsort(np.linalg.norm(points[group] - points[i], axis=1), kind="stable")]
        taken = nearest[np.unique(which[nearest], return_index=True)[1]]
        if len(taken) >= NAMED * len(catalogues):
            free[taken] = False
            places.append(points[taken].mean(0))
            named.append(len(taken) / len(catalogues))
    return np.array(places).reshape(-1, 2), np.array(named)

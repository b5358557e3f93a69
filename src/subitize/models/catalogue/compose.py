"""Sleep: a scene composed of a folder's own objects and grounds, whose truth is known.

A composed scene is a pure function of a key:

    ground     a crop of bare ground
    objects    variants of lone objects, until they would fill 0.75 u^1.5 of the crop, u ~ U(0, 1)
    places     next to an earlier object, or anywhere, also half outside; none deeper than `DEEPEST`
    light      the sum, where the folder's light adds; else front to back by occlusion, or the maximum
    truth      an object counts if at least `SEEN` of what lies inside the crop is not hidden

One example in `SURE_SHARE` is a crop of the folder itself, of which only part is known.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from scipy import ndimage

from subitize.models.catalogue.edge import SLIVER
from subitize.models.catalogue.harvest import (
    CROP,
    DIRECTIONS,
    WINDOW,
    Lone,
    Sure,
    bare,
    crops_of,
    sure_crops,
)
from subitize.models.catalogue.normalize import CELL

MOST = 56  # objects in a composed scene
FULLEST = 0.75  # share of a crop that its objects may fill, counted without their overlaps
CLUSTERED = 0.9  # largest share of objects that are put next to another one
TOUCHING, OVERLAPPING = (0.85, 1.15), (0.6, 0.85)  # distance over the sum of the two extents
OVERLAPPING_LIGHTS = (0.5, 0.85)  # the same, where light adds: more can be told apart
DEEP, DEEP_LIGHTS = 0.3, 0.45  # share of neighbours that overlap, and where light adds
DEEPEST = 0.5  # least distance between two centres, over the sum of their radii
TRIES = 6  # places that are tried for an object; if none is free, it is left out
SEEN = 0.3  # share of its part inside that must show, and `SLIVER` pixels, for an object to count
SURE_SHARE = 0.25  # of examples
VARIANTS = 900
SIZES, LIGHTS, GAIN = 0.1, 0.1, 0.15  # deviation of the logarithm of a variant's size, its light, a scene's
GROUNDS, SURES = 300, 400  # crops that are kept


class Bank(eqx.Module):
    """What scenes are composed of.

    Attributes:
        light: [variants, WINDOW, WINDOW], what an object adds to its ground, times alpha.
        alpha: how much of a pixel is the object's.
        mask: 1 where the object is.
        extent: from the centre to the edge of the mask, by direction, in pixels; [variants, DIRECTIONS].
        adds: whether the light of objects that overlap adds up.
        grounds: crops of bare ground, [grounds, CROP, CROP].
        sure, targets, known: see `harvest.Sure`; one with nothing known where there is none.
    """

    light: Float[Array, "variants side side"]
    alpha: Float[Array, "variants side side"]
    mask: Float[Array, "variants side side"]
    extent: Float[Array, "variants directions"]
    adds: Bool[Array, ""]
    grounds: Float[Array, "grounds crop crop"]
    sure: Float[Array, "sure crop crop"]
    targets: Float[Array, "sure cells cells 3"]
    known: Float[Array, "sure cells cells"]


def example(bank: Bank, key: PRNGKeyArray) -> tuple[Float[Array, "crop crop"], Float[Array, "cells cells 4"]]:
    """An example to learn from: a composed scene, or a crop of which some is sure."""
    which, own, gain = jr.split(key, 3)
    image, labels = jax.lax.cond(jr.uniform(which) < SURE_SHARE, sure_example, composed, bank, own)
    return image * jnp.exp(GAIN * jr.normal(gain)), labels


def sure_example(bank: Bank, key: PRNGKeyArray):
    """A crop of the folder."""
    i = jr.randint(key, (), 0, len(bank.sure))
    return bank.sure[i], jnp.concatenate([bank.targets[i], bank.known[i][..., None]], -1)


def composed(bank: Bank, key: PRNGKeyArray):
    """A composed scene with its truth."""
    ground_key, key, mode_key, light_key = jr.split(key, 4)
    variants, places, there, number = placed(bank, key)
    ground = bank.grounds[jr.randint(ground_key, (), 0, len(bank.grounds))]
    lights = there * jnp.exp(LIGHTS * jr.normal(light_key, (MOST,)))
    mode = jnp.where(bank.adds, 2, jr.randint(mode_key, (), 0, 2))
    rows, hides = jnp.arange(WINDOW) + 0.5, jnp.where(bank.adds, 0.0, 1.0)

    def paint(i, carry):
        """Paint object i behind those before it."""
        canvas, counts, centres = carry
        alpha, mask = there[i] * bank.alpha[variants[i]], there[i] * bank.mask[variants[i]]
        corner = places[i] + WINDOW // 2  # of the window on the wide canvas
        old = jax.lax.dynamic_slice(canvas, (0, *corner), (3, WINDOW, WINDOW))
        light = lights[i] * bank.light[variants[i]]
        inside = (rows + corner[:, None] > WINDOW) & (rows + corner[:, None] < WINDOW + CROP)
        within = mask * inside[0][:, None] * inside[1]
        area, seen = within.sum(), (within * old[2]).sum()
        middle = jnp.stack([within.sum(1) @ rows, within.sum(0) @ rows]) / jnp.maximum(area, 1)
        over, most, total = old[0] + old[1] * light, jnp.maximum(old[0], light), old[0] + light
        new = jnp.stack(
            [jnp.stack([over, most, total])[mode], old[1] * (1 - alpha), old[2] * (1 - hides * mask)]
        )
        canvas = jax.lax.dynamic_update_slice(canvas, new, (0, *corner))
        shows = (seen >= SEEN * area) & (seen >= SLIVER)
        return canvas, counts.at[i].set(shows), centres.at[i].set(corner - WINDOW + middle)

    wide = CROP + 2 * WINDOW
    canvas = jnp.stack([jnp.zeros((wide, wide)), jnp.ones((wide, wide)), jnp.ones((wide, wide))])
    start = canvas, jnp.zeros(MOST, bool), jnp.zeros((MOST, 2))
    canvas, counts, centres = jax.lax.fori_loop(0, number, paint, start)
    light, through, _ = canvas[:, WINDOW:-WINDOW, WINDOW:-WINDOW]
    image = light + jnp.where(mode == 0, through, 1) * ground
    return image, labels_of(centres, counts)


def labels_of(centres: Float[Array, "objects 2"], counts: Array) -> Float[Array, "cells cells 4"]:
    """Per cell: 1 if a centre is in it, where from its middle in cells, and 1, since all is known."""
    side = CROP // CELL
    cells = jnp.clip(centres // CELL, 0, side - 1).astype(int)
    row, column = jnp.where(counts[:, None], cells, side).T  # those that do not count fall off the grid
    values = jnp.concatenate([jnp.ones((len(centres), 1)), centres / CELL - cells - 0.5], -1)
    targets = jnp.zeros((side, side, 3)).at[row, column].set(values, mode="drop")
    return jnp.concatenate([targets, jnp.ones((side, side, 1))], -1)


def placed(bank: Bank, key: PRNGKeyArray):
    """Which variants, the pixels of their centres, and whether each is there."""
    keys = jr.split(key, 5)
    variants = jr.randint(keys[0], (MOST,), 0, len(bank.light))
    radius = bank.extent[variants].mean(-1)
    area = bank.mask[variants].sum((1, 2))
    budget = FULLEST * jr.uniform(keys[1]) ** 1.5 * CROP**2
    number = (jnp.cumsum(area) - area / 2 < budget).sum()  # the first ones
    clustered = CLUSTERED * jr.uniform(keys[2])

    def place(i, carry):
        centres, there = carry
        near, parent, angle, deep, distance, anywhere = jr.split(jr.fold_in(keys[3], i), 6)
        earlier = jnp.arange(MOST) < i
        mother = jr.randint(parent, (TRIES,), 0, jnp.maximum(i, 1))
        theta = 2 * jnp.pi * jr.uniform(angle, (TRIES,))
        forth = (theta / (2 * jnp.pi) * DIRECTIONS).astype(int) % DIRECTIONS
        back = (forth + DIRECTIONS // 2) % DIRECTIONS
        reach = bank.extent[variants[mother], forth] + bank.extent[variants[i], back]
        share = jnp.where(bank.adds, DEEP_LIGHTS, DEEP)
        overlapping = jnp.where(bank.adds, jnp.array(OVERLAPPING_LIGHTS), jnp.array(OVERLAPPING))
        low, high = jnp.where(jr.uniform(deep, (TRIES, 1)) < share, overlapping, jnp.array(TOUCHING)).T
        step = reach * (low + (high - low) * jr.uniform(distance, (TRIES,)))
        beside = centres[mother] + step[:, None] * jnp.stack([jnp.sin(theta), jnp.cos(theta)], -1)
        r = radius[i]
        free = -r + (CROP + 2 * r) * jr.uniform(anywhere, (TRIES, 2))
        candidates = jnp.where((jr.uniform(near) < clustered) & (i > 0), beside, free)
        gaps = jnp.linalg.norm(candidates[:, None] - centres, axis=-1) / (r + radius)
        fits = jnp.where(earlier, gaps, jnp.inf).min(-1) > DEEPEST
        on = (jnp.abs(candidates - CROP / 2) < CROP / 2 + WINDOW // 2 - 1).all(-1)
        fits = fits & on
        centre = jnp.where(fits.any(), jnp.round(candidates[jnp.argmax(fits)]), -10.0 * CROP)
        return centres.at[i].set(centre), there.at[i].set(fits.any())

    start = jnp.full((MOST, 2), -10.0 * CROP), jnp.zeros(MOST)
    centres, there = jax.lax.fori_loop(0, number, place, start)
    return variants, jnp.where(there[:, None] > 0, centres, CROP // 2).astype(int), there, number


def bank_of(pictures: Sequence[np.ndarray], objects: Sequence[Lone], seed: int, *, adds: bool) -> Bank:
    """All that scenes are composed of.

    Args:
        pictures: normalized ones.
        objects: lone ones in them.
        seed: of the variants and crops.
        adds: whether the light of objects that overlap adds up.
    """
    rng = np.random.default_rng(seed)
    light, alpha, mask = (np.stack(each) for each in zip(*variants(objects, VARIANTS, rng), strict=True))
    grounds, sure = [], []
    for i, picture in enumerate(pictures):
        centres = np.array([o.centre for o in objects if o.picture == i]).reshape(-1, 2)
        grounds += crops_of(bare(picture, rng), -(-GROUNDS // len(pictures)), rng)
        sure += sure_crops(picture, centres, round(SURES * len(centres) / len(objects)), rng)
    side = CROP // CELL
    sure = sure or [Sure(np.zeros((CROP, CROP)), np.zeros((side, side, 3)), np.zeros((side, side)))]
    pixels, targets, known = (single(np.stack(each)) for each in zip(*sure, strict=True))
    return Bank(
        *(single(light), single(alpha), single(mask), single(extents(mask)), jnp.array(adds)),
        *(single(np.stack(grounds)), pixels, targets, known),
    )


def single(array: np.ndarray) -> Array:
    """An array in single precision."""
    return jnp.asarray(array, jnp.float32)


def variants(objects: Sequence[Lone], number: int, rng: np.random.Generator):
    """Lone objects turned, flipped and scaled: (light, alpha, mask) of each."""
    middle = np.full(2, WINDOW // 2)
    for _ in range(number):
        each = objects[int(rng.integers(len(objects)))]
        angle, size = rng.uniform(0, 2 * np.pi), np.exp(SIZES * rng.standard_normal())
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([1, rng.choice([-1, 1])]) / size
        layers = (each.light, each.alpha, each.mask)
        yield tuple(
            ndimage.affine_transform(layer, matrix, middle - matrix @ middle, order=1) for layer in layers
        )


def extents(masks: np.ndarray) -> np.ndarray:
    """How far each mask [n, WINDOW, WINDOW] reaches from its middle in each direction, in pixels."""
    steps = np.arange(0.5, WINDOW // 2)
    angles = 2 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    rows = (WINDOW // 2 + steps * np.sin(angles)[:, None]).round().astype(int).clip(0, WINDOW - 1)
    columns = (WINDOW // 2 + steps * np.cos(angles)[:, None]).round().astype(int).clip(0, WINDOW - 1)
    on = masks[:, rows, columns] > 0.5
    return np.where(on, steps, 0).max(-1) + 0.5

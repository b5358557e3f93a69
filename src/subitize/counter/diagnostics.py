"""Diagnostics: whether a run has gone wrong, from what it says about pictures alone.

The bound does not reveal wrong counts, and nobody knows the right ones. These signs need no label:

    miss_rate         share of pictures with something bright in them that are counted as empty
    saturation_rate   share of those counted as the most that the model can see
    additivity        share of sums of m pictures, each counted as one, that are counted as m: two, or as
                      many as a sum scene has (`subitize.models.sums`)
    duplicate_rate    share of pictures with several objects in which two windows lie on one place, less the
                      share of window pairs from different pictures that do so by chance

A run that sees nothing has a `miss_rate` near one. One that uses every window has high `saturation_rate` and
`duplicate_rate`. One that splits an object into two has a high `duplicate_rate`. One that merges two has low
`additivity`, and one that learned from sums and counts none of them is lost. Where objects add up and are
placed independently, 1 - additivity + duplicate_rate ranks runs: the less, the better.

Two more are read off a trained model only:

    oversize     median side of the windows on counted objects over the side that was derived for one object:
                 windows that grew so far hold several
    unexplained  share of the pictures with the largest count seen, if that is below the most that the model
                 can see, of which less than half is explained: it is stuck there

What speaks against a run goes with its weights, and into every row that it counts.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from subitize.core.compile import compiled
from subitize.core.interfaces import Inference
from subitize.counter.inference import batches
from subitize.counter.options import PAIR
from subitize.models.air import AIR
from subitize.models.inference import infer

BRIGHT = 0.3  # a picture with no pixel above this is blank
ONE_PLACE = 0.5  # windows whose centres are nearer than this share of their side lie on one place
AT_ONCE = 100  # pictures looked at in one go: more would only take memory
LEARNED = 0.2  # of sums, the share below which a run knows nothing of them
FEW = 20  # pairs or pictures, below which a share says nothing
# From where a run is doubted, of `miss_rate`, `duplicate_rate` and `additivity`.
MISSED, TWICE, MERGED = 0.1, 0.1, 0.8
OVERSIZE = 1.5  # windows over their derived side, from where a run is doubted; their prior spreads by 0.08
STUCK = 0.2  # of `unexplained`, from where a run is doubted
EXPLAINED = 0.5  # share of a picture's variation that its objects must explain


class Signs(NamedTuple):
    """Signs of health, each a share; None where too few pictures could show it."""

    miss_rate: float | None
    saturation_rate: float | None
    additivity: float | None
    duplicate_rate: float | None

    @property
    def inconsistency(self) -> float | None:
        """How far counts disagree: 1 - additivity + duplicate_rate, at least 1 - additivity."""
        if self.additivity is None:
            return None
        return 1 - self.additivity + max(self.duplicate_rate or 0.0, 0.0)

    def failure(self, *, with_sums: bool) -> str | None:
        """Why the run is certainly lost, if it is; `with_sums`: it has learned from sum scenes."""
        if (self.miss_rate or 0) > 0.9:
            return "The model sees nothing: it counts nearly every picture that is not blank as empty."
        if (self.saturation_rate or 0) > 0.9 and (self.duplicate_rate or 0) > 0.5:
            return "The model uses every window on nearly every picture, several on one object."
        if with_sums and self.additivity is not None and self.additivity < LEARNED:
            return "The model merges objects: it counts hardly any sum of pictures of one right."
        return None

    def warning(self) -> str | None:
        """What seems wrong, if anything does."""
        if (self.duplicate_rate or 0) > TWICE:
            return "Some objects are probably counted twice: windows share a place. Try a lower count prior."
        if self.additivity is not None and self.additivity < LEARNED:
            return (
                "Several objects are counted as one. If that stays so, though some pictures hold several, "
                "train again with another seed or a lower learning rate."
            )
        if self.additivity is not None and self.additivity < MERGED:
            return "Objects that are close are probably counted as one. Try another object size."
        return None


class Diagnosis(NamedTuple):
    """What a trained model says of itself: the signs of health, and two that need its windows and patches."""

    miss_rate: float | None
    saturation_rate: float | None
    additivity: float | None
    duplicate_rate: float | None
    oversize: float | None
    unexplained: float | None

    @property
    def flags(self) -> list[str]:
        """Codes of what speaks against all of its counts."""
        doubted = {
            "run_misses_objects": (self.miss_rate or 0) > MISSED,
            "run_counts_twice": (self.duplicate_rate or 0) > TWICE,
            "run_merges_objects": self.additivity is not None and self.additivity < MERGED,
            "run_windows_too_large": (self.oversize or 0) > OVERSIZE,
            "run_stuck_below_max": (self.unexplained or 0) > STUCK,
        }
        return [code for code, so in doubted.items() if so]


class Summary(NamedTuple):
    """What a model says about pictures, as far as diagnostics need it.

    Attributes:
        count: of each picture.
        boxes: x0, y0, x1, y1 of each window; [pictures, steps, 4], the counted ones first.
        explained: share of each picture's variation that its objects explain.
    """

    count: Int[np.ndarray, " pictures"]
    boxes: Float[np.ndarray, "pictures steps 4"]
    explained: Float[np.ndarray, " pictures"]


InferOne = Callable[[AIR, Float[Array, "height width channels"]], Inference]


def diagnose(model: AIR, images: Float[Array, "pictures height width channels"], summands: int) -> Diagnosis:
    """What speaks for and against a trained model, by pictures alone."""
    seen = summarize(model, images)
    sides = seen.boxes[:, :, 2] - seen.boxes[:, :, 0]
    counted = np.arange(sides.shape[1]) < seen.count[:, None]
    size, top = model.settings.object_size, seen.count.max(initial=0)
    stuck = (seen.count == top) & (top > 0) & (top < model.settings.max_objects)
    return Diagnosis(
        *signs_of(model, images, seen, summands, infer),
        oversize=float(np.median(sides[counted]) / size) if counted.sum() >= FEW else None,
        unexplained=share(seen.explained < EXPLAINED, stuck),
    )


def signs(
    model: AIR,
    images: Float[Array, "pictures height width channels"],
    summands: int = PAIR,
    infer: InferOne = infer,
) -> Signs:
    """Signs of health of a model on pictures, and on sums of so many of them.

    Args:
        model: an AIR.
        images: that it may have been trained on.
        summands: pictures in a sum.
        infer: what a model sees in a picture.
    """
    return signs_of(model, images, summarize(model, images, infer), summands, infer)


def signs_of(model: AIR, images: Array, seen: Summary, summands: int, infer: InferOne) -> Signs:
    """Signs of health of a model, by what it sees in pictures.

    Only pictures counted as one are added: of larger counts the sum may be more than the model has ever seen.
    """
    pictures, most, additivity = np.asarray(images), model.settings.max_objects, None
    bright = pictures.max((1, 2, 3)) > BRIGHT
    ones = pictures[seen.count == 1]
    if most >= summands and len(ones) >= max(summands, FEW):
        sums = np.sum([np.roll(ones, -i, 0) for i in range(summands)], 0)
        sums = sums[sums.max((1, 2, 3)) <= 1 + 1e-5]  # no brighter than a picture can be
        additivity = share(counts(model, sums, infer) == summands, np.ones(len(sums), bool))
    return Signs(
        miss_rate=share(seen.count == 0, bright),
        saturation_rate=share(seen.count == most, bright),
        additivity=additivity,
        duplicate_rate=crowding(seen.count, seen.boxes),
    )


def counts(
    model: AIR, images: Float[Array | np.ndarray, "pictures height width channels"], infer: InferOne = infer
) -> Int[np.ndarray, " pictures"]:
    """What a model counts in pictures."""
    return summarize(model, images, infer).count


def summarize(model: AIR, images: Array | np.ndarray, infer: InferOne = infer) -> Summary:
    """What a model says about pictures, by a program that is compiled for batches of one size."""
    parts = [summarize_batch(model, batch, infer) for batch, _ in batches(np.asarray(images), AT_ONCE)]
    return Summary(*(np.concatenate(each)[: len(images)] for each in zip(*parts, strict=True)))


@compiled(runs="often", static_argnames="infer")
def summarize_batch(model: AIR, images: Array, infer: InferOne) -> tuple[Array, Array, Array]:
    """Count, boxes and what is explained of each picture."""

    def one(image: Array) -> tuple[Array, Array, Array]:
        seen = infer(model, image)
        left = jnp.sum((image - seen.reconstruction) ** 2)
        held = jnp.sum((image - jnp.median(image, (0, 1))) ** 2)
        return seen.count, seen.boxes, 1 - left / jnp.maximum(held, 1e-9)

    return jax.vmap(one)(images)


def crowding(
    count: Int[np.ndarray, " pictures"], boxes: Float[np.ndarray, "pictures steps 4"]
) -> float | None:
    """Share of pictures in which windows share a place, less what chance would do."""
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = boxes[..., 2] - boxes[..., 0]
    kept = np.arange(side.shape[1]) < count[:, None]
    several = kept.sum(1) > 1
    if several.sum() < FEW:
        return None
    centres, side, kept = centres[several], side[several], kept[several]

    def near(shift: int) -> np.ndarray:
        other = [np.roll(x, shift, 0) for x in (centres, side, kept)]
        distance = np.linalg.norm(centres[:, :, None] - other[0][:, None], axis=-1)
        close = distance < ONE_PLACE * 0.5 * (side[:, :, None] + other[1][:, None])
        return close & kept[:, :, None] & other[2][:, None]

    later = np.triu(np.ones((side.shape[1], side.shape[1]), bool), 1)
    return float((near(0) & later).any((1, 2)).mean() - (near(1) & later).any((1, 2)).mean())


def share(hits: np.ndarray, among: np.ndarray) -> float | None:
    """Share of `among` that hit, None where they are few."""
    return float(hits[among].mean()) if among.sum() >= FEW else None

"""What do runs count on held-out scenes of given counts? Confusion tables, shares and boards."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from subitize import scenes
from subitize.evaluation.counting import confusion
from subitize.figures.board import board
from subitize.reproduce.lab import Lab
from subitize.training import Run

SHOWN = 6  # scenes on a board


def scenes_of(dataset: str, n: int, number: int, **options: Any) -> scenes.Scene:
    """Held-out scenes of n objects, with these options of their dataset."""
    return scenes.load(dataset, "test", counts=(n,), **options).batch(n, np.arange(number))


def pictures_of(dataset: str, n: int, number: int, **options: Any) -> jax.Array:
    """The pictures of `scenes_of`; dark ones of no object."""
    if n == 0:
        return jnp.zeros_like(pictures_of(dataset, 1, number, **options))
    return scenes_of(dataset, n, number, **options).image


def confusions(
    lab: Lab,
    name: str,
    options: Any,
    opened: Callable[[Lab, int], Run],
    tested_on: tuple,
    pictures: int,
    **dataset: Any,
) -> list[np.ndarray]:
    """A confusion table for each seed, measured now or before: rows are true counts from 0.

    Args:
        lab: where it is noted.
        name: for people.
        options: all that defines the measurement but the seed.
        opened: (lab, seed) -> the run.
        tested_on: true counts.
        pictures: held-out scenes of each.
        dataset: options of the scenes.
    """

    def measured(lab: Lab, seed: int) -> list[list[int]]:
        table = confused(lab, opened(lab, seed), tested_on, pictures, **dataset)
        told = ", ".join(f"{n}: {100 * share(table, n):.1f} %" for n in tested_on)
        lab.say(f"{name}, seed {seed}: {told}")
        return table.tolist()

    return [np.array(table) for table in lab.noted(f"confusion, {name}", options, measured)]


def confused(lab: Lab, run: Run, tested_on: tuple, pictures: int, **options: Any) -> np.ndarray:
    """What a run counts on so many held-out scenes of each count: rows are true, columns what was counted."""
    truth, seen = [], []
    for n in tested_on:
        images = np.asarray(pictures_of(lab.scenes, n, lab.some(pictures), **options))
        seen.append(run.infer(images).count)
        truth.append(np.full(len(images), n))
    most = max(run.model.settings.max_objects, *tested_on)
    return confusion(np.concatenate(truth), np.concatenate(seen), most + 1)


def share(table: np.ndarray, n: int) -> float:
    """Of the pictures of n objects, those counted right."""
    return float(table[n, n] / table[n].sum())


def summary(found: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Confusion of each, over all seeds and of each seed: rows are true counts, columns what was counted."""
    return {
        "confusion": {way: sum(tables).tolist() for way, tables in found.items()},  # pyright: ignore
        "confusion_by_seed": {way: [own.tolist() for own in tables] for way, tables in found.items()},
    }


def board_of(lab: Lab, run: Run, n: int, pictures: int, title: str, **options: Any) -> Image.Image:
    """The first of the held-out scenes of n objects that were tested, as a run sees them."""
    images = np.asarray(pictures_of(lab.scenes, n, lab.some(pictures), **options))[:SHOWN]
    inferred = run.infer(images)
    return board(images, inferred, np.full(len(images), n), title)

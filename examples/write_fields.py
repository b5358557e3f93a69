"""Draw pictures of many things that touch or overlap, with the truth: python examples/write_fields.py OUT.

Five kinds, each hard in its own way; 50 to 200 things with their centres in the picture:

    touching     ellipses side by side
    sizes        discs from 1 to 2.5 in one picture
    uneven       dark discs on a bright ground that is brighter in places
    textured     discs on a ground of grains
    overlapping  translucent discs, up to 40 % of their distance deep in each other
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

KINDS = ("touching", "sizes", "uneven", "textured", "overlapping")
SIDE = 512  # pixels
NUMBER = (50, 200)  # of things in a picture
CLUSTERED = 0.6  # share of things that are put next to another one
CONTRAST, BLUR, NOISE = 0.4, 1.0, 0.02


def field(kind: str, rng: np.random.Generator, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A picture [side, side] with brightness from 0 to 1, and the centres (row, column) of what is in it."""
    wanted = round(rng.integers(NUMBER[0], NUMBER[1] + 1) * (side / SIDE) ** 2)
    things = scattered(kind, max(1, wanted), side, rng)
    light = np.zeros((side, side))
    for thing in things:
        where, disc = drawn(thing, side)
        disc = disc * rng.uniform(0.75, 1.1)
        light[where] = light[where] + disc if kind == "overlapping" else np.maximum(light[where], disc)
    picture = over_ground(kind, CONTRAST * gaussian_filter(light, BLUR), rng)
    return np.clip(picture + NOISE * rng.standard_normal(picture.shape), 0, 1), things[:, :2]


def scattered(kind: str, number: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Things as (row, column, long radius, short radius, angle), no two nearer than their kind allows."""
    least = 0.6 if kind == "overlapping" else 1.0  # distance of two centres over the sum of their extents
    things = np.zeros((0, 5))
    for _ in range(200 * number):
        if len(things) == number:
            break
        radius = 6.4 * 2.5 ** rng.uniform() if kind == "sizes" else rng.uniform(9, 12)
        squash = rng.uniform(0.65, 1) if kind == "touching" else rng.uniform(0.9, 1)
        new = np.array([*rng.uniform(0, side, 2), radius, radius * squash, rng.uniform(0, np.pi)])
        if len(things) and rng.uniform() < CLUSTERED:
            mother, angle = things[rng.integers(len(things))], rng.uniform(0, 2 * np.pi)
            reach = extent(mother, angle) + extent(new, angle + np.pi)
            way = np.array([np.sin(angle), np.cos(angle)])
            new[:2] = mother[:2] + least * rng.uniform(1, 1.08) * reach * way
        if ((new[:2] > 0) & (new[:2] < side)).all() and all(apart(new, other) >= least for other in things):
            things = np.concatenate([things, new[None]])
    return things


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The distance of two things' centres over the sum of their extents towards each other."""
    step = other[:2] - one[:2]
    angle = np.arctan2(*step)
    return float(np.hypot(*step) / (extent(one, angle) + extent(other, angle + np.pi)))


def extent(thing: np.ndarray, angle: float) -> float:
    """How far an ellipse reaches from its centre in a direction."""
    _, _, long, short, turned = thing
    return float(1 / np.hypot(np.cos(angle - turned) / long, np.sin(angle - turned) / short))


def drawn(thing: np.ndarray, side: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where a thing lies in the picture, and its light there, from 0 to 1."""
    row, column, long, short, turned = thing
    rows, columns = (slice(max(0, int(v - long - 2)), min(side, int(v + long + 3))) for v in (row, column))
    y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - row
    x = np.arange(columns.start, columns.stop) + 0.5 - column
    along, across = x * np.cos(turned) + y * np.sin(turned), y * np.cos(turned) - x * np.sin(turned)
    return (rows, columns), np.clip((1 - np.hypot(along / long, across / short)) * short + 0.5, 0, 1)


def over_ground(kind: str, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The light of things on the ground of their kind."""
    side = len(light)
    y, x = np.mgrid[:side, :side] / side
    if kind == "uneven":
        slope = rng.uniform(-0.25, 0.25, 2)
        middle = rng.uniform(0, 1, 2)
        spot = 0.2 * np.exp(-((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / 0.1)
        return 0.75 + slope[0] * (y - 0.5) + slope[1] * (x - 0.5) + spot - light
    if kind == "textured":
        grains = [gaussian_filter(rng.standard_normal((side, side)), sigma) for sigma in (4, 1.5)]
        return 0.2 + 0.05 * grains[0] / grains[0].std() + 0.03 * grains[1] / grains[1].std() + light
    return 0.1 + light


def write(out: Path, kind: str, number: int, seed: int, side: int = SIDE) -> None:
    """Write pictures of a kind into a folder, and beside it OUT.csv with how many things are in each."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    out.mkdir(parents=True)
    with out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "count"))
        for i in range(number):
            picture, centres = field(kind, rng, side)
            Image.fromarray((255 * picture).round().astype(np.uint8)).save(out / f"{kind}_{i:02d}.png")
            rows.writerow((f"{kind}_{i:02d}.png", len(centres)))


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="touching")
    parser.add_argument("--number", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=SIDE)
    given = parser.parse_args()
    write(given.out, given.kind, given.number, given.seed, given.side)


if __name__ == "__main__":
    main()

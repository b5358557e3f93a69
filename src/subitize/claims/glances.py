"""One glance, or one after the other? Right answers and time, for one to eight digits.

People tell up to four at a glance, as surely and almost as quickly as one, and then count. Here three tell:

* at a glance, a supervised network, which was told the number of thousands of scenes of one to eight;
* at a glance, a read-out from the code of an autoencoder, told as much;
* one after the other, DAIR, which was told nothing, and trained on scenes of up to three (`open_ended`).

A time is that of a compiled network at one picture, in the median over pictures; DAIR looks once.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from subitize import scenes
from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab
from subitize.claims.open_ended import CANVAS, run_of
from subitize.claims.readout import STEPS, answer, each, network, taught
from subitize.claims.subitizing import autoencoder, mean_code
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK, QUIET
from subitize.scenes.stack import Drawn

SOURCE = "Kaufman et al. 1949, of people; a post's question"
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8)
PRIOR = "sticks"  # of DAIR's count
SHOWN, LABELS = 20_000, 10_000  # scenes of the autoencoder, and those whose number is told
TESTED = 500  # scenes of each number
TIMED = 40  # of them
SEEDS = (0, 1, 2)
INKS = {"DAIR": ACCENT, "supervised glance": INK, "autoencoder's glance": QUIET}


class Watcher(NamedTuple):
    """Who tells a number: `tell` makes it of what `look(model, image)` sees, in next to no time."""

    look: Callable[[Any, jax.Array], jax.Array]
    model: Any
    tell: Callable[[np.ndarray], np.ndarray] = lambda seen: seen

    def right(self, pictures: np.ndarray, n: int) -> float:
        """How often n is told of pictures of bytes, in per cent."""
        return 100 * float(np.mean(self.tell(each(self.look, self.model, pictures)) == n))

    def seconds(self, pictures: np.ndarray) -> float:
        """For a look at one picture: the median over pictures."""
        look = jax.jit(lambda picture: self.look(self.model, picture.astype(jnp.float32) / 255))
        spent, _ = [], jax.block_until_ready(look(pictures[0]))  # compiled
        for picture in pictures:
            began = time.perf_counter()
            jax.block_until_ready(look(picture))
            spent.append(time.perf_counter() - began)
        return statistics.median(spent)


def glances(lab: Lab) -> Finding:
    """Who is right how often, and who takes how long?"""
    right: dict[str, list[list[float]]] = {name: [] for name in INKS}
    seconds: dict[str, list[list[float]]] = {name: [] for name in INKS}
    for seed in lab.seeds:
        pictures = [np.asarray(shown(lab, "test", TESTED, seed, (n,)).pictures) for n in NUMBERS]
        for name, watcher in watchers(lab, seed).items():
            right[name].append([watcher.right(some, n) for some, n in zip(pictures, NUMBERS, strict=True)])
            seconds[name].append([watcher.seconds(some[:TIMED]) for some in pictures])
            lab.say(f"{name}, seed {seed}: " + ", ".join(f"{share:.1f} %" for share in right[name][-1]))
    slower = {name: [times[-1] / times[0] for times in own] for name, own in seconds.items()}
    values = {
        "glance_slower": slower["supervised glance"],
        "attending_slower": slower["DAIR"],
        "glance_drop": [shares[0] - shares[-1] for shares in right["supervised glance"]],
    }
    details = {"numbers": NUMBERS, "right": right, "milliseconds": milliseconds(seconds)}
    return Finding(values, details, figure(right, seconds))


def watchers(lab: Lab, seed: int) -> dict[str, Watcher]:
    """All three, trained."""
    world, labels, first = shown(lab, "train", SHOWN, seed, NUMBERS), lab.some(LABELS), NUMBERS[0]
    pictures, classes = np.asarray(world.pictures), world.known[:labels] - first
    supervised = taught((pictures[:labels], classes), len(NUMBERS), seed, 4 if lab.tiny else STEPS)
    code = autoencoder(lab, world, seed)
    reader = network((each(mean_code, code, pictures[:labels]), classes), seed)
    dair = run_of(lab, PRIOR, seed).model
    return {
        "DAIR": Watcher(counted, dair.extended(dair.settings.max_objects, 1)),
        "supervised glance": Watcher(answer, supervised, lambda seen: seen + first),
        "autoencoder's glance": Watcher(mean_code, code, lambda seen: reader.predict(seen) + first),
    }


def counted(model: Any, image: jax.Array) -> jax.Array:
    """How many a model sees."""
    return model.look(image).count


def shown(lab: Lab, split: str, number: int, seed: int, numbers: tuple[int, ...]) -> Drawn:
    """Scenes of these numbers, in bytes."""
    world = scenes.load(lab.scenes, split, counts=numbers, canvas=CANVAS)
    return Drawn([(world, lab.some(number))], seed, batch=min(lab.some(number), 250))


def milliseconds(seconds: dict[str, list[list[float]]]) -> dict[str, list[list[float]]]:
    """Rounded, for people."""
    return {name: [[round(1e3 * t, 3) for t in times] for times in own] for name, own in seconds.items()}


def figure(right: dict[str, list[list[float]]], seconds: dict[str, list[list[float]]]) -> Image.Image:
    """Right answers, and time, by number; a line for each seed."""
    longest = max(max(times) for own in seconds.values() for times in own)
    panels = [
        Panel(
            "right (%)", lines(right), (0.0, 100.0), "digits; DAIR red, supervised black, autoencoder grey"
        ),
        Panel("milliseconds", lines(milliseconds(seconds)), (0.0, 1e3 * longest), "digits; as there"),
    ]
    return grid(panels, 2, "At a glance, or one after the other", size=(420, 240))


def lines(table: dict[str, list[list[float]]]) -> list[Line]:
    """A line for each seed of each."""
    return [Line(NUMBERS, values, INKS[name]) for name, own in table.items() for values in own]


CLAIMS = (
    Claim(
        "glances",
        "A glance takes no longer for eight than for one, and errs more; one after the other takes longer.",
        SOURCE,
        {
            "glance_slower": Condition(
                "a glance's time for eight digits over that for one", "", 1.2, at_most=True
            ),
            "attending_slower": Condition("DAIR's time for eight digits over that for one", "", 2),
            "glance_drop": Condition("a supervised glance, right for one less for eight (points)", "", 10),
        },
        120,
        SEEDS,
        glances,
    ),
)

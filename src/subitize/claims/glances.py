"""One glance, or one after the other? Right answers and time, for one to eight digits.

People tell up to four at a glance, almost as surely and quickly as one, and then count. Here three tell:

* at a glance, a supervised network, which was told the number of thousands of scenes;
* at a glance, a read-out from the code of an autoencoder, told as much;
* one after the other, DAIR, which was told nothing, and trained on scenes of up to three under a prior that
  knows no largest count.

Those that were told were told of nine too, so that at eight one may err to both sides. More digits are more
ink and lie closer: what ink alone tells is given beside. A time is that of a compiled network at one picture
whose number it tells right (if there is none, at any), in the median. DAIR makes one pass for it.
To be right it makes as many as `subitize.reproduce.counters` says.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image

from subitize import scenes
from subitize.evaluation.batches import map_batches
from subitize.evaluation.probes import OPTIONS as PROBING
from subitize.evaluation.probes import STEPS, fit_classifier, fit_probe, predict
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK, QUIET, WINDOWS
from subitize.models.air import AIR
from subitize.models.inference import OPTIONS as INFERENCE
from subitize.models.inference import infer
from subitize.models.subitizing_vae import SubitizingVAESettings, mean_code
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.counters import OPEN_ENDED_CANVAS, open_ended_counter
from subitize.reproduce.generative import Schedule, trained_autoencoder
from subitize.scenes.stack import FixedScenes

TOLD = (1, 2, 3, 4, 5, 6, 7, 8, 9)
FEW, MANY = 4, 8  # up to which people subitize, and where they certainly count
DAIR = open_ended_counter("sticks")
SCHEDULE, AUTOENCODER = Schedule(steps=8000, batch_size=64, grad_clip_norm=100.0), SubitizingVAESettings()
SHOWN, LABELS = 20_000, 10_000  # scenes of the autoencoder, and those whose number is told
TESTED = 250  # scenes of each number
TIMED = 100  # of them
OPTIONS = PROBING, TOLD, SHOWN, LABELS, TESTED, TIMED, AUTOENCODER, SCHEDULE
SEEDS = (0, 1, 2)
INKS = {"DAIR": ACCENT, "DAIR, one pass": ACCENT, "supervised": INK, "autoencoder": QUIET, "ink": WINDOWS[1]}
CLOCKED = ("DAIR, one pass", "supervised")


class Watcher(NamedTuple):
    """Who tells a number: `tell` makes it of what `infer(model, image)` sees."""

    infer: Callable[[Any, Array], Array]
    model: Any
    tell: Callable[[np.ndarray], np.ndarray] = lambda seen: seen

    def numbers(self, pictures: np.ndarray) -> np.ndarray:
        """What it tells of pictures of bytes."""
        return self.tell(map_batches(self.infer, self.model, pictures))


def glances(lab: Lab) -> Finding:
    """Who is right how often, and who takes how long?"""
    numbers = (TOLD[0], FEW, MANY) if lab.tiny else TOLD[:-1]
    options = OPTIONS, *DAIR, INFERENCE, numbers
    found = {
        name: lab.noted(
            f"glances, {name}", options, lambda lab, seed, name=name: watched(lab, name, numbers, seed)
        )
        for name in WATCHERS
    }
    right = {name: [own["right"] for own in seeds] for name, seeds in found.items()}
    milliseconds = {name: [own["milliseconds"] for own in found[name]] for name in CLOCKED}
    few, many = numbers.index(FEW), numbers.index(MANY)
    values = {
        "few": [shares[0] - shares[few] for shares in right["supervised"]],
        "many": [shares[few] - shares[many] for shares in right["supervised"]],
        "slower": [times[few] / times[0] for times in milliseconds["DAIR, one pass"]],
    }
    details = {"numbers": numbers, "right": right, "milliseconds": milliseconds}
    return Finding(values, details, figure(numbers, right, milliseconds))


def watched(lab: Lab, name: str, numbers: tuple[int, ...], seed: int) -> dict[str, list[float]]:
    """Right answers of a watcher in per cent, and of some the milliseconds, by number."""
    pictures = {n: np.asarray(shown(lab, "test", TESTED, seed, (n,)).pictures) for n in numbers}
    watcher = WATCHERS[name](lab, seed)
    told = {n: watcher.numbers(some) == n for n, some in pictures.items()}
    right = [100 * float(hits.mean()) for hits in told.values()]
    lab.say(f"{name}, seed {seed}: " + ", ".join(f"{share:.1f} %" for share in right))
    return {"right": right, "milliseconds": clocked(watcher, pictures, told) if name in CLOCKED else []}


def dair(lab: Lab, seed: int) -> Watcher:
    """DAIR, which looks as often as it takes to be right."""
    return Watcher(counted, DAIR.run(lab, seed).model)


def dair_once(lab: Lab, seed: int) -> Watcher:
    """DAIR, with one pass."""
    model = DAIR.run(lab, seed).model
    return Watcher(counted, model.for_inference(model.settings.max_objects, 1))


def told_apart(lab: Lab, seed: int) -> Watcher:
    """A supervised network."""
    dataset = shown(lab, "train", SHOWN, seed, TOLD)
    told = fit_classifier(labelled(lab, dataset), seed, steps_of(lab))
    return Watcher(predict, told, lambda seen: seen + TOLD[0])


def read_off_code(lab: Lab, seed: int) -> Watcher:
    """A read-out from the code of an autoencoder."""
    dataset = shown(lab, "train", SHOWN, seed, TOLD)
    model = trained_autoencoder(lab, "vae", AUTOENCODER, SCHEDULE, dataset, seed)
    return read_off(lab, mean_code, model, dataset, seed)


def read_off_ink(lab: Lab, seed: int) -> Watcher:
    """A read-out from ink alone."""
    return read_off(lab, ink, None, shown(lab, "train", SHOWN, seed, TOLD), seed)


def read_off(lab: Lab, infer: Callable, model: Any, dataset: FixedScenes, seed: int) -> Watcher:
    """A read-out from what `infer` sees."""
    pictures, classes = labelled(lab, dataset)
    classify = fit_probe((map_batches(infer, model, pictures), classes), seed, steps=steps_of(lab))
    return Watcher(infer, model, lambda seen: classify(seen) + TOLD[0])


def labelled(lab: Lab, dataset: FixedScenes) -> tuple[np.ndarray, np.ndarray]:
    """The pictures whose number is told, and which of `TOLD` it is."""
    labels = lab.some(LABELS)
    return np.asarray(dataset.pictures)[:labels], dataset.known[:labels] - TOLD[0]


def steps_of(lab: Lab) -> int:
    """For how long those are trained who are told."""
    return 4 if lab.tiny else STEPS


def counted(model: AIR, image: Float[Array, "height width channels"]) -> Array:
    """How many a model sees."""
    return infer(model, image).count


def ink(model: None, image: Float[Array, "height width channels"]) -> Float[Array, "2"]:
    """Mean and deviation of the brightness."""
    return jnp.stack([image.mean(), image.std()])


def shown(lab: Lab, split: str, number: int, seed: int, numbers: tuple[int, ...]) -> FixedScenes:
    """Scenes of these numbers, in bytes."""
    dataset = scenes.load(lab.scenes, split, counts=numbers, canvas=OPEN_ENDED_CANVAS)
    return FixedScenes([(dataset, lab.some(number))], seed, batch_size=min(lab.some(number), 250))


def clocked(watcher: Watcher, pictures: dict[int, np.ndarray], told: dict[int, np.ndarray]) -> list[float]:
    """Milliseconds for one picture of each number, in turn, so that what else the machine does hits all."""
    infer = jax.jit(lambda model, picture: watcher.infer(model, picture.astype(jnp.float32) / 255))
    ready = {n: jax.device_put(list(some[:TIMED])) for n, some in pictures.items()}
    jax.block_until_ready(infer(watcher.model, next(iter(ready.values()))[0]))  # compiles
    spent: dict[int, list[float]] = {n: [] for n in ready}
    for turn in zip(*ready.values(), strict=True):
        for n, picture in zip(ready, turn, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(infer(watcher.model, picture))
            spent[n].append(1e3 * (time.perf_counter() - began))
    return [median_of(np.array(spent[n]), told[n][:TIMED]) for n in ready]


def median_of(values: np.ndarray, chosen: np.ndarray) -> float:
    """The median of the chosen, or if there is none of all."""
    return round(float(np.median(values[chosen] if chosen.any() else values)), 3)


def figure(
    numbers: tuple[int, ...],
    right: dict[str, list[list[float]]],
    milliseconds: dict[str, list[list[float]]],
) -> Image.Image:
    """Right answers, and time, by number; a line for each seed."""
    longest = max(max(times) for own in milliseconds.values() for times in own)
    panels = [
        Panel(
            "right (%)",
            lines(numbers, {name: own for name, own in right.items() if name != CLOCKED[0]}),
            (0.0, 100.0),
            "digits; DAIR red, supervised black, autoencoder grey, ink blue",
        ),
        Panel("milliseconds", lines(numbers, milliseconds), (0.0, longest), "digits; DAIR's one pass red"),
    ]
    return grid(panels, 2, "At a glance, or one after the other", size=(420, 240))


def lines(numbers: tuple[int, ...], table: dict[str, list[list[float]]]) -> list[Line]:
    """A line for each seed of each."""
    return [Line(numbers, values, INKS[name]) for name, own in table.items() for values in own]


WATCHERS: dict[str, Callable[[Lab, int], Watcher]] = {
    "DAIR": dair,
    "DAIR, one pass": dair_once,
    "supervised": told_apart,
    "autoencoder": read_off_code,
    "ink": read_off_ink,
}
CLAIMS = (
    Claim(
        "glances",
        "A glance tells four as surely as one, but not eight; one after the other takes longer for more.",
        "what psychologists found of people; a post's question",
        {
            "few": Condition(
                "a supervised glance, right for one less for four digits (points)", "", 5, at_most=True
            ),
            "many": Condition("the same, right for four less for eight (points)", "", 10),
            "slower": Condition("DAIR's time for four over that for one, where it is right", "", 1.5),
        },
        120,
        SEEDS,
        glances,
    ),
)

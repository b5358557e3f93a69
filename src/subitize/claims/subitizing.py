"""Does an autoencoder subitize? What a code says of number, when nobody asked it to.

A variational autoencoder learns, without labels, from scenes in which neither area nor field betrays the
number: cut-outs on textures, none to six of them (`subitize.scenes.dots`). Then number is read off its frozen
code, in five equally frequent classes, 0, 1, 2, 3 and 4 or more. With the same labels it is read off the code
of an untrained network, off pixels by a linear read-out, and off a few numbers about edges, which go with
number since small objects have more of them; and a supervised network is told. And single units of the code
are searched for those that follow the logarithm of number rather than those of area and of the hull, the box
around all objects. With everything in standard units,

    z_i = b_N log N + b_A log A + b_H log H + noise,

unit i is a number unit if the regression explains a tenth of its variance and |b_A|, |b_H| < 0.1 ≤ |b_N|.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from PIL import Image

from subitize.evaluation.batches import map_batches
from subitize.evaluation.probes import OPTIONS as PROBING
from subitize.evaluation.probes import STEPS as TAUGHT
from subitize.evaluation.probes import classifier_accuracy, linear_probe_accuracy, probe_accuracy
from subitize.figures.style import enlarged_by, titled
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings, mean_code
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.generative import Schedule, trained_autoencoder
from subitize.scenes import Dots
from subitize.scenes.stack import FixedScenes

SOURCE = "Wever and Runia 2018"
FEW, MANY = (0, 1, 2, 3), (4, 5, 6)  # the last are one class
CLASSES = len(FEW) + 1
SHOWN, TESTED = 20_000, 5000  # scenes without labels, and of the test
LABELS = (500, 2000, 10_000)
ASKED = 2000  # labels of the conditions
SCHEDULE = Schedule(steps=8000, batch_size=64, grad_clip_norm=100.0)
AUTOENCODER = SubitizingVAESettings()
EXPLAINED, COMPLEMENT = 0.1, 0.1  # least R² of a number unit, and bound on its other coefficients
SLOPES = (0.05, 0.1, 0.2, 0.3)  # of brightness, per pixel
OPTIONS = PROBING, FEW, MANY, SHOWN, TESTED, LABELS, AUTOENCODER, SCHEDULE, EXPLAINED, COMPLEMENT, SLOPES
SEEDS = (0, 1, 2)
PAIRS = 10  # of pictures and their reconstructions
ENLARGED = 2


def subitizing(lab: Lab) -> Finding:
    """Number read off the code, off other things, and told by supervision."""
    found = lab.noted("subitizing", OPTIONS, asked)
    numbers, names = found[0]["accuracy"], found[0]["accuracy"][str(labels_of(lab)[0])]
    table = {n: {name: [own["accuracy"][n][name] for own in found] for name in names} for n in numbers}
    told = table[str(lab.some(ASKED))]
    ahead_of = lambda name: [a - b for a, b in zip(told["code"], told[name], strict=True)]  # noqa: E731
    values = {
        "code": told["code"],
        "ahead": ahead_of("pixels, linear"),
        "learned": ahead_of("untrained code"),
        "units": [len(own["units"]["number"]) for own in found],
    }
    details = {"accuracy": table, "units": [own["units"] for own in found]}
    picture = lab.drawn("reconstructions", OPTIONS, lambda: reconstructions(lab))
    title = f"Held-out scenes, and what the mean code of each renders (seed {lab.seeds[0]})"
    return Finding(values, details, titled(picture, title))


def asked(lab: Lab, seed: int) -> dict[str, Any]:
    """Right answers by number of labels and what they are read off, in per cent; and the code's units."""
    shown, test = scenes(lab, "train", SHOWN, seed), scenes(lab, "test", TESTED, seed)
    model = autoencoder(lab, shown, seed)
    codes = map_batches(mean_code, model, np.asarray(test.pictures))
    accuracy = {}
    for labels in labels_of(lab):
        accuracy[labels] = read_off(lab, model, shown, test, labels, seed)
        said = ", ".join(f"{name} {share:.1f} %" for name, share in accuracy[labels].items())
        lab.say(f"seed {seed}, {labels} labels: {said}")
    return {"accuracy": accuracy, "units": number_units(codes, test.known, companions(lab, seed))}


def labels_of(lab: Lab) -> tuple[int, ...]:
    """Numbers of labels that are compared."""
    return (lab.some(ASKED),) if lab.tiny else LABELS


def read_off(
    lab: Lab, model: SubitizingVAE, shown: FixedScenes, test: FixedScenes, labels: int, seed: int
) -> dict[str, float]:
    """Right answers on the test with so many labels, in per cent, for everything that is compared."""
    pictures, test_pictures = (np.asarray(dataset.pictures) for dataset in (shown, test))
    classes, right = (np.minimum(dataset.known, CLASSES - 1) for dataset in (shown, test))

    def both(describe: Callable[[np.ndarray], np.ndarray]) -> tuple[tuple, tuple]:
        return (describe(pictures[:labels]), classes[:labels]), (describe(test_pictures), right)

    untrained, steps = SubitizingVAE(model.settings, key=jax.random.key(seed)), 4 if lab.tiny else TAUGHT
    return {
        "code": probe_accuracy(*both(lambda some: map_batches(mean_code, model, some)), seed, steps=steps),
        "untrained code": probe_accuracy(
            *both(lambda some: map_batches(mean_code, untrained, some)), seed, steps=steps
        ),
        "edges": probe_accuracy(*both(edges), seed, steps=steps),
        "pixels, linear": linear_probe_accuracy(*both(lambda some: some.reshape(len(some), -1))),
        "supervised": classifier_accuracy(*both(lambda some: some), seed, steps),
    }


def scenes(lab: Lab, split: str, number: int, seed: int, ground: str = "texture") -> FixedScenes:
    """Scenes with five equally frequent classes."""
    few, many = (Dots(split, counts=counts, ground=ground) for counts in (FEW, MANY))
    if lab.tiny:
        return FixedScenes([(few, lab.some(number))], seed, batch_size=lab.some(number))
    return FixedScenes([(few, number - number // CLASSES), (many, number // CLASSES)], seed)


def companions(lab: Lab, seed: int) -> np.ndarray:
    """[scenes, 2]: the area of the test scenes' objects, and of the box around them all, as shares.

    Measured on their twins, white on black.
    """
    lit = np.asarray(scenes(lab, "test", TESTED, seed, "plain").pictures)[..., 0] / 255
    return np.stack([lit.mean((1, 2)), reach(lit, 1) * reach(lit, 2)], 1)


def reach(lit: np.ndarray, axis: int) -> np.ndarray:
    """From the first lit place along an axis of pictures to the last, as a share; of dark ones all."""
    lines = lit.max(3 - axis) > 0
    first, last = lines.argmax(1), lines[:, ::-1].argmax(1)
    return (lines.shape[1] - last - first) / lines.shape[1]


def edges(pictures: np.ndarray) -> np.ndarray:
    """What edges alone say: shares of pixels whose slope exceeds some bars, and brightness."""
    values = pictures[..., 0] / 255
    slope = np.hypot(np.diff(values, axis=1)[:, :, :-1], np.diff(values, axis=2)[:, :-1])
    shares = [(slope > bar).mean((1, 2)) for bar in SLOPES]
    return np.stack([*shares, values.mean((1, 2)), values.std((1, 2))], 1)


def autoencoder(lab: Lab, shown: FixedScenes, seed: int) -> SubitizingVAE:
    """Trained on scenes without their counts."""
    return trained_autoencoder(lab, "vae", AUTOENCODER, SCHEDULE, shown, seed)


def rendered(model: SubitizingVAE, image: jax.Array) -> jax.Array:
    """x̂(μ(x))."""
    return model.render(mean_code(model, image))


def number_units(codes: np.ndarray, number: np.ndarray, others: np.ndarray) -> dict[str, Any]:
    """Units whose code follows one cause and none of the others.

    Args:
        codes: [scenes, units].
        number: of objects; empty scenes are left out.
        others: [scenes, 2]: area and hull.

    Returns:
        number, area, hull: for each such unit [index, b_N, b_A, b_H, R²].
    """
    some = number > 0
    causes = standard(np.log(np.column_stack([number, others])[some]))
    found: dict[str, Any] = {"number": [], "area": [], "hull": []}
    for i, unit in enumerate(standard(codes[some]).T):
        b, *_ = np.linalg.lstsq(causes, unit, rcond=None)
        explained = 1 - np.mean((unit - causes @ b) ** 2)
        for own, name in enumerate(found):
            if explained >= EXPLAINED and np.all((np.abs(b) >= COMPLEMENT) == (np.arange(len(b)) == own)):
                found[name].append([i, *(round(float(x), 3) for x in (*b, explained))])
    return found


def standard(values: np.ndarray) -> np.ndarray:
    """Columns with mean zero and deviation one; constant ones are zero."""
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1)


def reconstructions(lab: Lab) -> Image.Image:
    """Held-out scenes, and under each what the first seed's mean code renders."""
    model = autoencoder(lab, scenes(lab, "train", SHOWN, lab.seeds[0]), lab.seeds[0])
    pictures = np.asarray(scenes(lab, "test", PAIRS, lab.seeds[0]).pictures)
    again = (255 * map_batches(rendered, model, pictures)).round().astype(np.uint8)
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in (pictures, again)])
    return enlarged_by(Image.fromarray(sheet[..., 0]), ENLARGED)


CLAIMS = (
    Claim(
        "subitizing",
        "An autoencoder that was never told a number has a code that tells none, one, two, three and more.",
        SOURCE,
        {
            "code": Condition("read off the code, five classes (%)", "44.4 on photographs", 40),
            "ahead": Condition("ahead of a linear read-out of pixels (points)", "", 5),
            "learned": Condition("ahead of the code of an untrained network (points)", "", 5),
            "units": Condition("units that follow number, not area or hull", "1 to 2 of 182, area only", 1),
        },
        150,
        SEEDS,
        subitizing,
    ),
)

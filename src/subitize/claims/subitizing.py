"""Does an autoencoder subitize? What a code says of number, when nobody asked it to.

A variational autoencoder learns, without labels, from scenes in which neither area nor spread betrays the
number: cut-outs on textures, none to six of them (`subitize.scenes.dots`). Then number is read off its frozen
code, in five equally frequent classes, 0, 1, 2, 3 and 4 or more; off the pixels by a linear read-out; and a
supervised network is told the same labels. And single units of the code are searched for those that follow
the logarithm of number rather than that of area. With everything in standard units,

    z_i = b_N log N + b_A log A + noise,

unit i is a number unit if the regression explains a tenth of its variance and |b_A| < 0.1 ≤ |b_N|.
"""

from typing import Any

import jax
import numpy as np
from PIL import Image

from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.descent import Schedule, Subject, descended
from subitize.claims.lab import Lab
from subitize.claims.readout import STEPS as TAUGHT
from subitize.claims.readout import each, glance, linear_read_out, read_out
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings, negative_elbo
from subitize.scenes import Dots
from subitize.scenes.stack import Drawn

SOURCE = "Wever and Runia 2018"
FEW, MANY = (0, 1, 2, 3), (4, 5, 6)  # the last are one class
CLASSES = len(FEW) + 1
SHOWN, TESTED = 20_000, 5000  # scenes without labels, and of the test
LABELS = (500, 2000, 10_000)
ASKED = 2000  # labels of the conditions
SCHEDULE = Schedule(steps=10_000, clip=100.0)
EXPLAINED, COMPLEMENT = 0.1, 0.1  # least R² of a number unit, and bound on its other coefficient
SEEDS = (0, 1, 2)
PAIRS = 10  # of pictures and their reconstructions
ENLARGED = 2


def subitizing(lab: Lab) -> Finding:
    """Number read off the code, off pixels, and told by supervision."""
    table: dict[str, dict[str, list[float]]] = {}
    units, models = [], []
    for seed in lab.seeds:
        shown, test = scenes(lab, "train", SHOWN, seed), scenes(lab, "test", TESTED, seed)
        model = autoencoder(lab, shown, seed)
        models.append(model)
        codes, test_codes = (each(mean_code, model, np.asarray(world.pictures)) for world in (shown, test))
        classes, test_classes = (np.minimum(world.known, CLASSES - 1) for world in (shown, test))
        units.append(number_units(test_codes, test.known, covered(lab, seed)))
        pictures, test_pictures = (np.asarray(world.pictures) for world in (shown, test))
        pixels, test_pixels = (some.reshape(len(some), -1) for some in (pictures, test_pictures))
        for n in (lab.some(ASKED),) if lab.tiny else LABELS:
            seen = lambda inputs, n=n, labels=classes: (inputs[:n], labels[:n])  # noqa: E731
            found = {
                "code": read_out(seen(codes), (test_codes, test_classes), seed),
                "pixels, linear": linear_read_out(seen(pixels), (test_pixels, test_classes)),
                "supervised": glance(
                    seen(pictures), (test_pictures, test_classes), CLASSES, seed, 4 if lab.tiny else TAUGHT
                ),
            }
            for name, accuracy in found.items():
                table.setdefault(str(n), {}).setdefault(name, []).append(accuracy)
            lab.say(f"seed {seed}, {n} labels: {', '.join(f'{k} {v:.1f} %' for k, v in found.items())}")
    asked = table[str(lab.some(ASKED))]
    values = {
        "code": asked["code"],
        "ahead": [a - b for a, b in zip(asked["code"], asked["pixels, linear"], strict=True)],
        "units": [len(found["number"]) for found in units],
    }
    return Finding(values, {"accuracy": table, "units": units}, reconstructions(models[0], lab))


def scenes(lab: Lab, split: str, number: int, seed: int, ground: str = "texture") -> Drawn:
    """Scenes with five equally frequent classes."""
    few, many = (Dots(split, counts=counts, ground=ground) for counts in (FEW, MANY))
    if lab.tiny:
        return Drawn([(few, lab.some(number))], seed, batch=lab.some(number))
    return Drawn([(few, number - number // CLASSES), (many, number // CLASSES)], seed)


def covered(lab: Lab, seed: int) -> np.ndarray:
    """The share of each test scene that is covered: measured on its twin, white on black."""
    return np.asarray(scenes(lab, "test", TESTED, seed, "plain").pictures).mean((1, 2, 3)) / 255


def autoencoder(lab: Lab, shown: Drawn, seed: int) -> SubitizingVAE:
    """Trained on scenes without their counts."""
    height, width, channels = shown.pictures.shape[1:]
    small = {"convolutions": ((8, 8),), "features": 16, "judge": ((4, 4),)} if lab.tiny else {}
    settings = SubitizingVAESettings(height, width, channels, **small)
    dream = lambda model, key: model.dream(key)  # noqa: E731
    subject = Subject("vae", settings, SubitizingVAE, negative_elbo, dream)
    return descended(lab, subject, SCHEDULE, shown, seed)[0]


def mean_code(model: SubitizingVAE, image: jax.Array) -> jax.Array:
    """μ(x)."""
    return model.posterior(image).loc


def rendered(model: SubitizingVAE, image: jax.Array) -> jax.Array:
    """x̂(μ(x))."""
    return model.render(mean_code(model, image))


def number_units(codes: np.ndarray, number: np.ndarray, area: np.ndarray) -> dict[str, Any]:
    """Units whose code follows number rather than area, and the other way round.

    Args:
        codes: [scenes, units].
        number: of objects; empty scenes are left out.
        area: that they cover.

    Returns:
        number, area: for each such unit [index, b_N, b_A, R²].
    """
    some = number > 0
    named = standard(np.log(np.stack([number[some], area[some]], 1)))
    found: dict[str, Any] = {"number": [], "area": []}
    for i, unit in enumerate(standard(codes[some]).T):
        b, *_ = np.linalg.lstsq(named, unit, rcond=None)
        explained = 1 - np.mean((unit - named @ b) ** 2)
        for name, own, other in (("number", *b), ("area", *b[::-1])):
            if explained >= EXPLAINED and abs(other) < COMPLEMENT <= abs(own):
                found[name].append([i, *(round(float(x), 3) for x in (*b, explained))])
    return found


def standard(values: np.ndarray) -> np.ndarray:
    """Columns with mean zero and deviation one; constant ones are zero."""
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1)


def reconstructions(model: SubitizingVAE, lab: Lab) -> Image.Image:
    """Held-out scenes, and under each what its mean code renders."""
    pictures = np.asarray(scenes(lab, "test", PAIRS, lab.seeds[0]).pictures)
    again = (255 * each(rendered, model, pictures)).round().astype(np.uint8)
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in (pictures, again)])
    picture = Image.fromarray(sheet[..., 0])
    return picture.resize((ENLARGED * picture.width, ENLARGED * picture.height), Image.Resampling.NEAREST)


CLAIMS = (
    Claim(
        "subitizing",
        "An autoencoder that was never told a number has a code that tells none, one, two, three and more.",
        SOURCE,
        {
            "code": Condition("read off the code, five classes (%)", "44.4 on photographs", 40),
            "ahead": Condition("ahead of a linear read-out of pixels (points)", "", 5),
            "units": Condition("units that follow number and not area", "1 to 2 of 182", 1),
        },
        120,
        SEEDS,
        subitizing,
    ),
)

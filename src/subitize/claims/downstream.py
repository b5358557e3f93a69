"""What is a code of objects good for? Sums and orderings of two digits, learned from few labels.

Scenes of two digits are described without labels: by AIR, which was trained on none to two of them and gives
a place and a code for each object; by DRAW, which gives a code for each of its strokes; and by an ordinary
variational autoencoder, which gives one code for the scene. The same labels then teach networks, which
read AIR's objects alike and then together, and the codes of the others at once, to tell from each

    the sum of the digits, 0 … 18, and whether they ascend from left to right (equal digits do),

and a convolutional network to tell it from the pixels. Beside them stands what can be told with nothing to go
by, the commonest answer: who is no better has not learned, and a lead over him says little. A description is
drawn several times; any draw teaches, and the networks answer to all draws together. Codes of DRAW and of the
autoencoder are drawn from their posteriors; AIR looks closely from several random places, and describes what
it then sees by the means of its posterior. Its objects, which come in the order of its attention, are handed
on from left to right.
DRAW and the autoencoder learn from the very scenes, without the labels; AIR learned before, from fresh scenes
of none to two digits. Each of the three trains for about as long.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from PIL import Image

from subitize import scenes
from subitize.core.draws import Samples
from subitize.evaluation.batches import map_batches
from subitize.evaluation.probes import OPTIONS as PROBING
from subitize.evaluation.probes import classifier_accuracy, probe_accuracy
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK, QUIET, WINDOWS
from subitize.models.draw import DRAW, DRAWSettings
from subitize.models.inference import OPTIONS as INFERENCE
from subitize.models.inference import infer_per_object
from subitize.models.subitizing_vae import SubitizingVAESettings
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.generative import Schedule, trained_autoencoder, trained_draw
from subitize.scenes import Scene
from subitize.scenes.stack import FixedScenes

SOURCE = "Eslami et al. 2016, as others read it"
TASKS = ("sum", "order")
LABELS = (50, 200, 1000, 5000, 20_000, 60_000)
FEW = 1000  # labels up to which AIR's codes must lead
TESTED = 5000
DRAWS = 8  # of every description
HIDDEN = (512, 512, 512)  # of the read-outs
TAUGHT_PER_LABEL, TAUGHT = 0.5, (2000, 10_000)  # steps of whatever is told labels: a share, and its bounds
AIR_OPTIONS = {"what_dim": 50, "steps": 20_000}
STROKES = Schedule(steps=7000, batch_size=64, rate=2e-3, last_rate=2e-5)
WHOLE = Schedule(steps=12_000, batch_size=64, grad_clip_norm=100.0)
PAINTER = DRAWSettings(glimpses=16, code=20, read=5)
AUTOENCODER = SubitizingVAESettings(code=100, judge=(), perceptual=0.0)
OPTIONS = (
    PROBING,
    LABELS,
    TESTED,
    DRAWS,
    HIDDEN,
    TAUGHT_PER_LABEL,
    TAUGHT,
    AIR_OPTIONS,
    INFERENCE,
    STROKES,
    WHOLE,
    PAINTER,
    AUTOENCODER,
)
SEEDS = (0, 1, 2)
RIVALS = ("draw", "vae", "cnn")
NOTHING = "nothing"  # to go by: the commonest answer
INKS = {"air": ACCENT, "draw": WINDOWS[1], "vae": WINDOWS[2], "cnn": INK, NOTHING: QUIET}


def downstream(lab: Lab) -> Finding:
    """Both tasks, by every description, for every number of labels."""
    found = {
        name: lab.noted(
            f"downstream, {name}", OPTIONS, lambda lab, seed, name=name: answered(lab, name, seed)
        )
        for name in INKS
    }
    table = {
        task: {
            name: {n: [own[task][n] for own in seeds] for n in map(str, labels_of(lab))}
            for name, seeds in found.items()
        }
        for task in TASKS
    }
    most = str(labels_of(lab)[-1])
    values = {task: table[task]["air"][most] for task in TASKS} | {"lead": leads(table, lab)}
    return Finding(values, {"accuracy": table}, curves(table))


def answered(lab: Lab, name: str, seed: int) -> dict[str, dict[int, float]]:
    """Right answers from one description with one seed, in per cent: by task and number of labels."""
    shown, test = pairs_of(lab, "train", LABELS[-1], seed), pairs_of(lab, "test", TESTED, seed)
    views = [np.asarray(dataset.pictures) for dataset in (shown, test)]
    if name in DESCRIBED:
        describe, model_of = DESCRIBED[name]
        model = model_of(lab, shown, seed)
        views = [map_batches(describe, model, view) for view in views]
    read = {"cnn": classifier_accuracy, NOTHING: guess}.get(name, partial(probe_accuracy, hidden=HIDDEN))

    def told(task: str, n: int) -> float:
        column = TASKS.index(task)
        seen, asked = (views[0][:n], shown.known[:n, column]), (views[1], test.known[:, column])
        steps = 4 if lab.tiny else int(np.clip(TAUGHT_PER_LABEL * n, *TAUGHT))
        right = read(seen, asked, seed, steps=steps)
        lab.say(f"{name}, seed {seed}, {task}, {n} labels: {right:.1f} %")
        return right

    def noted(task: str, n: int) -> float:  # by itself, since pixels take hours
        return lab.noted_of(seed, f"downstream, {name}, {task}, {n}", OPTIONS, lambda *_: told(task, n))

    return {task: {n: noted(task, n) for n in labels_of(lab)} for task in TASKS}


def guess(seen: tuple, asked: tuple, seed: int, *, steps: int) -> float:
    """Right answers of whoever always gives the commonest, in per cent."""
    return 100 * float(np.mean(asked[1] == np.bincount(seen[1]).argmax()))


def labels_of(lab: Lab) -> tuple[int, ...]:
    """Numbers of labels that are compared."""
    return (lab.some(FEW),) if lab.tiny else LABELS


def leads(table: dict[str, Any], lab: Lab) -> list[float]:
    """By how much AIR's codes are ahead of everything else, where they are least."""
    few = [str(n) for n in labels_of(lab) if n <= FEW]
    return [
        min(own["air"][n][i] - own[rival][n][i] for own in table.values() for rival in RIVALS for n in few)
        for i in range(len(lab.seeds))
    ]


def pairs_of(lab: Lab, split: str, number: int, seed: int) -> FixedScenes:
    """Scenes of two digits, which know their sum and their order."""
    number = lab.some(number)
    dataset = scenes.load(lab.scenes, split, counts=(2,))
    return FixedScenes([(dataset, number)], seed, sum_and_order, min(number, 64))


def sum_and_order(scene: Scene) -> np.ndarray:
    """[batch, 2]: the sum of the labels, and whether they ascend by their boxes' middles."""
    middles = scene.boxes[..., 0] + scene.boxes[..., 2]
    digits = np.take_along_axis(np.asarray(scene.labels), np.argsort(np.asarray(middles), 1), 1)
    return np.stack([digits.sum(1), digits[:, 0] <= digits[:, 1]], 1).astype(int)


def attentive(lab: Lab, shown: FixedScenes, seed: int) -> Any:
    """A trained AIR."""
    usual: Any = {} if lab.tiny else AIR_OPTIONS
    return lab.trained(model="air", counts=(0, 1, 2), seed=seed, **usual).model


def painting(lab: Lab, shown: FixedScenes, seed: int) -> DRAW:
    """A DRAW that has learned these scenes."""
    return trained_draw(lab, PAINTER, STROKES, shown, seed)[0]


def autoencoding(lab: Lab, shown: FixedScenes, seed: int) -> Any:
    """An autoencoder that has learned these scenes."""
    return trained_autoencoder(lab, "pair-vae", AUTOENCODER, WHOLE, shown, seed)


def objects(model: Any, image: jax.Array) -> jax.Array:
    """[draws, 2, features]: places (in canvases) and codes of the first two objects, from left to right."""
    size = jnp.array([model.settings.width, model.settings.height] * 2)

    def described(key: jax.Array) -> jax.Array:
        inferred = infer_per_object(model, image, key)
        boxes = inferred.boxes[:2] / size
        order = jnp.argsort(boxes[:, 0] + boxes[:, 2])
        return jnp.concatenate([boxes, inferred.what[:2]], 1)[order]

    return jax.vmap(described)(keys())


def stroke_codes(model: DRAW, image: jax.Array) -> jax.Array:
    """[draws, 1, codes]: of all strokes as one part, since what a stroke says depends on those before it."""
    return jax.vmap(lambda key: model.trace(image[..., 0], Samples(key)).code.reshape(1, -1))(keys())


def one_code(model: Any, image: jax.Array) -> jax.Array:
    """[draws, 1, code]: the scene's code is its only part."""
    return jax.vmap(lambda key: model.posterior(image).sample(key)[None])(keys())


def keys() -> jax.Array:
    """Of the draws, the same for every scene."""
    return jr.split(jr.key(0), DRAWS)


def curves(table: dict[str, Any]) -> Image.Image:
    """Accuracy against the number of labels: a panel for each task, a line for each description and seed."""
    panels = []
    for task, own in table.items():
        lines = [
            Line([int(n) for n in found], [values[i] for values in found.values()], INKS[name])
            for name, found in own.items()
            for i in range(len(next(iter(found.values()))))
        ]
        panels.append(
            Panel(
                task,
                lines,
                (0.0, 100.0),
                "labels; AIR red, DRAW blue, VAE green, CNN black, a guess grey",
                log=True,
            )
        )
    return grid(panels, 2, "Right answers on held-out scenes (%)", size=(420, 260))


DESCRIBED: dict[str, tuple[Callable[..., jax.Array], Callable[[Lab, FixedScenes, int], Any]]] = {
    "air": (objects, attentive),
    "draw": (stroke_codes, painting),
    "vae": (one_code, autoencoding),
}
CLAIMS = (
    Claim(
        "downstream",
        "From AIR's codes, sums and orderings of two digits are learned from fewer labels than from others'.",
        SOURCE,
        {
            "sum": Condition(f"sum of two digits, {LABELS[-1]:,} labels (%)", "about 95", 95),
            "order": Condition(f"ascending order, {LABELS[-1]:,} labels (%)", "about 95", 95),
            "lead": Condition(f"least lead over all others, up to {FEW:,} labels (points)", "", 0),
        },
        600,
        SEEDS,
        downstream,
    ),
)

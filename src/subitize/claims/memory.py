"""Why does AIR not go on? What its memory has learnt, where DAIR has none.

The models are those of `generalisation`, trained on scenes of none, one and two. They look at others with
every step taken, whether they would or not, so that it can be asked at each step:

* would it go on? If it noticed what is left, it would as long as objects remain, however many there are;
* does its memory tell which step this is? By a linear read-out, trained on scenes of two, tested on scenes of
  three;
* is it the memory that stops it? At the third step it gets back the memory that it had after the first one,
  and nothing else changes: what it wants then is a matter of memory alone;
* if it is made to go on, does it find what is left? An object is found if its box holds a window's centre.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.generalisation import PICTURES, SEEDS, run_of, scenes_of
from subitize.claims.lab import Lab
from subitize.core.draws import Means
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK
from subitize.models.air import AIR

TRAINED_ON = (0, 1, 2)
MOST_TRAINED_ON, ASKED = 2, 3  # objects; ASKED is the third step, too
SEEN = (1, 2, 3, 4)  # objects in the scenes that are looked at
STEPS = 4  # that are taken in each of them
BATCH = 250


class Course(NamedTuple):
    """All steps through one scene."""

    go_on: Float[Array, " steps"]  # probability of one more object
    centres: Float[Array, "steps 2"]  # x, y of the windows, in pixels
    memory: Float[Array, "steps units"]  # after each step, as one vector; without units if there is none
    relapsed: Float[Array, ""]  # go_on at the third step, with the memory after the first


def stopping(lab: Lab) -> Finding:
    """Would they go on, and why not?"""
    found = {way: [asked(lab, way, seed) for seed in lab.seeds] for way in ("published", "dair")}
    of = lambda way, name: [answers[name] for answers in found[way]]  # noqa: E731
    values = {
        "wish": of("published", "third_wish"),
        "dair_wish": of("dair", "third_wish"),
        "step": of("published", "step_told"),
        "relapsed": of("published", "relapsed"),
    }
    return Finding(values, {"answers": found}, wishes(found))


def asked(lab: Lab, way: str, seed: int) -> dict[str, Any]:
    """What one trained model answers, in per cent; `wish` has a row for each of `SEEN`, a column per step."""
    model = run_of(lab, way, TRAINED_ON, seed).extended(STEPS).model
    courses = {n: courses_of(lab, model, n) for n in SEEN}
    answers: dict[str, Any] = {
        "wish": [np.round(100 * courses[n][0].go_on.mean(0), 1).tolist() for n in SEEN],
        "third_wish": percent(courses[ASKED][0].go_on[:, ASKED - 1]),
        "relapsed": percent(courses[ASKED][0].relapsed),
        "all_found": {
            str(n): percent(found(course.centres[:, :n], boxes[:, :n]) == n)
            for n, (course, boxes) in courses.items()
        },
    }
    if courses[ASKED][0].memory.size:
        memories = (np.asarray(courses[n][0].memory[:, :ASKED]) for n in (MOST_TRAINED_ON, ASKED))
        answers["step_told"] = told(*memories)
    lab.say(f"{way}, seed {seed}: wants a third of three {answers['third_wish']:.1f} %")
    return answers


def courses_of(lab: Lab, model: AIR, n: int) -> tuple[Any, np.ndarray]:
    """A `Course` through each held-out scene of n objects, and the true boxes there."""
    scenes = scenes_of(lab.scenes, n, lab.some(PICTURES))
    parts = [taken(model, scenes.image[i : i + BATCH]) for i in range(0, len(scenes.image), BATCH)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts), np.asarray(scenes.boxes)


@jax.jit
def taken(model: AIR, images: Float[Array, "batch height width channels"]) -> Course:
    """The courses through a batch."""
    return jax.vmap(lambda image: course(model, image))(images)


def course(model: AIR, image: Float[Array, "height width channels"]) -> Course:
    """Take all steps through one scene, with every continuous variable at its mean."""
    s, draw = model.settings, Means()
    canvas, latest = jnp.zeros_like(image), jnp.zeros(3 + s.what, image.dtype)
    memories, wishes, centres = [model.guide.begin(image)], [], []
    relapsed = jnp.zeros(())
    for t in range(s.max_objects):
        attention, memory = model.guide.attend(t, memories[-1], image, canvas, latest)
        if t == ASKED - 1:
            again, _ = model.guide.attend(t, memories[1], image, canvas, latest)
            relapsed = jax.nn.sigmoid(again.go_on)
        step = model.infer(image, attention, draw.at(t))
        canvas, latest = canvas + step.patch, jnp.concatenate([step.where, step.what])
        window = model.window(step.where)
        memories.append(memory)
        wishes.append(jax.nn.sigmoid(attention.go_on))
        centres.append(jnp.stack([window.x, window.y]))
    vectors = [jnp.concatenate([jnp.zeros(0), *map(jnp.ravel, jax.tree.leaves(m))]) for m in memories[1:]]
    return Course(jnp.stack(wishes), jnp.stack(centres), jnp.stack(vectors), relapsed)


def wishes(found: dict[str, list[dict[str, Any]]]) -> Image.Image:
    """How likely they would go on, step by step, for each count of the scene; a line for each seed."""
    inks = {"published": ACCENT, "dair": INK}
    panels = [
        Panel(
            f"{n} {'object' if n == 1 else 'objects'}",
            [
                Line(range(1, STEPS + 1), answers["wish"][row], inks[way])
                for way, own in found.items()
                for answers in own
            ],
            (0.0, 100.0),
            "step; the paper's AIR red, DAIR black",
        )
        for row, n in enumerate(SEEN)
    ]
    return grid(panels, 4, f"Would it go on? (%)  Trained on {', '.join(map(str, TRAINED_ON))}")


def found(centres: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How many objects of each scene have the centre of a window in their box.

    Args:
        centres: [scenes, windows, 2].
        boxes: [scenes, objects, 4].
    """
    x, y = np.moveaxis(centres[:, :, None], -1, 0)
    x0, y0, x1, y1 = np.moveaxis(boxes[:, None], -1, 0)
    inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return inside.any(1).sum(1)


def told(seen: np.ndarray, test: np.ndarray) -> float:
    """How often a linear read-out of memories [scenes, steps, units] tells the step, in per cent."""
    steps = lambda memories: np.tile(np.arange(memories.shape[1]), len(memories))  # noqa: E731
    flat = lambda memories: memories.reshape(-1, memories.shape[-1])  # noqa: E731
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    reader.fit(flat(seen), steps(seen))
    return 100 * float(reader.score(flat(test), steps(test)))


def percent(values: np.ndarray) -> float:
    """Their mean, in per cent."""
    return 100 * float(np.mean(values))


CLAIMS = (
    Claim(
        "stopping",
        "AIR does not see a third digit because its memory counts the steps; DAIR, without one, goes on.",
        "a post's question: why AIR does not generalise",
        {
            "wish": Condition(
                "the paper's AIR, wish to go on to the third of three digits (%)", "", 20, at_most=True
            ),
            "dair_wish": Condition("DAIR, the same (%)", "", 85),
            "step": Condition("step told by the paper's AIR's memory, scenes of three (%)", "", 95),
            "relapsed": Condition("the same wish, with the memory after the first step (%)", "", 80),
        },
        90,
        SEEDS,
        stopping,
    ),
)

"""Why does the paper's AIR not go on? What its memory carries from one step to the next.

It sees the image, always the same, and what it inferred last; whatever else it knows of how far it has got
must be in its memory (output and cell of an LSTM). That could be what is left, or how often it has looked.
The two are told apart by activation patching: one scene is looked at with the memory that another scene left,
at the same step or after fewer, and all else is its own. If what is left is remembered, the answer to "one
more?" follows the scene that the memory is of; if steps are, it follows the scene that is seen, and the step.

The models are those whose counting is tested (`subitize.reproduce.counters`), trained on scenes of none, one
and two. Here they take every step, whether they would or not. Besides, for them and DAIR: the probability of
going on at each step, and whether their windows, if they are made to go on, are on objects that no other
window is on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from PIL import Image
from scipy.optimize import linear_sum_assignment

from subitize.core.draws import Means
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK
from subitize.models.air import AIR
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.counters import counter_of
from subitize.reproduce.counting import scenes_of

TRAINED_ON = (0, 1, 2)
SEEN = (1, 2, 3, 4)  # objects in the scenes that are looked at
STEPS = 4  # that are taken in each of them
PICTURES = 1000  # of each count
BATCH = 250
WAYS = ("eslami2016", "dair")
SEEDS = (0, 1, 2, 3, 4)


class Course(NamedTuple):
    """All steps through one scene, with every continuous variable at its mean; first axis steps."""

    go_on: Float[Array, " steps"]  # probability of one more object
    centres: Float[Array, "steps 2"]  # x, y of the windows, in pixels
    previous: Float[Array, "steps latents"]  # where and what, as the next step sees them
    state: PyTree  # after the step, of the attention network


def stopping(lab: Lab) -> Finding:
    """What makes it stop?"""
    answers = {way: asked(lab, way) for way in WAYS}
    own = answers["eslami2016"]
    values = {
        "two_after_one": [found["second"]["2 after 1"] for found in own],
        "one_after_two": [found["second"]["1 after 2"] for found in own],
        "three_after_one_step": [found["third"]["3 after 3, one step"] for found in own],
        "three_after_two_steps": [found["third"]["3 after 3, two steps"] for found in own],
    }
    return Finding(values, {"answers": answers}, figure(answers))


def asked(lab: Lab, way: str) -> list[dict[str, Any]]:
    """What the models of all seeds answer."""
    options = counter_of(way, TRAINED_ON).training, SEEN, STEPS, PICTURES
    return lab.noted(f"answers, {way}", options, lambda lab, seed: answered(lab, way, seed))


def answered(lab: Lab, way: str, seed: int) -> dict[str, Any]:
    """What one trained model answers, in per cent.

    Returns:
        go_on: a row for each of `SEEN`, a column for each step.
        all_found: for n objects, how often n windows are on n objects.
        second, third: whether it goes on at that step with another scene's memory; "2 after 1" is a scene of
            two seen with the memory of a scene of one. Only of the one that has a memory.
    """
    model = counter_of(way, TRAINED_ON).run(lab, seed).for_inference(STEPS).model
    scenes = {n: scenes_of(lab.scenes, n, lab.some(PICTURES)) for n in SEEN}
    courses = {n: course_of_all(model, scene.image) for n, scene in scenes.items()}
    answers: dict[str, Any] = {
        "go_on": [
            np.round(100 * course.go_on.mean(0, dtype=float), 1).tolist() for course in courses.values()
        ],
        "all_found": {
            n: percent(attended(course.centres[:, :n], scenes[n].boxes) == n) for n, course in courses.items()
        },
    }
    if way == "eslami2016":
        others = {n: jax.tree.map(lambda leaf: np.roll(leaf, 1, 0), c.state) for n, c in courses.items()}

        def after(n: int, other: int, step: int, taken: int) -> float:
            donor = jax.tree.map(lambda leaf: leaf[:, taken - 1], others[other])
            return percent(patched_all(model, scenes[n].image, courses[n], donor, step))

        pairs = [(n, other) for n in SEEN for other in SEEN]
        answers["second"] = {f"{n} after {other}": after(n, other, 2, 1) for n, other in pairs}
        answers["third"] = {
            f"{n} after {other}, {word}": after(n, other, 3, taken)
            for n, other in pairs
            for taken, word in ((1, "one step"), (2, "two steps"))
        }
    lab.say(f"{way}, seed {seed}: goes on, by count and step: {answers['go_on']}")
    return answers


def course_of_all(model: AIR, images: Array) -> Any:
    """The `Course` through each image, with one more axis in front."""
    parts = [courses(model, images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@jax.jit
def courses(model: AIR, images: Float[Array, "batch height width channels"]) -> Course:
    """The courses through a batch."""
    return jax.vmap(lambda image: course(model, image))(images)


def course(model: AIR, image: Float[Array, "height width channels"]) -> Course:
    """Take all steps through one scene."""
    progress, steps = model.begin(image, Means()), []
    for t in range(model.settings.max_objects):
        step, progress = model.advance(t, progress, image, Means())
        window = model.window(step.where)
        centre = jnp.stack([window.x, window.y])
        steps.append(Course(jax.nn.sigmoid(step.continue_logit), centre, progress.previous, progress.state))
    return jax.tree.map(lambda *x: jnp.stack(x), *steps)


def patched_all(model: AIR, images: Array, own: Course, donor: PyTree, step: int) -> np.ndarray:
    """`patched` in each of the images."""
    batches = [slice(i, i + BATCH) for i in range(0, len(images), BATCH)]
    own = own._replace(state=jax.tree.map(lambda leaf: leaf[:, step - 2], own.state))
    given = (own.previous[:, step - 2], own.state, donor)
    parts = [patched(model, images[i], *jax.tree.map(lambda leaf, i=i: leaf[i], given)) for i in batches]
    return np.concatenate(parts)


@jax.jit
def patched(model: AIR, images: Array, previous: Array, own: PyTree, donor: PyTree) -> Float[Array, "batch"]:
    """Probability of going on where output and cell are the donor's, and what the image gives its own."""

    def one(image, previous, own, donor):
        seen, _, _ = own
        _, output, cell = donor
        attention, _ = model.attention.attend(0, (seen, output, cell), image, jnp.zeros_like(image), previous)
        return jax.nn.sigmoid(attention.continue_logit)  # it asks neither the step's number nor the canvas

    return jax.vmap(one)(images, previous, own, donor)


def attended(centres: np.ndarray | Array, boxes: np.ndarray | Array) -> np.ndarray:
    """How many objects of each scene have a window of their own, whose centre is in their box.

    Args:
        centres: [scenes, windows, 2].
        boxes: [scenes, objects, 4].
    """
    x, y = np.moveaxis(np.asarray(centres)[:, :, None], -1, 0)
    x0, y0, x1, y1 = np.moveaxis(np.asarray(boxes)[:, None], -1, 0)
    inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return np.array([pairs[linear_sum_assignment(pairs, maximize=True)].sum() for pairs in inside])


def percent(values: np.ndarray) -> float:
    """Their mean, in per cent."""
    return round(100 * float(np.mean(values)), 2)


def figure(answers: dict[str, list[dict[str, Any]]]) -> Image.Image:
    """How likely they go on, step by step, for each count of the scene; a line for each seed."""
    steps, inks = range(1, STEPS + 1), dict(zip(WAYS, (ACCENT, INK), strict=True))
    panels = [
        Panel(
            f"{n} {'object' if n == 1 else 'objects'}",
            [Line(steps, found["go_on"][row], inks[way]) for way in WAYS for found in answers[way]],
            (0.0, 100.0),
            "step; the paper's AIR red, DAIR black",
        )
        for row, n in enumerate(SEEN)
    ]
    return grid(panels, 4, f"Would it go on? (%)  Trained on {', '.join(map(str, TRAINED_ON))}")


CLAIMS = (
    Claim(
        "stopping",
        "The memory of the paper's AIR carries how many steps were taken, not what is left.",
        "a post's question, why AIR does not generalise",
        {
            "two_after_one": Condition("sees two, remembers a scene of one: goes on to a second (%)", "", 80),
            "one_after_two": Condition(
                "sees one, remembers a scene of two: goes on to a second (%)", "", 20, at_most=True
            ),
            "three_after_one_step": Condition(
                "sees three, remembers one step elsewhere: goes on to a third (%)", "", 80
            ),
            "three_after_two_steps": Condition(
                "sees three, remembers two steps elsewhere: goes on to a third (%)",
                "",
                20,
                at_most=True,
            ),
        },
        90,
        SEEDS,
        stopping,
    ),
)

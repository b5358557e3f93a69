"""How well does DRAW paint digits?

DRAW is trained on black-and-white MNIST and judged by its bound on all test digits, one sample for each. Both
attentions, reading and writing, are as the paper has them, but it reads through as many filters as it writes
through: with fewer it learns more slowly. How many glimpses, and how long, is what two cores can do in three
hours.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from PIL import Image

from subitize.figures.style import enlarged_by, titled
from subitize.gradients import expectation
from subitize.models.draw import DRAW, DRAWSettings, negative_elbo
from subitize.reproduce import Claim, Condition, Finding, Lab
from subitize.reproduce.generative import Schedule, trained_draw

SCHEDULE = Schedule(steps=30_000, batch_size=64, rate=2e-3, last_rate=2e-5)
PAINTER = DRAWSettings(glimpses=24, read=5)
FOLLOWED, FOLLOW_EVERY = 1000, 1000  # test digits by which training is followed, and steps between
PAINTED = 8  # samples in the picture, and moments of each
ENLARGED = 3


def draw_bound(lab: Lab) -> Finding:
    """The bound on test digits, in nats."""

    def measured(lab: Lab, seed: int) -> dict[str, Any]:
        model, curve = painter(lab, seed)
        digits = lab.bits("test").pictures[: lab.some(10_000), ..., 0] // 255
        bound = nats(model, digits, seed)
        lab.say(f"DRAW, seed {seed}: {bound:.2f} nats on {len(digits)} test digits")
        return {"nats": bound, "curve": curve}

    found = lab.noted("draw", (PAINTER, SCHEDULE, FOLLOWED, FOLLOW_EVERY), measured)
    sizes = {"glimpses": PAINTER.glimpses, "read": PAINTER.read}
    details = {"curve": [own["curve"] for own in found]} | sizes | SCHEDULE._asdict()
    picture = lab.drawn("samples", (PAINTER, SCHEDULE), lambda: samples_of(painter(lab, lab.seeds[0])[0]))
    title = f"What DRAW paints (seed {lab.seeds[0]}): a sample in each row, from its first stroke to its last"
    return Finding({"nats": [own["nats"] for own in found]}, details, titled(picture, title))


def painter(lab: Lab, seed: int) -> tuple[DRAW, list[dict[str, Any]]]:
    """A trained DRAW, and its bound on some test digits along the way."""
    shown = lab.bits("test").pictures[: lab.some(FOLLOWED), ..., 0] // 255

    def inspect(state: Any, step: int) -> dict[str, Any]:
        looks = step % FOLLOW_EVERY == 0 or step >= SCHEDULE.steps or lab.tiny
        return {"test_nats": nats(state.model, shown, seed)} if looks else {}

    model, rows = trained_draw(lab, PAINTER, SCHEDULE, lab.bits("train"), seed, inspect)
    return model, [{k: row[k] for k in ("step", "test_nats")} for row in rows if "test_nats" in row]


def nats(model: DRAW, digits: Any, seed: int, batch_size: int = 250) -> float:
    """Minus the mean bound of pictures of zeros and ones, from one sample for each."""
    total = 0.0
    for first in range(0, len(digits), batch_size):
        some = jnp.asarray(digits[first : first + batch_size], jnp.float32)
        total += float(total_cost(model, some, jr.fold_in(jr.key(seed), first)))
    return total / len(digits)


@jax.jit
def total_cost(model: DRAW, digits: jax.Array, key: jax.Array) -> jax.Array:
    """Costs of a batch, summed."""
    return len(digits) * expectation(negative_elbo)(model, {}, digits, key)[0]


def samples_of(model: DRAW) -> Image.Image:
    """Samples from their first stroke to their last, a row for each."""
    canvases = jax.jit(jax.vmap(model.sample_prior))(jr.split(jr.key(0), PAINTED))
    shown = np.unique(np.linspace(0, canvases.shape[1] - 1, PAINTED).round().astype(int))
    sheet = np.concatenate(
        [np.concatenate(list(strokes), axis=1) for strokes in np.asarray(canvases[:, shown])]
    )
    picture = Image.fromarray((255 * sheet).round().astype(np.uint8))
    return enlarged_by(picture, ENLARGED)


CLAIMS = (
    Claim(
        "draw_bound",
        "DRAW, painting stroke by stroke, gives black-and-white MNIST digits a good likelihood.",
        "Gregor et al. 2015",
        {"nats": Condition("DRAW, bound on the test digits (nats)", "80.97", 90, at_most=True)},
        540,
        (0, 1, 2),
        draw_bound,
    ),
)

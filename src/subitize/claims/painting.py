"""How well does DRAW paint digits?

DRAW is trained on black-and-white MNIST and judged by its bound on all test digits, one sample for each. Both
attentions, reading and writing, are as the paper has them; how many glimpses, and how long, is what two cores
can do in three hours.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from PIL import Image

from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab
from subitize.gradients import expectation
from subitize.models.draw import DRAW, DRAWSettings, negative_elbo
from subitize.training.learner import as_they_are, structured
from subitize.training.loop import Plan

BATCH, RATE, LAST_RATE, CLIP = 128, 1e-3, 1e-4, 10.0
STEPS, GLIMPSES = 20_000, 32
FOLLOWED = 1000  # test digits by which training is followed
PAINTED = 8  # dreams in the picture, and moments of each
ENLARGED = 3


def draw_bound(lab: Lab) -> Finding:
    """The bound on test digits, in nats."""
    bounds, curves, models = [], [], []
    for seed in lab.seeds:
        model, curve = painter(lab, seed)
        digits = lab.bits("test").pictures[: lab.some(10_000), ..., 0] // 255
        bounds.append(nats(model, digits, seed))
        curves.append(curve)
        models.append(model)
        lab.say(f"DRAW, seed {seed}: {bounds[-1]:.2f} nats on {len(digits)} test digits")
    details = {"curve": curves, "steps": STEPS, "glimpses": GLIMPSES, "batch": BATCH}
    return Finding({"nats": bounds}, details, dreams(models[0]))


def painter(lab: Lab, seed: int) -> tuple[DRAW, list[dict[str, Any]]]:
    """A trained DRAW, and its bound on some test digits along the way."""
    settings = DRAWSettings(glimpses=4, hidden=8, code=4) if lab.tiny else DRAWSettings(glimpses=GLIMPSES)
    steps, chunk = (4, 2) if lab.tiny else (STEPS, 100)
    learner = structured(
        build=lambda key: DRAW(settings, key=key),
        loss=expectation(negative_elbo),
        lesson=as_they_are(lambda images: images[..., 0]),
        optimizer=optax.chain(
            optax.clip_by_global_norm(CLIP),
            optax.adam(optax.cosine_decay_schedule(RATE, steps, LAST_RATE / RATE)),
        ),
        learning_rate=RATE,
        dream=lambda model, key: model.dream(key)[-1],
    )
    shown = lab.bits("test").pictures[: lab.some(FOLLOWED), ..., 0] // 255

    def inspect(state: Any, step: int) -> dict[str, Any]:
        return {} if step % (10 * chunk) and step < steps else {"test_nats": nats(state.model, shown, seed)}

    plan = Plan(steps, 8 if lab.tiny else BATCH, seed, chunk, save_every=10 * chunk)
    state, rows = lab.fitted(
        f"draw-{seed}", (settings, RATE, LAST_RATE, CLIP), learner, lab.bits("train"), plan, inspect
    )
    return state.model, [{k: row[k] for k in ("step", "test_nats")} for row in rows if "test_nats" in row]


def nats(model: DRAW, digits: Any, seed: int, batch: int = 250) -> float:
    """Minus the mean bound of pictures of zeros and ones, from one sample for each."""
    total = 0.0
    for first in range(0, len(digits), batch):
        some = jnp.asarray(digits[first : first + batch], jnp.float32)
        total += float(total_cost(model, some, jr.fold_in(jr.key(seed), first)))
    return total / len(digits)


@jax.jit
def total_cost(model: DRAW, digits: jax.Array, key: jax.Array) -> jax.Array:
    """Costs of a batch, summed."""
    return len(digits) * expectation(negative_elbo)(model, {}, digits, key)[0]


def dreams(model: DRAW) -> Image.Image:
    """Samples from their first stroke to their last, a row for each."""
    canvases = jax.jit(jax.vmap(model.dream))(jr.split(jr.key(0), PAINTED))
    shown = np.unique(np.linspace(0, canvases.shape[1] - 1, PAINTED).round().astype(int))
    sheet = np.concatenate(
        [np.concatenate(list(strokes), axis=1) for strokes in np.asarray(canvases[:, shown])]
    )
    picture = Image.fromarray((255 * sheet).round().astype(np.uint8))
    return picture.resize((ENLARGED * picture.width, ENLARGED * picture.height), Image.Resampling.NEAREST)


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

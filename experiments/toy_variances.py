"""The toy on which the papers compare: minimise E[(b - t)²] over one coin, and watch the gradient's variance.

Every estimator trains its own coin by Adam; along the way its gradient is drawn a thousand times at the same
place, with what it has learned so far. A coin is so simple that two looks at it, or the best constant, can
take all variance away; it shows that estimators work, not which is best.

    python experiments/toy_variances.py
"""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from common import arguments, picture_path, publish
from subitize.core.distributions import Bernoulli
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK, QUIET
from subitize.gradients import ESTIMATORS, caption, estimator_optimizer, expectation

TARGETS = (0.45, 0.499)  # REBAR's and RELAX's
RATE, ESTIMATOR_RATE = 1e-2, 1e-2
NOTHING = 1e-12  # variance below this is rounding
LEFT_OUT = ("pathwise", "mvd")  # not for coins


def along_training(word: str, t: float, steps: int, moments: int, draws: int) -> dict[str, list[float]]:
    """P and the variance of its gradient, at `moments` of training."""
    cost = lambda θ, x, draw: (draw("b", Bernoulli(θ)) - t) ** 2 + 0 * x  # noqa: E731
    loss = expectation(cost, word, "mean(k=2)" if word == "vimco" else "mean")
    x, θ = jnp.zeros(1), jnp.zeros(())
    estimator_state = loss.init(θ, x[0], jr.key(0))
    adam, optimizer = optax.adam(RATE), estimator_optimizer(ESTIMATOR_RATE)
    gradient = jax.grad(lambda θ, estimator_state, key: loss(θ, estimator_state, x, key)[0], argnums=(0, 1))

    def step(carry, key):
        θ, estimator_state, adam_state, optimizer_state = carry
        for_θ, for_estimators = gradient(θ, estimator_state, key)
        change, adam_state = adam.update(for_θ, adam_state)
        update, optimizer_state = optimizer.update(for_estimators, optimizer_state, estimator_state)
        return (θ + change, optax.apply_updates(estimator_state, update), adam_state, optimizer_state), None

    def judged(carry, key):
        train, judge = jr.split(key)
        carry, _ = jax.lax.scan(step, carry, jr.split(train, steps // moments))
        found = jax.vmap(lambda key: gradient(*carry[:2], key)[0])(jr.split(judge, draws))
        return carry, (jax.nn.sigmoid(carry[0]), found.var(ddof=1))

    start = (θ, estimator_state, adam.init(θ), optimizer.init(estimator_state))
    _, (p, variance) = jax.jit(lambda start: jax.lax.scan(judged, start, jr.split(jr.key(1), moments)))(start)
    return {"p": np.asarray(p).round(4).tolist(), "variance": [float(f"{v:.4g}") for v in variance]}


def main() -> None:
    """Train, write, draw."""
    args = arguments(__doc__, steps=4000, moments=40, draws=1000)
    steps, moments, draws = (20, 4, 10) if args.tiny else (args.steps, args.moments, args.draws)
    words = [word for word in ESTIMATORS if word not in LEFT_OUT]
    if args.tiny:
        words = ["score", "rebar", "disarm"]
    runs = [
        {"t": t, "estimator": word} | along_training(word, t, steps, moments, draws)
        for t in TARGETS
        for word in words
    ]
    biased = [word for word in words if not ESTIMATORS[word]().unbiased]
    last = {f"t={t}": {r["estimator"]: r["variance"][-1] for r in runs if r["t"] == t} for t in TARGETS}
    publish(args.out, "toy_variances", last, runs)
    for t in TARGETS:
        own = [run for run in runs if run["t"] == t]
        title = f"log10 variance of the gradient along training, E[(b - {t})^2]; grey: score"
        grid(panels(own, biased, steps), 5, title, (190, 110)).save(
            picture_path(args.out, f"toy_variances_{t}")
        )


def panels(runs: list[dict], biased: list[str], steps: int) -> list[Panel]:
    """One for each estimator, the plain score function behind it."""
    logs = {run["estimator"]: [math.log10(max(v, NOTHING)) for v in run["variance"]] for run in runs}
    x = np.linspace(steps / len(logs["score"]), steps, len(logs["score"]))
    behind = Line(x, logs["score"], QUIET, 1)
    return [
        Panel(
            caption(word, unbiased=word not in biased),
            [behind, Line(x, line, INK if word in biased else ACCENT)],
            (-12.5, 0.0),
            "steps",
        )
        for word, line in logs.items()
    ]


if __name__ == "__main__":
    main()

"""How near does a diffusion come to data whose entropy is known?

Two toys of Sohl-Dickstein et al. (2015), section 3.1:

    heartbeat     20 bits with a one in every fifth place, at a random phase: log₂ p = -log₂ 5 = -2.322 bits
    swiss roll    a point of a spiral in the plane, with noise, scaled to variance one

The density of the roll is an integral over the spiral, which is done on a grid. Of held-out data the mean of
log₂ p and of the chain's lower bound are measured, by one chain for each. The paper reports bounds of -2.414
bits for heartbeats and 2.35 bits for its roll. The thickness of its roll is not known here, so that number is
of other data. Therefore the exact value stands beside the bound. The networks are not the paper's either
(`subitize.zoo.diffusion`).

    python experiments/diffusion_toys.py
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from common import arguments, publish
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients.diffusion_learner import DiffusionLearner
from subitize.zoo.diffusion import DiffusionOptions
from subitize.zoo.gaussian_diffusion import GaussianDiffusionOptions

LENGTH, EVERY = 20, 5
ANGLES = (1.5 * np.pi, 4.5 * np.pi)  # of the spiral, whose radius is its angle
THICKNESS = 0.3  # standard deviation of the noise, in units of the radius
BATCH, HELD_OUT = 256, 2000
Draw = Callable[[jax.Array, int], jax.Array]


def heartbeats(key: jax.Array, n: int) -> jax.Array:
    """Sequences at random phases; [n, 1, 20, 1]."""
    phase = jr.randint(key, (n, 1), 0, EVERY)
    return (jnp.arange(LENGTH) % EVERY == phase).astype(float).reshape(n, 1, LENGTH, 1)


def spiral(angle: jax.Array) -> jax.Array:
    """Points of the spiral; [angles, 2]."""
    return angle[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)


def moments() -> tuple[jax.Array, jax.Array]:
    """Mean of a point of the roll, and the standard deviation of both coordinates together."""
    points = spiral(jnp.linspace(*ANGLES, 100_001))
    return points.mean(0), jnp.sqrt(points.var(0).mean() + THICKNESS**2)


def swiss_roll(key: jax.Array, n: int) -> jax.Array:
    """Points of the roll; [n, 1, 2, 1]."""
    keys, (mean, scale) = jr.split(key), moments()
    points = spiral(jr.uniform(keys[0], (n,), minval=ANGLES[0], maxval=ANGLES[1]))
    return ((points + THICKNESS * jr.normal(keys[1], (n, 2)) - mean) / scale).reshape(n, 1, 2, 1)


def log_density_of_roll(x: jax.Array) -> jax.Array:
    """Log p of points of the roll in nats, by the mean over angles; [n]."""
    mean, scale = moments()
    σ, points = THICKNESS / scale, (spiral(jnp.linspace(*ANGLES, 10_001)) - mean) / scale

    def one(x: jax.Array) -> jax.Array:
        log_normal = -0.5 * jnp.sum(((x - points) / σ) ** 2, 1) - jnp.log(2 * jnp.pi * σ**2)
        return jax.nn.logsumexp(log_normal) - jnp.log(len(points))

    return jax.lax.map(one, x.reshape(-1, 2), batch_size=100)


def trained(learner: DiffusionLearner, draw: Draw, steps: int) -> Any:
    """The weights after so many steps on fresh data."""

    def step(state: Any, key: jax.Array) -> tuple[Any, None]:
        keys = jr.split(key)
        return learner.step(state, Batch(draw(keys[0], BATCH), jnp.arange(BATCH)), keys[1])[0], None

    begin = learner.init(jr.key(0), Batch(draw(jr.key(1), 10_000), jnp.arange(10_000)))
    train = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys)[0])
    return learner.params(train(begin, jr.split(jr.key(2), steps)))


def bits(values: jax.Array) -> dict[str, float]:
    """Mean of values in nats, in bits, and its standard error."""
    own = np.asarray(values) / np.log(2)
    return {"mean": float(own.mean()), "standard_error": float(own.std() / len(own) ** 0.5)}


def measured(
    options: DiffusionOptions | GaussianDiffusionOptions, draw: Draw, width: int, steps: int
) -> tuple[dict[str, Any], jax.Array]:
    """The bound of held-out data after training, in bits, and how long it took; and those data."""
    learner = options.learner(DataSpec(1, width, 1), Optimizer(learning_rate=3e-3), steps)
    began = time.perf_counter()
    params = jax.block_until_ready(trained(learner, draw, steps))
    seconds, held_out = time.perf_counter() - began, draw(jr.key(3), HELD_OUT)
    found = bits(jax.jit(learner.bound)(params, held_out, jr.key(4)))
    told = {"T": options.T, "steps": steps, "training_seconds": round(seconds, 1)}
    return {"bound": found["mean"], "standard_error": found["standard_error"]} | told, held_out


def main() -> None:
    """Train, measure, write."""
    args = arguments(__doc__, steps=30_000)
    steps = 20 if args.tiny else args.steps
    heart, _ = measured(
        DiffusionOptions(T=5 if args.tiny else 400, hidden=(50, 50)), heartbeats, LENGTH, steps
    )
    roll_options = GaussianDiffusionOptions(T=5 if args.tiny else 40, hidden=(128, 128, 128), levels=0)
    roll, held_out = measured(roll_options, swiss_roll, 2, steps)
    exact = {"heartbeat": -float(np.log2(EVERY)), "swiss roll": bits(log_density_of_roll(held_out))["mean"]}
    found = {
        "heartbeat": heart | {"bound_in_the_paper": -2.414},
        "swiss roll": roll,
    }
    summary = {name: {"exact": exact[name]} | each for name, each in found.items()}
    publish(args.out, "diffusion_toys", summary, note="In bits for each sequence or point.")


if __name__ == "__main__":
    main()

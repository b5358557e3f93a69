"""What share of the machine does a training step use? Its matrix products against one large product.

The rate of a large float32 product and the rate of training steps at batch 64 are measured in turns in
one process, so that a busy neighbour slows both. Work is counted from the step's own traced program, the
making of its scenes included: two operations for each multiply-add of its matrix products (all that it has;
there is no convolution in it), forward and backward, nothing else.

    python benchmarks/step_speed.py
"""

import resource
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from common import TINY, arguments, publish
from subitize.training import Recipe
from subitize.training.chunk import Sampling, first_state, run_chunk
from subitize.training.from_recipe import completed

SIDE = 2048  # of the large product


def main() -> None:
    """Alternate chunks of training steps with large products."""
    args = arguments(__doc__, rounds=10)
    rounds, length = (2, TINY["steps_per_call"]) if args.tiny else (args.rounds, 50)
    recipe = Recipe.of(**TINY if args.tiny else {"scenes": "mnist"})
    dataset = recipe.data.load("train")
    recipe, _ = completed(recipe, dataset)
    learner, seed = recipe.learner(dataset.spec), recipe.loop.seed
    data = Sampling(recipe.data.batch_size, replace=True, labels=False)
    state = first_state(learner, data, dataset, seed, 0)

    def chunk(state):
        return run_chunk(learner, data, length, dataset, seed, 0, state)

    plain = lambda state: run_chunk.function(learner, data, length, dataset, seed, 0, state)  # noqa: E731
    work = products(jax.make_jaxpr(plain)(state).jaxpr) / length
    product = jax.jit(lambda a: a @ a)
    large = jnp.asarray(np.random.default_rng(0).normal(size=(SIDE, SIDE)), jnp.float32)
    state = jax.block_until_ready(chunk(state))[0]
    jax.block_until_ready(product(large))
    pairs = []
    for _ in range(rounds):
        seconds, (state, _) = timed(lambda state=state: chunk(state))
        ceiling = statistics.median(timed(lambda: product(large))[0] for _ in range(5))
        pairs.append((length / seconds, 2 * SIDE**3 / ceiling))
    shares = [steps * work / ceiling for steps, ceiling in pairs]
    publish(
        args.out,
        "step_speed",
        {
            "batch_size": recipe.data.batch_size,
            "matmul_gflop_per_step": work / 1e9,
            "steps_per_second_median": statistics.median(steps for steps, _ in pairs),
            "large_matmul_gflop_per_second_median": statistics.median(c for _, c in pairs) / 1e9,
            "share_median": statistics.median(shares),
            "share_worst": min(shares),
            "share_best": max(shares),
            "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        },
    )


def timed(call):
    """Seconds a call takes, and its result."""
    began = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - began, result


def products(jaxpr, times: int = 1) -> int:
    """Floating-point operations of all matrix products in a traced program, loops multiplied out."""
    total = 0
    for equation in jaxpr.eqns:
        inner = times * equation.params.get("length", 1) if equation.primitive.name == "scan" else times
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
            body = getattr(value, "jaxpr", value)
            if hasattr(body, "eqns"):
                total += products(body, inner)
        if equation.primitive.name == "dot_general":
            total += times * 2 * size_of_product(equation)
    return total


def size_of_product(equation) -> int:
    """Multiply-adds of one `dot_general`."""
    (contracted, _), _ = equation.params["dimension_numbers"]
    depth = int(np.prod([equation.invars[0].aval.shape[axis] for axis in contracted], dtype=int))
    return depth * int(np.prod(equation.outvars[0].aval.shape, dtype=int))


if __name__ == "__main__":
    main()

"""A batch that is spread over devices gives what one device gives."""

import json
import os
import subprocess
import sys

from subitize.gradients import ESTIMATORS

PROGRAM = """
import json, sys
import jax, jax.numpy as jnp, jax.random as jr, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from subitize.core.distributions import Bernoulli
from subitize.gradients import expectation

def cost(θ, x, draw):
    b = draw("b", Bernoulli(θ * x))
    return jnp.sum((b - 0.45) ** 2) + x * b[0] * b[1]

assert len(jax.devices()) == 2
batch, θ = jnp.linspace(0.0, 1.0, 8), jnp.array([0.3, -0.8])
mesh = Mesh(np.array(jax.devices()), ("batch",))
spread = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("batch")))
worst = {}
for word in sys.argv[1:]:
    loss = expectation(cost, word, "mean(k=2)" if word == "vimco" else "mean")
    state = loss.init(θ, batch[0], jr.key(0))
    run = jax.jit(jax.grad(lambda θ, state, batch: loss(θ, state, batch, jr.key(1))[0], argnums=(0, 1)))
    pairs = zip(*(jax.tree.leaves(run(θ, state, b)) for b in (batch, spread)), strict=True)
    worst[word] = max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)
print(json.dumps(worst))
"""


def test_sharded_is_single():
    words = [word for word in ESTIMATORS if word not in ("pathwise", "mvd", "arsm")]  # not for coins
    flags = {
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2",
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=os.environ | flags
    )
    assert done.returncode == 0, done.stderr
    worst = json.loads(done.stdout)
    assert set(worst) == set(words)
    assert all(difference < 1e-12 for difference in worst.values()), worst

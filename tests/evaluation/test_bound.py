import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Stopping
from subitize.core.draws import Samples
from subitize.evaluation.bound import bound


def by_hand(model, image, key):
    """Σ_n q(n) (log p(x | canvas_n) + log p(n) - log q(n) - Σ_{t≤n} KL_t) for one roll-out."""
    steps, σ = model.roll_out(image, Samples(key)), model.settings.pixel_deviation
    log_prior = model.log_prior()
    q, total = Stopping(steps.go_on).probs(), 0.0
    for n in range(len(q)):
        error = image - steps.patch[:n].sum(0)
        likely = jnp.sum(-0.5 * (error / σ) ** 2 - jnp.log(σ) - 0.5 * jnp.log(2 * jnp.pi))
        total += q[n] * (likely + log_prior[n] - jnp.log(q[n]) - steps.kl[:n].sum())
    return total


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(5, 24, 24, 1)).astype(np.float32)


def test_it_is_the_mean_over_counts_of_the_bound(untrained, images):
    keys = jr.split(jr.key(7), 400)
    direct = jax.jit(jax.vmap(lambda image: jax.vmap(lambda k: by_hand(untrained.model, image, k))(keys)))
    expected = np.asarray(direct(jnp.asarray(images)))
    found = [bound(untrained.model, images, seed=seed, batch=5) for seed in range(40)]
    error = np.hypot(expected.mean(0).std() / 20, np.std(found) / 40**0.5)
    assert abs(np.mean(found) - expected.mean()) < 5 * error + 1e-3


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_it_does_not_depend_on_batching(untrained, images, batch):
    whole = bound(untrained.model, images, batch=3)
    assert bound(untrained.model, images, batch=batch) == pytest.approx(whole, rel=1e-5)

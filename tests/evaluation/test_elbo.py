import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.distributions import Stopping
from subitize.core.draws import Means, Samples
from subitize.evaluation.elbo import elbo


def by_hand(model, image, key):
    """Σ_n q(n) (log p(x | canvas_n) + log p(n) - log q(n) - Σ_{t≤n} KL_t) for one roll-out."""
    steps, σ = model.roll_out(image, Samples(key)), model.settings.pixel_deviation
    log_prior, kl = model.log_prior(), divergences(model, image, steps)
    q, total = Stopping(steps.continue_logit).probs(), 0.0
    for n in range(len(q)):
        error = image - steps.patch[:n].sum(0)
        likely = jnp.sum(-0.5 * (error / σ) ** 2 - jnp.log(σ) - 0.5 * jnp.log(2 * jnp.pi))
        total += q[n] * (likely + log_prior[n] - jnp.log(q[n]) - sum(kl[:n]))
    return total


def divergences(model, image, steps):
    """KL_t of q(where) and q(what) from their priors, asked again of both networks along a roll-out."""
    state, canvas, previous, found = model.attention.begin(image, Means()), 0 * image, jnp.zeros(23), []
    for where, what, patch in zip(steps.where, steps.what, steps.patch, strict=True):
        attention, state = model.attention.attend(len(found), state, image, canvas, previous)
        seen = model.recognise(image, model.window(where))
        loc = jnp.append(attention.where.loc, seen.loc)  # both in standard units of the prior
        scale = jnp.append(attention.where.scale, seen.scale)
        found.append(0.5 * jnp.sum(scale**2 + loc**2 - 1 - 2 * jnp.log(scale)))
        canvas, previous = canvas + patch, jnp.append(where, what)
    return found


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(5, 24, 24, 1)).astype(np.float32)


def test_it_is_the_mean_over_counts_of_the_bound(untrained, images):
    """One roll-out of each picture, with the noise of its number; posteriors are far from their priors."""
    model = eqx.tree_at(
        lambda m: (m.attention.where.bias, m.encoder.layers[-1].bias),
        untrained.model,
        replace_fn=lambda bias: jnp.linspace(-2, 1, len(bias)),
    )
    keys = [jr.split(jr.fold_in(jr.fold_in(jr.key(7), number), 0), 1)[0] for number in range(len(images))]
    direct = jax.jit(jax.vmap(lambda image, key: by_hand(model, image, key)))
    expected = direct(jnp.asarray(images), jnp.stack(keys))
    assert elbo(model, images, seed=7, batch_size=5) == pytest.approx(float(expected.mean()), rel=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_it_does_not_depend_on_batching(untrained, images, batch):
    whole = elbo(untrained.model, images, batch_size=3)
    assert elbo(untrained.model, images, batch_size=batch) == pytest.approx(whole, rel=1e-5)

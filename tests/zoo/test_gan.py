"""The two players of a generative adversarial network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from subitize.core.interfaces import Batch
from subitize.core.networks import MLP
from subitize.gradients.adversarial import AdversarialLearner, discriminator_loss, generator_loss
from subitize.zoo.gan import (
    Discriminator,
    GANOptions,
    Generator,
    played_by_discriminator,
)


def test_where_generated_and_real_are_alike_nothing_moves_the_discriminator():
    """At D = 1/2 its loss is log 2, and its gradient vanishes if both are distributed alike."""
    images = jr.uniform(jr.key(0), (64, 2, 3, 1))
    undecided = jax.tree.map(jnp.zeros_like, Discriminator(6, (4,), key=jr.key(1)))

    def loss(discriminator):
        log_odds = jax.vmap(discriminator)(images)
        return discriminator_loss(log_odds, log_odds)

    value, gradient = jax.value_and_grad(loss)(undecided)
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(optax.tree.norm(gradient), 0, atol=1e-6)
    np.testing.assert_allclose(generator_loss(jax.vmap(undecided)(images)), np.log(2), rtol=1e-6)


def test_the_best_discriminator_knows_the_density_ratio():
    """D* = p / (p + q), of real images that are 1 in 3/4 and generated ones in 1/4 of cases."""
    real, fake = jnp.array([1, 1, 1, 0]), jnp.array([1, 0, 0, 0])
    best = jnp.log(jnp.array([1 / 3, 3.0]))  # log-odds of an image of 0, and of 1
    loss = lambda table: discriminator_loss(table[real], table[fake])  # noqa: E731
    np.testing.assert_allclose(jax.grad(loss)(best), 0, atol=1e-6)
    assert loss(best) < min(loss(best + jnp.array(d)) for d in ([0.1, 0], [0, 0.1], [-0.1, 0], [0, -0.1]))


def test_the_penalty_is_the_mean_squared_gradient_at_real_images():
    """Of a linear discriminator that is its weights, whatever the image."""
    options = GANOptions(latent_dim=2, hidden=())
    images = jr.uniform(jr.key(0), (5, 2, 3, 1))
    batch, generator = Batch(images, jnp.arange(5)), Generator(images.mean(0), options, key=jr.key(1))
    linear = Discriminator(6, (), key=jr.key(2))
    with_it, without = (
        played_by_discriminator(generator, linear, batch, jr.key(3), r1=r1)[0] for r1 in (3.0, 0.0)
    )
    weights = jax.tree.leaves(linear)[0]
    np.testing.assert_allclose(with_it - without, 1.5 * (weights**2).sum(), rtol=1e-4)


class Ring(eqx.Module):
    """Eight Gaussians on a circle."""

    def draw(self, key, n):
        keys = jr.split(key)
        angle = jr.randint(keys[0], (n,), 0, 8) * jnp.pi / 4
        return 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1) + 0.1 * jr.normal(keys[1], (n, 2))


def test_a_ring_of_eight_gaussians_is_covered():
    build = lambda key, batch: (  # noqa: E731
        MLP((8, 64, 64, 2), key=key),
        MLP((2, 64, 64, 1), key=jr.fold_in(key, 1)),
    )
    made = lambda g, n, key: jax.vmap(g)(jr.normal(key, (n, 8)))  # noqa: E731
    odds = lambda d, x: jax.vmap(d)(x)[:, 0]  # noqa: E731
    learner = AdversarialLearner(
        build=build,
        generator_loss=lambda g, d, batch, key: (
            generator_loss(odds(d, made(g, len(batch.image), key))),
            {},
        ),
        discriminator_loss=lambda g, d, batch, key: (
            discriminator_loss(odds(d, batch.image), odds(d, made(g, len(batch.image), key))),
            {},
        ),
        optimizer=optax.adam(1e-3, b1=0.5),
        draw_image=lambda g, key: made(g, 1, key)[0],
        ema=0.99,
    )
    first = Batch(Ring().draw(jr.key(0), 128), jnp.arange(128))

    def step(state, i):
        keys = jr.split(jr.fold_in(jr.key(1), i))
        return learner.step(state, Batch(Ring().draw(keys[0], 128), jnp.arange(128)), keys[1])[0], None

    run = jax.jit(lambda state: jax.lax.scan(step, state, jnp.arange(4000))[0])
    x = np.asarray(learner.sample(learner.params(run(learner.init(jr.key(0), first))), jr.key(2), 2000))
    nearest = np.round(np.arctan2(x[:, 1], x[:, 0]) / (np.pi / 4)).astype(int) % 8
    good = abs(np.linalg.norm(x, axis=1) - 2) < 0.4
    shares = np.bincount(nearest[good], minlength=8) / len(x)
    assert shares.min() > 0.005, shares
    assert shares.sum() > 0.9


def test_the_mean_of_the_generator_follows_it():
    learner = AdversarialLearner(
        build=lambda key, batch: (jnp.zeros(()), jnp.zeros(())),
        generator_loss=lambda g, d, batch, key: (g, {}),
        discriminator_loss=lambda g, d, batch, key: (d, {}),
        optimizer=optax.sgd(1.0),
        draw_image=lambda g, key: g[None],
        ema=0.5,
    )
    batch = Batch(jnp.zeros((1, 1)), jnp.zeros(1, int))
    state = learner.init(jr.key(0), batch)
    for _ in range(40):
        state, _ = learner.step(state, batch, jr.key(0))
    assert state.generator == -40
    np.testing.assert_allclose(learner.params(state)[0], -39, atol=1e-3)  # the mean of -40, -39 … by halves

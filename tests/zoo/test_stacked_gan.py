"""The stacked players: what each loss asks for, whom it moves, and what a label brings."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from sklearn.linear_model import LogisticRegression

from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.networks import MLP
from subitize.core.optimizer import Optimizer
from subitize.zoo import stacked_gan as module
from subitize.zoo.stacked_gan import (
    Generators,
    Judges,
    StackedGANOptions,
    entropy_loss,
    feature_loss,
    generated,
    label_loss,
    played_by_generators,
    played_by_judges,
    scaled,
)

SMALL = StackedGANOptions(latent_dim=3, features=5, hidden=(7,))
CLASSES = 4


def players(options: StackedGANOptions = SMALL, n: int = 12):
    """Both players before they learn, and a batch of grey pictures of 2 x 3 pixels with labels."""
    images = jr.uniform(jr.key(0), (n, 2, 3, 1))
    batch = Batch(images, jnp.arange(n), jnp.arange(n) % CLASSES)
    generators = Generators(images.mean(0), CLASSES, options, key=jr.key(1))
    return generators, Judges(6, CLASSES, options, key=jr.key(2)), batch


def test_features_have_mean_square_one():
    h = scaled(3 * jr.normal(jr.key(0), (5,)))
    np.testing.assert_allclose(jnp.mean(h**2), 1, rtol=1e-4)
    np.testing.assert_array_equal(scaled(jnp.zeros(5)), 0)


class Inverse(Generators):
    """Its images are the features themselves, but for a scale."""

    def __init__(self, mean, options):
        super().__init__(mean, CLASSES, options, key=jr.key(1))

    def image(self, h, z):
        return h.reshape(self.bias.shape) / 4


def test_where_the_lower_generator_inverts_the_encoder_its_conditional_loss_is_zero():
    options = StackedGANOptions(latent_dim=3, features=6, hidden=(7,))
    generators, judges, batch = players(options)
    body = MLP((6, 6), key=jr.key(0))
    judges = eqx.tree_at(lambda j: j.encoder.body, judges, body)
    judges = eqx.tree_at(lambda j: j.encoder.body.layers[0].weight, judges, jnp.eye(6))
    inverse = Inverse(batch.image.mean(0), options)
    for players_generators, zero in ((inverse, True), (generators, False)):
        _, terms = played_by_generators(players_generators, judges, batch, jr.key(3), options=options)
        assert (terms["feature"] < 1e-10) == zero
    assert float(feature_loss(judges.encoder, batch.image, jnp.zeros((12, 6)))) == pytest.approx(1, abs=1e-3)


def norm(tree) -> float:
    return float(optax.tree.norm(tree))


@pytest.mark.parametrize("joint", [False, True])
def test_no_gradient_of_the_generators_losses_reaches_the_encoder(joint):
    generators, judges, batch = players()
    options = dataclasses.replace(SMALL, joint=joint)
    for_generators, for_judges = (
        jax.grad(lambda g, j: played_by_generators(g, j, batch, jr.key(3), options=options)[0], argnums=i)(
            generators, judges
        )
        for i in (0, 1)
    )
    assert norm(for_judges.encoder) == 0
    assert min(norm(for_generators.upper), norm(for_generators.lower)) > 0.01
    assert norm(for_judges.discriminators) > 0.01


def test_the_generators_loss_is_the_sum_of_its_terms_with_the_weights_of_the_paper():
    generators, judges, batch = players()
    loss, terms = played_by_generators(generators, judges, batch, jr.key(3), options=SMALL)
    expected = terms["adversarial"] + terms["label"] + terms["feature"] + 10 * terms["entropy"]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert min(float(term) for term in terms.values()) > 0.01


def test_the_encoder_learns_from_real_labels_alone_and_rests_when_it_knows_them(monkeypatch):
    generators, judges, batch = players()

    def loss(judges):
        return played_by_judges(generators, judges, batch, jr.key(3), options=SMALL)[0]

    labels = jnp.arange(12) % CLASSES
    alone = jax.grad(lambda e: label_loss(e, jax.vmap(e)(batch.image), labels))(judges.encoder)
    found = jax.grad(loss)(judges).encoder
    assert norm(alone) > 0.01
    for a, b in zip(*map(jax.tree.leaves, (found, alone)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)
    monkeypatch.setattr(module, "LEARNED", 100.0)
    assert norm(jax.grad(loss)(judges).encoder) == 0


def test_the_lower_generator_is_given_features_of_real_images_unless_both_learn_jointly():
    generators, judges, batch = players()
    for joint in (False, True):
        made = generated(generators, judges.encoder, batch, jr.key(3), joint=joint)
        given = made.made[0] if joint else jax.vmap(judges.encoder)(batch.image)
        np.testing.assert_allclose(made.given, given, rtol=1e-5)
        again = jax.vmap(generators.image)(given, made.z[:, 1])
        np.testing.assert_allclose(made.made[1], again, rtol=1e-4)


def test_the_best_guess_is_the_mean_of_the_noise_given_what_it_became():
    """Of two dimensions one is kept: its guess is exact, and the other's is a half, with variance 1/12."""
    grid = (jnp.arange(40) + 0.5) / 40
    z = jnp.stack(jnp.meshgrid(grid, grid), -1).reshape(-1, 2)

    def loss(weights):
        return entropy_loss(weights[0] + z[:, :1] * weights[1], z)

    best = jnp.array([[0.0, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(loss(best), 1 / 24, rtol=1e-3)
    np.testing.assert_allclose(jax.grad(loss)(best), 0, atol=1e-6)
    assert all(loss(best + d) > loss(best) for d in 0.1 * np.eye(4).reshape(4, 2, 2))
    np.testing.assert_allclose(entropy_loss(z, z), 0)


def quadrants(key, n):
    """Pictures of 4 x 4 pixels, in which the quadrant of the label is bright, and their labels."""
    keys = jr.split(key, 3)
    labels = jr.randint(keys[0], (n,), 0, CLASSES)
    lit = jnp.kron(jnp.eye(4).reshape(4, 2, 2), jnp.ones((1, 2, 2)))[labels]
    bright = jr.uniform(keys[1], (n, 1, 1), minval=0.5, maxval=1.0)
    ground = jr.uniform(keys[2], (n, 4, 4), minval=0.0, maxval=0.2)
    return jnp.where(lit > 0, bright, ground)[..., None], labels


@pytest.fixture(scope="module")
def trained():
    """A learner and its weights after a short training on quadrants."""
    options = StackedGANOptions(latent_dim=4, features=16, hidden=(64,), ema=0.99)
    learner = options.learner(DataSpec(4, 4, 1, classes=CLASSES), Optimizer(learning_rate=1e-3, b1=0.5), 1500)

    def batch(key):
        images, labels = quadrants(key, 64)
        return Batch(images, jnp.arange(64), labels)

    def step(state, i):
        keys = jr.split(jr.fold_in(jr.key(1), i))
        return learner.step(state, batch(keys[0]), keys[1])[0], None

    run = jax.jit(lambda state: jax.lax.scan(step, state, jnp.arange(1500))[0])
    return learner, learner.params(run(learner.init(jr.key(0), batch(jr.key(2)))))


@pytest.fixture(scope="module")
def reader():
    """What reads the label of pictures, learned from real ones."""
    images, labels = quadrants(jr.key(3), 2000)
    classifier = LogisticRegression(max_iter=500).fit(images.reshape(2000, -1), labels)
    images, labels = quadrants(jr.key(4), 500)
    assert classifier.score(images.reshape(500, -1), labels) > 0.99
    return lambda images: classifier.predict(np.asarray(images).reshape(len(images), -1))


def test_another_classifier_reads_the_label_that_was_asked_for(trained, reader):
    learner, params = trained
    labels = jnp.arange(800) % CLASSES
    images = learner.sample_of(params, jr.key(5), labels)
    assert images.shape == (800, 4, 4, 1)
    assert (reader(images) == np.asarray(labels)).mean() >= 0.95


def test_labels_are_drawn_uniformly_where_none_is_asked_for(trained, reader):
    learner, params = trained
    shares = np.bincount(reader(learner.sample(params, jr.key(6), 2000)), minlength=CLASSES) / 2000
    np.testing.assert_allclose(shares, 0.25, atol=0.05)


def test_pictures_without_labels_are_refused():
    with pytest.raises(UsageError, match="labels"):
        SMALL.learner(DataSpec(4, 4, 1), Optimizer(), 10)

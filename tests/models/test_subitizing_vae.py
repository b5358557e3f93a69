"""The subitizing autoencoder and the supervised glance: shapes, costs, and what must not be trained."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.scipy.special import logit

from subitize.core.draws import Means
from subitize.core.networks import SHADES, Rendering, patches
from subitize.gradients import expectation
from subitize.models.count_classifier import CountClassifier, CountClassifierSettings
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings, negative_elbo

SMALL = SubitizingVAESettings(
    height=12, width=20, channels=2, code=3, convolutions=((4, 5), (2, 6)), features=7, judge=((2, 4), (2, 4))
)
made = jax.jit(lambda key: SubitizingVAE(SMALL, key=key))
MODEL = made(jr.key(0))
IMAGE = jr.uniform(jr.key(1), (12, 20, 2))


@jax.jit
def cost(model, image=IMAGE):
    return negative_elbo(model, image, Means())


def with_share(perceptual):
    settings = dataclasses.replace(SMALL, perceptual=perceptual)
    return jax.jit(lambda key: SubitizingVAE(settings, key=key))(jr.key(0))


@pytest.mark.parametrize(("height", "width"), [(12, 20), (11, 17)])
def test_a_rendering_has_the_size_of_its_picture(height, width):
    shape = {"convolutions": ((4, 5), (2, 6)), "features": 7}
    rendering = Rendering(height, width, 2, **shape, key=jr.key(0))
    assert rendering(jnp.ones(7)).shape == (height, width, 2)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7)])
def test_patches_are_the_surroundings_of_every_block(height, width):
    """Of 2x2 pixels: 4x4, cut out one after the other, their blocks from left to right and from above."""
    picture = np.random.default_rng(0).normal(size=(height, width, 3))
    padded = np.pad(picture, ((1, 3), (1, 3), (0, 0)))
    found = np.asarray(patches(jnp.asarray(picture), 2))
    for row, column in np.ndindex(found.shape[:2]):
        around = padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
        blocks = [around[y : y + 2, x : x + 2].ravel() for y in (0, 2) for x in (0, 2)]
        np.testing.assert_array_equal(found[row, column], np.concatenate(blocks))


def test_what_a_rendering_spreads_is_what_a_convolution_gathers():
    """⟨spread(c), p⟩ = ⟨c, gather(p)⟩: a transposed convolution is the transpose of one."""
    shape = (9, 14, 3)
    gather = lambda p: patches(p, 2)  # noqa: E731
    spread = jax.linear_transpose(gather, jax.ShapeDtypeStruct(shape, IMAGE.dtype))
    p = jr.normal(jr.key(0), shape)
    c = jr.normal(jr.key(1), gather(p).shape)
    assert np.isclose(jnp.vdot(spread(c)[0], p), jnp.vdot(c, gather(p)))


def test_without_a_judge_it_is_the_usual_bound():
    model = with_share(0.0)
    value, parts = cost(model)
    q = model.posterior(IMAGE)
    kl = 0.5 * jnp.sum(q.loc**2 + q.scale**2 - 2 * jnp.log(q.scale) - 1)
    error = jnp.sum((IMAGE - model.render(q.loc)) ** 2)
    assert np.isclose(value, kl + error / (2 * SMALL.pixel_deviation**2))
    assert np.isclose(parts["kl"], kl)


def test_half_the_error_is_what_the_judge_says():
    """With w = 1/2, by hand: each layer's mean square error, as loud as the pixels."""
    model = with_share(0.5)
    found = model.render(model.posterior(IMAGE).loc)
    pixels, features = jnp.sum((IMAGE - found) ** 2), 0.0
    for a, b in zip(model.seen_by_judge(IMAGE), model.seen_by_judge(found), strict=True):
        loud = (jnp.mean(IMAGE**2) + 1e-2) / (jnp.mean(a**2) + 1e-2)
        features += loud * jnp.sum((a - b) ** 2) * IMAGE.size / (2 * a.size)
    value, parts = cost(model)
    assert np.isclose(parts["features"], features)
    assert np.isclose(value, parts["kl"] + (pixels + features) / (4 * SMALL.pixel_deviation**2))


def test_it_starts_from_the_odds_of_the_mean_picture():
    mean = jnp.full(IMAGE.shape, 0.02).at[2].set(0.0)
    begun, code = SubitizingVAE(SMALL, key=jr.key(0), mean=mean), jr.normal(jr.key(1), (SMALL.code,))
    shift = logit(begun.render(code)) - logit(MODEL.render(code))
    np.testing.assert_allclose(jax.nn.sigmoid(shift), jnp.maximum(mean, SHADES[0]), rtol=1e-4)


def test_the_judge_is_the_same_for_all_and_never_trained():
    other = made(jr.key(5))
    assert eqx.tree_equal(MODEL.judge, other.judge)
    gradient = jax.jit(jax.grad(lambda model: cost(model)[0]))(with_share(0.5))
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(gradient.judge))
    rest = jax.tree_util.tree_leaves_with_path(eqx.tree_at(lambda m: m.judge, gradient, None))
    assert all(np.any(leaf != 0) for path, leaf in rest), "every other weight is trained"


@pytest.mark.parametrize("image", [jnp.zeros_like(IMAGE), jnp.ones_like(IMAGE)])
def test_even_pictures_give_finite_gradients(image):
    gradient = jax.jit(jax.grad(lambda model: cost(model, image)[0]))(MODEL)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_its_code_is_a_pathwise_site():
    loss = expectation(negative_elbo)
    value, _ = jax.jit(loss)(MODEL, loss.init(MODEL, IMAGE, jr.key(0)), IMAGE[None], jr.key(1))
    assert loss.evaluations(MODEL, {}, IMAGE) == 1
    assert np.isfinite(value)


def test_a_glance_gives_probabilities():
    model = CountClassifier(CountClassifierSettings(12, 20, 2, 4, ((2, 3),), 5), key=jr.key(0))
    probs = jnp.exp(model(IMAGE))
    assert probs.shape == (4,)
    assert np.isclose(probs.sum(), 1)

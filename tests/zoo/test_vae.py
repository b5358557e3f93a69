"""Latent variable models against what is known of their bounds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.draws import Samples
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.evaluation.likelihood import likelihood_in_words, negative_log_likelihood
from subitize.gradients.importance import importance_weighted
from subitize.zoo import iwae, vae

DATA = DataSpec(2, 3, 1)
IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 2, (8, 2, 3, 1)), jnp.float32)
BATCH = Batch(IMAGES, jnp.arange(8))
MODELS = {
    "vae": vae.VAEOptions(latent_dim=2, hidden=(5, 4)),
    "iwae": iwae.IWAEOptions(k=3, latent_dims=(2,), hidden=(5,)),
    "two layers": iwae.IWAEOptions(k=3, latent_dims=(2, 1), hidden=(5, 4)),
}


@pytest.fixture(scope="module", params=MODELS)
def made(request):
    """A learner, and a model of it whose latents matter."""
    learner = MODELS[request.param].learner(DATA, Optimizer(), 10)
    model = learner.init_params(jr.key(0), BATCH)
    return learner, jax.tree.map(lambda x: 2.0 * x, model)


def exact_log_p(learner, model, x):
    """log p(x) by very many samples of the prior: log E[p(x | z)], where z has few dimensions."""
    draws = jax.vmap(lambda k: model.decode(Samples(k)))(jr.split(jr.key(9), 200_000))
    log_p = jnp.log(draws) @ x + jnp.log1p(-draws) @ (1 - x)
    return jax.nn.logsumexp(log_p) - jnp.log(len(draws))


def test_the_importance_weighted_bound_ends_at_the_likelihood(made):
    learner, model = made
    found = learner.log_likelihood(model, IMAGES, jr.key(1))
    exact = [exact_log_p(learner, model, x.ravel()) for x in IMAGES]
    np.testing.assert_allclose(found.value, np.array(exact), atol=0.08)
    assert (found.direction, found.kind) == ("lower", "iwae, 1,000 samples")


def test_the_bound_rises_with_the_samples(made):
    learner, model = made
    x = IMAGES[0].ravel()
    log_weight = lambda key: -learner.negative_log_weight(model, x, Samples(key))  # noqa: E731

    def bound(k):
        return jax.vmap(lambda key: importance_weighted(log_weight, key, k))(jr.split(jr.key(2), 4000)).mean()

    bounds = [float(bound(k)) for k in (1, 5, 50)]
    assert bounds[0] < bounds[1] < bounds[2] < exact_log_p(learner, model, x) + 0.02


def test_the_closed_kl_and_the_sampled_one_agree():
    learner = MODELS["vae"].learner(DATA, Optimizer(), 10)
    model = jax.tree.map(lambda x: 2.0 * x, learner.init_params(jr.key(0), BATCH))
    x = IMAGES[3].ravel()
    keys = jr.split(jr.key(4), 100_000)
    closed = jax.vmap(lambda k: vae.negative_elbo(model, x, Samples(k))[0])(keys)
    sampled = jax.vmap(lambda k: vae.negative_log_weight(model, x, Samples(k)))(keys)
    error = np.hypot(closed.std(), sampled.std()) / len(keys) ** 0.5
    assert abs(closed.mean() - sampled.mean()) < 4 * error
    assert closed.std() < sampled.std()


def test_one_sample_and_one_layer_make_an_iwae_a_vae():
    """Their costs have the same mean where encoder and decoder are the same."""
    model, other = (
        jax.tree.map(lambda x: 2.0 * x, options.learner(DATA, Optimizer(), 1).init_params(jr.key(0), BATCH))
        for options in (
            iwae.IWAEOptions(k=1, latent_dims=(2,), hidden=(5,)),
            vae.VAEOptions(latent_dim=2, hidden=(5, 5)),
        )
    )
    same = eqx.tree_at(lambda m: (m.encoder, m.decoder), other, (model.q[0], model.pixels))
    x, keys = IMAGES[1].ravel(), jr.split(jr.key(5), 50_000)
    a = jax.vmap(lambda k: iwae.negative_log_weight(model, x, Samples(k)))(keys)
    b = jax.vmap(lambda k: vae.negative_elbo(same, x, Samples(k))[0])(keys)
    assert abs(a.mean() - b.mean()) < 4 * np.hypot(a.std(), b.std()) / len(keys) ** 0.5


def test_a_likelihood_says_its_kind_and_there_is_none_of_grey_pictures(made):
    learner, model = made
    found = negative_log_likelihood(learner, model, np.asarray(IMAGES), jr.key(0))
    assert found["nll"] > 0
    assert (found["nll_kind"], found["nll_direction"]) == ("iwae, 1,000 samples", "upper")
    assert found["nll_error"] > 0
    told, rest = likelihood_in_words(found | {"loss": 1.0})
    assert told.endswith("nats (upper bound; iwae, 1,000 samples)")
    assert rest == {"loss": 1.0}
    grey = negative_log_likelihood(learner, model, np.full((2, 2, 3, 1), 0.5), jr.key(0))
    assert grey["nll"] is None
    assert "these are grey" in likelihood_in_words(grey)[0]
    assert likelihood_in_words({"loss": 1.0}) == ("", {"loss": 1.0})


def test_pictures_are_binarized_anew_at_every_visit_and_bits_stay_as_they_are():
    learner = MODELS["vae"].learner(DATA, Optimizer(), 10)
    grey = Batch(jnp.full((4000, 2, 3, 1), 0.3), jnp.arange(4000))
    a, b = (learner.transform.examples((), grey, jnp.array(0), jr.key(i)) for i in (0, 1))
    assert a.mean() == pytest.approx(0.3, abs=0.01)
    assert not np.array_equal(a, b)
    bits = learner.transform.examples((), BATCH, jnp.array(0), jr.key(0))
    np.testing.assert_array_equal(bits, IMAGES.reshape(8, 6))

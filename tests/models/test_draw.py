"""DRAW reads and writes as the paper's formulas say, and its bound is what its parts make it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from subitize.core.draws import Samples
from subitize.gradients import expectation
from subitize.models.draw import DRAW, DRAWSettings, broad, negative_elbo, place

SMALL = DRAWSettings(height=7, width=9, glimpses=4, hidden=6, code=3, read=2, write=3)
MODEL = jax.jit(lambda key: DRAW(SMALL, key=key))(jr.key(0))
IMAGE = (jr.uniform(jr.key(1), (7, 9)) < 0.5).astype(float)


def by_the_paper(pointing, filters, height, width):
    """The formulas of section 3.2 with their own loops, pixels and filters numbered from one."""
    x, y, log_variance, log_stride, log_intensity = map(float, pointing)
    centre_x, centre_y = (width + 1) / 2 * (x + 1), (height + 1) / 2 * (y + 1)
    stride = (max(height, width) - 1) / (filters - 1) * np.exp(log_stride)
    banks = []
    for centre, pixels in ((centre_y, height), (centre_x, width)):
        bank = np.zeros((filters, pixels))
        for i in range(1, filters + 1):
            middle = centre + (i - filters / 2 - 0.5) * stride
            for a in range(1, pixels + 1):
                bank[i - 1, a - 1] = np.exp(-((a - middle) ** 2) / (2 * np.exp(log_variance)))
        banks.append(bank / bank.sum(1, keepdims=True))
    return *banks, np.exp(log_intensity)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("filters", [2, 5])
def test_filters_lie_where_the_paper_puts_them(seed, filters):
    pointing = 0.4 * jr.normal(jr.key(seed), (5,))
    rows, columns, intensity = by_the_paper(pointing, filters, 7, 9)
    found = place(pointing, filters, 7, 9)
    assert np.allclose(found.rows, rows, atol=1e-6)
    assert np.allclose(found.columns, columns, atol=1e-6)
    stroke = jr.normal(jr.key(9), (filters, filters))
    assert np.allclose(found.read(IMAGE), intensity * rows @ IMAGE @ columns.T, atol=1e-5)
    assert np.allclose(found.write(stroke), rows.T @ stroke @ columns / intensity, atol=1e-5)


def test_nothing_said_spans_the_whole_image():
    found = place(jnp.zeros(5), 3, 9, 9)
    assert np.allclose(jnp.argmax(found.rows, 1), [0, 4, 8])
    assert np.allclose(found.window, [0.5 - 2, 0.5 - 2, 8.5 + 2, 8.5 + 2])


def test_filters_far_outside_stay_finite():
    found = place(jnp.array([40.0, -40.0, -9.0, 2.0, 0.0]), 5, 7, 9)
    assert np.allclose(found.rows.sum(1), 1)
    assert np.all(np.isfinite(found.columns))


@pytest.mark.parametrize("filters", [2, 3, 5])
def test_at_first_filters_miss_nothing_in_the_middle_and_strokes_are_seen(filters):
    reading = place(broad(filters, 28, 28, writes=False), filters, 28, 28)
    dot = lambda x: reading.read(jnp.zeros((28, 28)).at[14, x].set(1.0)).sum()  # noqa: E731
    seen = np.array([dot(x) for x in range(7, 21)])
    assert seen.min() > 0.5 * seen.max() > 0
    canvas = place(broad(filters, 28, 28, writes=True), filters, 28, 28).write(jnp.ones((filters, filters)))
    assert np.all(np.abs(canvas[9:19, 9:19] - 1) < 0.35)


def test_painting_starts_from_the_mean_picture():
    mean = jr.uniform(jr.key(3), (7, 9), minval=0.01, maxval=0.99)
    assert np.allclose(jax.nn.sigmoid(DRAW(SMALL, key=jr.key(0), mean=mean).begin().canvas), mean, atol=1e-6)
    assert np.all(np.isfinite(DRAW(SMALL, key=jr.key(0), mean=jnp.zeros((7, 9))).start))


def test_the_bound_is_the_likelihood_of_the_last_canvas_less_every_step_s_divergence():
    draw = Samples(jr.key(2))
    cost, parts = negative_elbo(MODEL, IMAGE, draw)
    state, divergence, drawn, codes = MODEL.begin(), 0.0, [], []
    for t in range(SMALL.glimpses):
        q, state, _ = MODEL.see(state, IMAGE)
        z = draw.at(jnp.asarray(t))("code", q)
        drawn.append(z)
        codes.append((z - q.loc) / q.scale)
        divergence += float(np.sum(0.5 * (q.loc**2 + q.scale**2 - 1) - np.log(q.scale)))
        state, _ = MODEL.paint(state, z)
    odds = np.asarray(state.canvas, float)
    likelihood = np.sum(IMAGE * odds - np.logaddexp(0, odds))
    assert np.isclose(parts["kl"], divergence, rtol=1e-5)
    assert np.isclose(parts["log_likelihood"], likelihood, rtol=1e-5)
    assert np.isclose(cost, divergence - likelihood, rtol=1e-5)
    assert len({float(code[0]) for code in codes}) == SMALL.glimpses  # fresh noise at every step
    glances = MODEL.trace(IMAGE, draw)
    assert np.allclose(glances.code, jnp.stack(drawn))
    assert np.allclose(glances.canvas[-1], jax.nn.sigmoid(odds))


def test_a_stroke_is_added_to_what_the_canvas_holds():
    blank = MODEL.begin()
    canvas = jr.normal(jr.key(5), blank.canvas.shape)
    on_blank, on_canvas = (
        MODEL.paint(blank._replace(canvas=held), jnp.ones(SMALL.code))[0].canvas
        for held in (0 * canvas, canvas)
    )
    assert np.any(on_blank != 0)
    assert np.allclose(on_canvas, canvas + on_blank)


def test_a_code_is_of_what_the_canvas_lacks():
    begun = MODEL.begin()
    empty, full = (MODEL.see(begun._replace(canvas=begun.canvas + odds), IMAGE)[0] for odds in (-5, 5))
    assert not np.allclose(empty.loc, full.loc)


def test_the_bound_bounds_the_likelihood():
    """Under many importance samples, the mean of one sample's bound lies below their log-mean."""
    cost = jax.jit(jax.vmap(lambda key: negative_elbo(MODEL, IMAGE, Samples(key))[0]))(
        jr.split(jr.key(3), 4000)
    )
    assert -cost.mean() < jax.nn.logsumexp(-cost) - np.log(4000)


def test_the_decoder_knows_the_picture_by_its_codes_alone():
    """Without a word from the encoder, two pictures are painted alike."""
    mute = eqx.tree_at(lambda m: m.code, MODEL, replace_fn=lambda layer: jax.tree.map(jnp.zeros_like, layer))
    assert np.allclose(mute.trace(IMAGE).canvas, mute.trace(1 - IMAGE).canvas)
    assert not np.allclose(MODEL.trace(IMAGE).canvas, MODEL.trace(1 - IMAGE).canvas)


def test_samples_and_traces_have_the_shapes_they_promise():
    glances = MODEL.trace(IMAGE)
    assert glances.code.shape == (4, 3)
    assert glances.canvas.shape == (4, 7, 9)
    assert glances.read.shape == glances.write.shape == (4, 4)
    sample = MODEL.sample_prior(jr.key(0))
    assert sample.shape == (4, 7, 9)
    assert np.all((sample > 0) & (sample < 1))


def test_it_learns_two_pictures():
    """The upper half is lit, or else the lower: one bit among 63 is all that must be told."""
    upper = jnp.zeros_like(IMAGE).at[:4].set(1.0)
    images = jnp.stack([upper, 1 - upper])
    loss = expectation(negative_elbo)
    optimizer = optax.adam(1e-2)

    @jax.jit
    def train(model):
        def step(carry, key):
            model, state = carry
            value, gradient = jax.value_and_grad(lambda m: loss(m, {}, images, key)[0])(model)
            change, state = optimizer.update(gradient, state)
            return (optax.apply_updates(model, change), state), value

        return jax.lax.scan(step, (model, optimizer.init(model)), jr.split(jr.key(4), 1000))

    _, values = train(MODEL)
    assert values[0] > 40
    assert np.log(2) < values[-100:].mean() < 3

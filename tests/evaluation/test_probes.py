"""Probes: they find what is there, do not find what is not, and choose without looking at the test."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subitize.core.interfaces import Batch, Examples
from subitize.core.networks import MLP
from subitize.evaluation import probes
from subitize.evaluation.batches import map_batches
from subitize.evaluation.probes import (
    LabelledDraws,
    Network,
    PartsReader,
    classifier_accuracy,
    linear_probe_accuracy,
    one_draw_of_each,
    predict_of_draws,
    probe_accuracy,
    probe_learner,
    train_with_early_stopping,
    validation_split,
    with_decay,
)
from subitize.training.chunk import Sampling, first_state, run_chunk

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def exclusive_or(n):
    """Labels that no linear function of the code tells."""
    code = RNG.normal(size=(n, 4))
    return code, ((code[:, 0] > 0) ^ (code[:, 1] > 0)).astype(int)


def test_a_hidden_layer_reads_what_a_linear_function_cannot():
    seen, test = exclusive_or(800), exclusive_or(500)
    assert probe_accuracy(seen, test, 0, (64,), steps=800) > 85
    assert linear_probe_accuracy(seen, test) < 65
    in_parts = [(codes.reshape(-1, 1, 2, 2), labels) for codes, labels in (seen, test)]
    assert probe_accuracy(*in_parts, 0, (64,), steps=800) > 85


def test_several_draws_tell_more_than_one():
    def drawn(n, draws):
        labels = RNG.integers(0, 2, n)
        codes = RNG.normal(size=(n, draws, 1, 2)) + labels[:, None, None, None]
        return codes, labels

    told = [probe_accuracy(drawn(800, draws), drawn(500, draws), 0, (64,), 400) for draws in (1, 8)]
    assert told[0] < 85  # Φ(1/√2) = 76 %
    assert told[1] > 94  # Φ(√8/√2) = 98 %


def test_draws_agree_on_the_class_with_the_largest_mean_probability():
    """One that is very certain does not outvote two that are quite sure of another."""
    logits = jnp.array([[20.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    assert predict_of_draws(lambda draw: draw, logits) == 1
    assert predict_of_draws(lambda draw: draw, logits[:2]) == 0


def test_networks_answer_together_and_each_learns_by_itself(monkeypatch):
    """Of two, the one that is surer is heard, whichever comes first; no two begin with the same seed."""

    def sure_of(logits):
        return lambda code: jnp.array(logits)

    seen, known = (np.zeros((4, 2)), np.array([0, 1, 0, 1])), set()
    for seed, networks in enumerate(([[2.0, 0.0], [0.0, 9.0]], [[0.0, 9.0], [2.0, 0.0]])):
        seeds, waiting = [], [sure_of(logits) for logits in networks]

        def train(build, seen, seed, steps, decay, seeds=seeds, waiting=waiting):
            seeds.append((seed, decay))
            return waiting.pop(0)

        monkeypatch.setattr(probes, "train_with_early_stopping", train)
        assert probes.fit_probe(seen, seed)(seen[0]).tolist() == [1, 1, 1, 1]
        known |= {own for own, _ in seeds}
        assert [decay for _, decay in seeds] == list(probes.DECAYS)
    assert len(known) == 4


def test_codes_are_read_in_units_of_those_that_were_learned(monkeypatch):
    """One that is above their mean is so in whatever company."""
    above = lambda code: jnp.array([0.0, code[0]])  # noqa: E731
    monkeypatch.setattr(probes, "train_with_early_stopping", lambda *_: above)
    tell = probes.fit_probe((np.array([[1.0], [5.0]]), np.array([0, 1])), 0)
    assert tell(np.array([[4.0], [2.0]])).tolist() == [1, 0]
    assert tell(np.array([[4.0]])).tolist() == [1]
    assert tell(np.array([[9.0], [4.0]])).tolist() == [1, 1]


def test_of_several_draws_any_teaches():
    draws = jnp.tile(jnp.arange(4.0), (200, 1))
    batch = Batch(draws, jnp.arange(200), jnp.zeros(200, int))
    shown, _ = one_draw_of_each((), batch, jnp.asarray(0), jax.random.key(0))
    assert np.all(np.bincount(shown.astype(int), minlength=4) > 25)


def test_labels_that_are_kept_aside_teach_a_linear_probe_nothing(monkeypatch):
    """Though they say the contrary, and loudly."""
    monkeypatch.setattr(probes, "STRENGTHS", (0.1,))
    codes = RNG.normal(size=(500, 1))
    labels = (codes[:, 0] > 0).astype(int)
    loud = np.where(validation_split(500)[:, None], -30 * codes, codes)
    assert linear_probe_accuracy((loud, labels), (codes, labels)) > 95


def test_a_fifth_is_kept_aside_but_not_more_than_some():
    for n, wanted in ((5, 1), (50, 10), (10_000, 2000), (60_000, 2000)):
        assert validation_split(n).sum() == wanted


YOUNG, OLD = 0.0025, 0.005  # ages up to which and from which on a network is so; training makes it 0.01 old


class Ageing(eqx.Module):
    """It does not learn but only ages: a code lists what it answers at each age, and how it ages by it."""

    age: jax.Array

    def __call__(self, code):
        answer = code[1 * (self.age > YOUNG) + 1 * (self.age > OLD)]
        return jnp.array([0.0, 8 * (2 * answer - 1) + code[3] * self.age])


def test_when_to_stop_is_chosen_by_labels_that_are_kept_aside():
    """Of these it is right in its prime, of all others when it is old: its prime is kept.

    It ages by the others; by what is kept aside it would grow younger.
    """
    labels, aside = RNG.integers(0, 2, 200), validation_split(200)
    in_prime, old = np.where(aside, labels, 1 - labels), np.where(aside, 1 - labels, labels)
    ageing = np.where(aside, -99, 1) * (2 * labels - 1)
    codes = np.stack([1 - labels, in_prime, old, ageing], 1).astype(np.float32)[:, None]
    kept = train_with_early_stopping(lambda key: Ageing(jnp.zeros(())), (codes, labels), seed=0, steps=20)
    assert YOUNG < kept.age <= OLD


@pytest.mark.parametrize("strong", [False, True], ids=["weak", "strong"])
def test_the_penalty_is_chosen_by_labels_that_are_kept_aside(strong):
    """Of two numbers that each vary much the label is the difference; the first alone tells it badly.

    A weak penalty finds the difference, as training labels want it; a strong one reads the first. What is
    kept aside wants the one or the other, and the test whatever that does not.
    """
    aside = validation_split(1000)
    sign, noise = np.tile([1, -1, 1, -1], 250), np.repeat(RNG.normal(size=500), 2)
    noise[2::4], noise[3::4] = -noise[0::4], -noise[1::4]
    codes, labels = np.stack([sign / 2 + noise, noise], 1), (sign > 0).astype(int)
    by_first, by_difference = (np.outer(sign, direction) for direction in ([1, 3], [-2.5, -3]))
    wanted, other = (by_first, by_difference) if strong else (by_difference, by_first)
    codes[aside] = wanted[aside]
    assert linear_probe_accuracy((codes, labels), (wanted, labels)) == 100
    assert linear_probe_accuracy((codes, labels), (other, labels)) == 0


def test_weights_decay_as_they_are_told_and_one_program_serves_all():
    """A step with decay takes rate · decay of every weight besides."""
    learner = probe_learner(Network(MLP, ((3, 2),)), 10)
    assert probe_learner(Network(MLP, ((3, 2),)), 10) is learner
    examples = LabelledDraws(jnp.ones((4, 1, 3), jnp.float32), jnp.array([0, 1, 0, 1]))
    assert isinstance(examples, Examples)
    data = Sampling(4, replace=True, labels=True)
    first = first_state(learner, data, examples, 0, 0)

    def after(decay):
        return run_chunk(learner, data, 1, examples, 0, 0, with_decay(first, decay))[0].learner.model

    plain, compiled = after(0.0), run_chunk.program._cache_size()
    decayed = after(0.5)
    assert run_chunk.program._cache_size() == compiled
    for start, with_none, with_some in zip(
        *map(jax.tree.leaves, (first.learner.model, plain, decayed)), strict=True
    ):
        np.testing.assert_allclose(with_none - with_some, probes.RATE * 0.5 * start, atol=1e-7)


def test_of_every_part_the_same_is_made():
    """If what reads all treats its inputs alike, no order of the parts matters; else it does."""
    reader = PartsReader(3, (4, 5), 6, key=jax.random.key(0))
    parts = jnp.asarray(RNG.normal(size=(3, 4)), jnp.float32)
    fair = eqx.tree_at(
        lambda r: r.whole.layers[0].weight,
        reader,
        replace_fn=lambda w: jnp.tile(w.reshape(3, 5, 5).mean(0), (3, 1)),
    )
    np.testing.assert_allclose(fair(parts), fair(parts[::-1]), atol=1e-5)
    assert not np.allclose(reader(parts), reader(parts[::-1]), atol=1e-3)


def test_nothing_is_read_where_nothing_is_written():
    seen, test = ((RNG.normal(size=(400, 4)), RNG.integers(0, 4, 400)) for _ in range(2))
    for found in (probe_accuracy(seen, test, 0, steps=800), linear_probe_accuracy(seen, test)):
        assert abs(found - 25) < 100 * 5 * (0.25 * 0.75 / 400) ** 0.5


def test_a_glance_learns_what_it_is_told():
    def told(n):
        labels = RNG.integers(0, 3, n)
        pictures = RNG.integers(0, 60, (n, 12, 12, 1))
        for picture, label in zip(pictures, labels, strict=True):
            picture[:, 4 * label : 4 * label + 4] += 120
        return pictures.astype(np.uint8), labels

    assert classifier_accuracy(told(300), told(200), seed=0, steps=60) > 95


def test_each_picture_is_looked_at_once_and_in_order():
    pictures = RNG.integers(0, 256, (7, 3, 3, 1)).astype(np.uint8)
    brightness = map_batches(mean, jnp.asarray(2.0), pictures, batch_size=3)
    np.testing.assert_allclose(brightness, 2 * pictures.mean((1, 2, 3)) / 255, rtol=1e-5)


def mean(factor, image):
    return factor * image.mean()

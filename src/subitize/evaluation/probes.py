"""What can be read off a representation? The same few labels for everybody, and other scenes for the test.

A network is trained on labelled codes, or on labelled pictures, for as many steps. A fifth of the labels, but
not more than some, is kept aside to choose when to stop; test labels are only counted. Of a scene there may
be several codes z_k, draws of one posterior, and several networks p_j read them: any draw teaches, and the
answer is the class y with the largest Σ_jk p_j(y | z_k).
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subitize.core.interfaces import Batch
from subitize.core.networks import MLP
from subitize.evaluation.batches import in_units, map_batches
from subitize.gradients import expectation
from subitize.gradients.learner import BatchTransform, GradientLearner
from subitize.models.count_classifier import CountClassifier, CountClassifierSettings, cross_entropy
from subitize.scenes.stack import places
from subitize.training.chunk import LoopState, Sampling, first_state, run_chunk

ASIDE, MOST_ASIDE = 5, 2000  # one label in so many, but so many at most: when to stop, or which penalty
DECAYS = (0.1, 1.0)  # of the weights of each network that reads codes, per unit of learning rate
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse, of a linear probe's penalty
BATCH, RATE = 64, 1e-3
STEPS, LOOKS = 4000, 20  # of training, and how often what is kept aside is looked at
OPTIONS = ASIDE, MOST_ASIDE, DECAYS, STRENGTHS, BATCH, RATE, STEPS, LOOKS  # that decide what is read
Labelled = tuple[np.ndarray, np.ndarray]  # codes, draws of codes in parts, or pictures of bytes; labels [n]


class PartsReader(eqx.Module):
    """Reads a description in parts: of every part it makes the same, and then something of all.

    What one part teaches so helps with the others.

    Args:
        parts: how many there are.
        sizes: lengths of a part, and of the hidden layers that read it; the last one is also that of the
            hidden layer that reads all.
        classes: how many are told apart.
        key: for the initial weights.
    """

    part: MLP
    whole: MLP

    def __init__(self, parts: int, sizes: tuple[int, ...], classes: int, *, key: PRNGKeyArray):
        first, second = jr.split(key)
        self.part = MLP(sizes, key=first)
        self.whole = MLP((parts * sizes[-1], sizes[-1], classes), key=second)

    def __call__(self, description: Float[Array, "parts features"]) -> Float[Array, " classes"]:
        """Logits of the classes."""
        return self.whole(jax.nn.relu(jax.vmap(self.part)(description)).ravel())


def probe_accuracy(
    seen: Labelled, test: Labelled, seed: int, hidden: tuple[int, ...] = (256,), steps: int = STEPS
) -> float:
    """Right answers of networks with hidden layers, trained on codes; in per cent of the test.

    Args:
        seen: codes [n, features], or draws of codes in parts [n, draws, parts, features], with labels [n].
        test: the same of other scenes.
        seed: of the initial weights and the order.
        hidden: widths of its layers.
        steps: of training.
    """
    codes, labels = test
    return 100 * float(np.mean(fit_probe(seen, seed, hidden, steps)(codes) == labels))


def fit_probe(
    seen: Labelled, seed: int, hidden: tuple[int, ...] = (256,), steps: int = STEPS
) -> Callable[[np.ndarray], np.ndarray]:
    """The probe itself: from codes to labels [n]. Arguments as for `probe_accuracy`.

    A network for every decay, each from other weights and in another order. They answer together, since to
    choose one would take labels.
    """
    codes, labels = seen
    sizes, classes = (codes.shape[-1], *hidden), int(labels.max()) + 1
    scaler = StandardScaler().fit(codes.reshape(-1, sizes[0]))

    def standard(some: np.ndarray) -> np.ndarray:
        scaled = np.asarray(scaler.transform(some.reshape(-1, sizes[0])), np.float32).reshape(some.shape)
        return scaled if some.ndim == 4 else scaled[:, None]

    in_parts = Network(PartsReader, (codes.shape[2], sizes, classes)) if codes.ndim == 4 else None
    build = in_parts or Network(MLP, ((*sizes, classes),))
    standardised, seeds = (standard(codes), labels), several_seeds(seed, len(DECAYS))
    networks = [
        train_with_early_stopping(build, standardised, own, steps, decay)
        for own, decay in zip(seeds, DECAYS, strict=True)
    ]
    return lambda some: np.sum([map_batches(mean_probs, n, standard(some)) for n in networks], 0).argmax(-1)


def linear_probe_accuracy(seen: Labelled, test: Labelled) -> float:
    """Right answers of a softmax of a linear function, in per cent of the test.

    Arguments as for `probe_accuracy`.
    """
    (codes, labels), aside = seen, validation_split(len(seen[1]))
    candidates = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
        for strength in STRENGTHS
    ]
    with warnings.catch_warnings():  # those that have not converged compete as they are
        warnings.simplefilter("ignore", ConvergenceWarning)
        for candidate in candidates:
            candidate.fit(codes[~aside], labels[~aside])
    best = max(candidates, key=lambda candidate: candidate.score(codes[aside], labels[aside]))
    return 100 * float(best.score(*test))


def classifier_accuracy(seen: Labelled, test: Labelled, seed: int, steps: int = STEPS) -> float:
    """Right answers of a supervised convolutional network, in per cent of the test.

    Args:
        seen: pictures [n, height, width, channels] as bytes, with labels [n].
        test: the same of other scenes.
        seed: of the initial weights and the order.
        steps: of training.
    """
    return 100 * accuracy(fit_classifier(seen, seed, steps), test[0][:, None], test[1])


def fit_classifier(seen: Labelled, seed: int, steps: int = STEPS) -> CountClassifier:
    """The convolutional network itself. Arguments as for `classifier_accuracy`."""
    pictures, labels = seen
    settings = CountClassifierSettings(*pictures.shape[1:], classes=int(labels.max()) + 1)
    return train_with_early_stopping(
        Network(CountClassifier, (settings,)), (pictures[:, None], labels), seed, steps
    )


class Network(NamedTuple):
    """How to build a network: equal to whatever builds the same, so that it is compiled once."""

    kind: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self, key: PRNGKeyArray) -> Any:
        """The network with its initial weights."""
        return self.kind(*self.arguments, key=key)


class LabelledDraws(eqx.Module):
    """Labelled scenes in memory, to learn from (`subitize.core.interfaces.Examples`).

    Args:
        draws: of pictures of bytes or of codes, several of each scene.
        labels: of the scenes.
    """

    draws: Shaped[Array, "scenes draws ..."]
    labels: Int[Array, " scenes"]

    def indices(
        self, seed: int | Int[Array, ""], numbers: Int[Array, " batch"], *, replace: bool = True
    ) -> Int[Array, " batch"]:
        """Which scenes training sees at these consecutive places of its stream."""
        return places(seed, numbers, len(self.labels), replace=replace)

    def examples(self, seed: int | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Scenes by their numbers, with all their draws."""
        return Batch(in_units(self.draws[indices]), indices, self.labels[indices])


def train_with_early_stopping(
    build: Callable[[PRNGKeyArray], Any], seen: Labelled, seed: int, steps: int, decay: float = 0.0
) -> Any:
    """A network as it was when it did best on what was kept aside.

    Args:
        build: key -> network, which makes logits of one picture or code; hashable, such as a `Network`.
        seen: draws of pictures or codes [n, draws, …], with labels [n].
        seed: of the initial weights and the order.
        steps: of training.
        decay: of the weights, per step and unit of learning rate.
    """
    (draws, labels), aside = seen, validation_split(len(seen[1]))
    examples = LabelledDraws(jnp.asarray(draws[~aside]), jnp.asarray(labels[~aside]))
    learner, data = probe_learner(build, steps), Sampling(BATCH, replace=True, labels=True)
    chunk = max(steps // LOOKS, 1)
    state = with_decay(first_state(learner, data, examples, seed, 0), decay)
    best, most = learner.params(state.learner), -1.0
    for _ in range(-(-steps // chunk)):
        state, _ = run_chunk(learner, data, chunk, examples, seed, 0, state)
        network = learner.params(state.learner)
        if (found := accuracy(network, draws[aside], labels[aside])) > most:
            best, most = network, found
    return best


def validation_split(number: int) -> np.ndarray:
    """Which of so many labels choose between the candidates."""
    place = np.arange(number)
    return (place % ASIDE == 0) & (place < ASIDE * MOST_ASIDE)


def several_seeds(seed: int, number: int) -> list[int]:
    """So many seeds that have nothing to do with each other, all from one."""
    return [int(word) >> 1 for word in np.random.SeedSequence(seed).generate_state(number)]


@cache  # so that networks of one shape are compiled once, whatever their decay
def probe_learner(build: Callable[[PRNGKeyArray], Any], steps: int) -> GradientLearner:
    """A learner that follows the cross-entropy of the labels by Adam, its rate falling along half a cosine.

    The decay of the weights lies in the optimizer's state, see `with_decay`.
    """
    rate = optax.cosine_decay_schedule(RATE, steps)
    return GradientLearner(
        build=lambda key, batch: build(key),
        loss=expectation(cross_entropy),
        optimizer=optax.inject_hyperparams(optax.adamw)(learning_rate=rate, weight_decay=0.0),
        learning_rate=RATE,
        transform=BatchTransform(lambda batch: (), one_draw_of_each, lambda *_: ()),
    )


def with_decay(state: LoopState, decay: float) -> LoopState:
    """The state of a `probe_learner` whose weights decay so much, per unit of learning rate."""
    decay_of = lambda state: state.learner.optimizer.hyperparams["weight_decay"]  # noqa: E731
    return eqx.tree_at(decay_of, state, jnp.full_like(decay_of(state), decay))


def one_draw_of_each(buffer: tuple, batch: Batch, step: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
    """Of each scene one draw, any as likely as the others, and its label."""
    assert batch.labels is not None, "a supervised learner is given labels"
    scenes, draws = batch.image.shape[:2]
    return batch.image[jnp.arange(scenes), jr.randint(key, (scenes,), 0, draws)], batch.labels


def accuracy(network: Any, draws: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers to scenes, by draws of pictures or codes [n, draws, …]."""
    return float(np.mean(map_batches(predict_of_draws, network, draws) == labels))


def mean_probs(network: Any, draws: jax.Array) -> jax.Array:
    """[classes]: how probable each is, in the mean over draws."""
    return jax.nn.softmax(jax.vmap(network)(draws)).mean(0)


def predict_of_draws(network: Any, draws: jax.Array) -> jax.Array:
    """The most probable class, by the mean over draws."""
    return jnp.argmax(mean_probs(network, draws))


def predict(network: Any, shown: jax.Array) -> jax.Array:
    """The most probable class of one picture or code."""
    return jnp.argmax(network(shown))

"""What can be read off a representation? The same few labels for everybody, and other scenes for the test.

A network is trained on labelled codes, or on labelled pictures, for as many steps. A fifth of the labels, but
not more than some, is kept aside to choose when to stop; test labels are only counted. Of a scene there may
be several codes z_k, draws of one posterior, and several networks p_j read them: any draw teaches, and the
answer is the class y with the largest Σ_jk p_j(y | z_k).
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subitize.core.networks import MLP
from subitize.models.glance import Glance, GlanceSettings

ASIDE, MOST_ASIDE = 5, 2000  # every so-manieth label, but so many at most: when to stop, or which penalty
DECAYS = (0.1, 1.0)  # of the weights of each network that reads codes, per unit of learning rate
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse, of a linear read-out's penalty
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


def read_out(
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
    return 100 * float(np.mean(reader(seen, seed, hidden, steps)(codes) == labels))


def reader(
    seen: Labelled, seed: int, hidden: tuple[int, ...] = (256,), steps: int = STEPS
) -> Callable[[np.ndarray], np.ndarray]:
    """The read-out itself: from codes to labels [n]. Arguments as there.

    A network for every decay, each from other weights and in another order. They answer together, since to
    choose one would take labels.
    """
    codes, labels = seen
    sizes, classes = (codes.shape[-1], *hidden), int(labels.max()) + 1
    scaler = StandardScaler().fit(codes.reshape(-1, sizes[0]))

    def standard(some: np.ndarray) -> np.ndarray:
        scaled = np.asarray(scaler.transform(some.reshape(-1, sizes[0])), np.float32).reshape(some.shape)
        return scaled if some.ndim == 4 else scaled[:, None]

    def build(key: PRNGKeyArray) -> MLP | PartsReader:
        if codes.ndim == 4:
            return PartsReader(codes.shape[2], sizes, classes, key=key)
        return MLP((*sizes, classes), key=key)

    lesson, keys = (standard(codes), labels), jr.split(jr.key(seed), len(DECAYS))
    networks = [taught(build, lesson, key, steps, decay) for key, decay in zip(keys, DECAYS, strict=True)]
    return lambda some: np.sum([each(chances, own, standard(some)) for own in networks], 0).argmax(-1)


def linear_read_out(seen: Labelled, test: Labelled) -> float:
    """Right answers of a softmax of a linear function, in per cent of the test; arguments as there."""
    (codes, labels), aside = seen, kept_aside(len(seen[1]))
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


def glance(seen: Labelled, test: Labelled, seed: int, steps: int = STEPS) -> float:
    """Right answers of a supervised convolutional network, in per cent of the test.

    Args:
        seen: pictures [n, height, width, channels] as bytes, with labels [n].
        test: the same of other scenes.
        seed: of the initial weights and the order.
        steps: of training.
    """
    return 100 * right(supervised(seen, seed, steps), test[0][:, None], test[1])


def supervised(seen: Labelled, seed: int, steps: int = STEPS) -> Glance:
    """The convolutional network itself; arguments as there."""
    pictures, labels = seen
    settings = GlanceSettings(*pictures.shape[1:], classes=int(labels.max()) + 1)
    return taught(lambda key: Glance(settings, key=key), (pictures[:, None], labels), jr.key(seed), steps)


def taught(
    build: Callable[[jax.Array], Any], seen: Labelled, key: PRNGKeyArray, steps: int, decay: float = 0.0
) -> Any:
    """A network as it was when it did best on what was kept aside.

    Args:
        build: key -> network, which makes logits of one picture or code.
        seen: draws of pictures or codes [n, draws, …], with labels [n].
        key: for the initial weights and the order.
        steps: of training.
        decay: of the weights, per step and unit of learning rate.
    """
    (shown, labels), aside = seen, kept_aside(len(seen[1]))
    first, order = jr.split(key)
    lesson = jnp.asarray(shown[~aside]), jnp.asarray(labels[~aside])
    optimizer, chunk, model = descent(steps), max(steps // LOOKS, 1), build(first)
    memory: Any = optimizer.init(model)
    memory.hyperparams["weight_decay"] = jnp.asarray(decay)
    state, best, most = (model, memory), model, -1.0
    for look in range(-(-steps // chunk)):
        state = follow(optimizer, chunk, state, lesson, jr.fold_in(order, look))
        if (found := right(state[0], shown[aside], labels[aside])) > most:
            best, most = state[0], found
    return best


def kept_aside(number: int) -> np.ndarray:
    """Which of so many labels choose between the candidates."""
    place = np.arange(number)
    return (place % ASIDE == 0) & (place < ASIDE * MOST_ASIDE)


@cache  # so that networks of one shape are compiled once, whatever their decay
def descent(steps: int) -> optax.GradientTransformation:
    """Adam with a rate that falls along half a cosine; its decay of the weights lies in its memory."""
    rate = optax.cosine_decay_schedule(RATE, steps)
    return optax.inject_hyperparams(optax.adamw)(learning_rate=rate, weight_decay=0.0)


@eqx.filter_jit
def follow(optimizer: optax.GradientTransformation, steps: int, state: Any, lesson: Any, key: Any) -> Any:
    """So many steps down the cross-entropy of random batches, one draw of each scene."""
    shown, labels = lesson

    def cost(model, rows, draws):
        logits = jax.vmap(model)(in_units(shown[rows, draws]))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()

    def step(state, key):
        model, memory = state
        rows = jr.randint(key, (BATCH,), 0, len(labels))
        draws = jr.randint(jr.fold_in(key, 1), (BATCH,), 0, shown.shape[1])
        gradient = jax.grad(cost)(model, rows, draws)
        change, memory = optimizer.update(gradient, memory, model)
        return (optax.apply_updates(model, change), memory), None

    return jax.lax.scan(step, state, jr.split(key, steps))[0]


def right(model: Any, shown: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers to draws of pictures or codes."""
    return float(np.mean(each(agreed, model, shown) == labels))


def chances(model: Any, draws: jax.Array) -> jax.Array:
    """[classes]: how probable each is, in the mean over draws."""
    return jax.nn.softmax(jax.vmap(model)(draws)).mean(0)


def agreed(model: Any, draws: jax.Array) -> jax.Array:
    """The most probable class, by the mean over draws."""
    return jnp.argmax(chances(model, draws))


def answer(model: Any, shown: jax.Array) -> jax.Array:
    """The most probable class of one picture or code."""
    return jnp.argmax(model(shown))


def in_units(shown: jax.Array) -> jax.Array:
    """Bytes as brightness in 0 … 1, codes as they are."""
    return shown.astype(jnp.float32) / 255 if shown.dtype == jnp.uint8 else shown


def each(
    look: Callable[[Any, jax.Array], Any], model: Any, shown: np.ndarray, batch: int = 250
) -> np.ndarray:
    """What a model makes of pictures or codes, one after the other.

    Args:
        look: (model, picture in 0 … 1 or code) -> array; a function with a name, since it is compiled once.
        model: to look with.
        shown: pictures of bytes [n, height, width, channels], or codes [n, features], or draws of either.
        batch: looked at together.
    """
    starts = range(0, len(shown), batch)
    return np.concatenate([np.asarray(looked(look, model, shown[i : i + batch])) for i in starts])


@eqx.filter_jit
def looked(look: Callable[[Any, jax.Array], Any], model: Any, shown: jax.Array | np.ndarray) -> jax.Array:
    """One batch of `each`."""
    return jax.vmap(lambda one: look(model, in_units(one)))(jnp.asarray(shown))

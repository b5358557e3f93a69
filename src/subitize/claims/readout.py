"""What can be read off a representation? The same few labels for everybody, and other scenes for the test.

A read-out is trained on labelled codes, or a supervised network on labelled pictures. A fifth of the labels
is kept aside to choose how strongly to regularise, and when to stop; test labels are only counted.
"""

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subitize.models.glance import Glance, GlanceSettings, surprise

ASIDE = 5  # every so-manieth label chooses between the candidates
PENALTIES = (1e-4, 1e-2, 1.0)  # of a network's weights
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse, of a linear read-out's penalty
BATCH, RATE = 64, 1e-3
STEPS, LOOKS = 4000, 20  # of a supervised network, and how often it is looked at


def read_out(
    seen: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
    hidden: tuple[int, ...] = (256,),
) -> float:
    """Right answers of a network with hidden layers, trained on codes; in per cent of the test.

    Args:
        seen: codes [n, features] with labels [n].
        test: the same of other scenes.
        seed: of the initial weights and the order.
        hidden: widths of its layers.
    """
    return 100 * float(network(seen, seed, hidden).score(*test))


def network(seen: tuple[np.ndarray, np.ndarray], seed: int, hidden: tuple[int, ...] = (256,)) -> Any:
    """The read-out itself: `predict` takes codes [n, features]. Arguments as there."""
    build = lambda penalty: MLPClassifier(  # noqa: E731
        hidden, alpha=penalty, early_stopping=len(seen[1]) >= 500, max_iter=200, random_state=seed
    )
    return best_of(map(build, PENALTIES), seen)


def linear_read_out(seen: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Right answers of a softmax of a linear function, in per cent of the test; arguments as there."""
    candidates = (LogisticRegression(C=strength, max_iter=300) for strength in STRENGTHS)
    return 100 * float(best_of(candidates, seen).score(*test))


def best_of(candidates: Iterable[Any], seen: tuple[np.ndarray, np.ndarray]) -> Any:
    """The candidate that is best on what is kept aside, fitted to the rest."""
    (codes, labels), aside = seen, np.arange(len(seen[1])) % ASIDE == 0
    with warnings.catch_warnings():  # those that have not converged compete as they are
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = [
            make_pipeline(StandardScaler(), candidate).fit(codes[~aside], labels[~aside])
            for candidate in candidates
        ]
    return max(fitted, key=lambda pipeline: pipeline.score(codes[aside], labels[aside]))


def glance(
    seen: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int,
    steps: int = STEPS,
) -> float:
    """Right answers of a supervised convolutional network, in per cent of the test.

    Args:
        seen: pictures [n, height, width, channels] as bytes, with labels [n].
        test: the same of other scenes.
        classes: how many labels there are.
        seed: of the initial weights and the order.
        steps: of training.
    """
    told = taught(seen, classes, seed, steps)
    return 100 * right(told, *test)


def taught(seen: tuple[np.ndarray, np.ndarray], classes: int, seed: int, steps: int = STEPS) -> Glance:
    """A supervised network, as it was when it did best on what was kept aside."""
    (pictures, labels), aside = seen, np.arange(len(seen[1])) % ASIDE == 0
    first, order = jr.split(jr.key(seed))
    model: Any = Glance(GlanceSettings(*pictures.shape[1:], classes=classes), key=first)
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    shown = jnp.asarray(pictures[~aside]), jnp.asarray(labels[~aside])
    advance = eqx.filter_jit(partial(follow, optimizer, max(steps // LOOKS, 1)))
    state, best, most = (model, optimizer.init(model)), model, -1.0
    for look in range(-(-steps // max(steps // LOOKS, 1))):
        state = advance(state, shown, jr.fold_in(order, look))
        if (found := right(state[0], pictures[aside], labels[aside])) > most:
            best, most = state[0], found
    return best


def follow(optimizer: optax.GradientTransformation, steps: int, state: Any, shown: Any, key: Any) -> Any:
    """So many steps down the cross-entropy of random batches."""
    pictures, labels = shown

    def cost(model, rows):
        batch = pictures[rows].astype(jnp.float32) / 255
        return jnp.mean(jax.vmap(surprise, (None, 0, 0))(model, batch, labels[rows]))

    def step(state, key):
        model, memory = state
        gradient = jax.grad(cost)(model, jr.randint(key, (BATCH,), 0, len(labels)))
        change, memory = optimizer.update(gradient, memory, model)
        return (optax.apply_updates(model, change), memory), None

    return jax.lax.scan(step, state, jr.split(key, steps))[0]


def right(model: Any, pictures: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers."""
    return float(np.mean(each(answer, model, pictures) == labels))


def answer(model: Glance, image: jax.Array) -> jax.Array:
    """The most probable class."""
    return jnp.argmax(model(image))


def each(
    look: Callable[[Any, jax.Array], Any], model: Any, pictures: np.ndarray, batch: int = 250
) -> np.ndarray:
    """What a model makes of pictures of bytes, one after the other.

    Args:
        look: (model, image in 0 … 1) -> array; a function with a name, since it is compiled once.
        model: to look with.
        pictures: [n, height, width, channels].
        batch: looked at together.
    """
    starts = range(0, len(pictures), batch)
    return np.concatenate([np.asarray(looked(look, model, pictures[i : i + batch])) for i in starts])


@eqx.filter_jit
def looked(look: Callable[[Any, jax.Array], Any], model: Any, pictures: jax.Array | np.ndarray) -> jax.Array:
    """One batch of `each`."""
    return jax.vmap(lambda picture: look(model, picture.astype(jnp.float32) / 255))(jnp.asarray(pictures))

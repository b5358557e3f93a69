"""Features of pictures of digits: a small network that was trained here to tell the classes apart.

It sees pictures in black and white, thresholded at one half. Its weights follow from the data and the plan
below, are trained when they are first needed, and are kept in the cache folder. Distances between its
features compare models of this library with each other, and with nothing that was measured elsewhere.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from subitize.core.files import alone
from subitize.core.optimizer import Optimizer
from subitize.evaluation.batches import map_batches
from subitize.gradients import expectation
from subitize.gradients.learner import GradientLearner, labelled_view
from subitize.models.count_classifier import CountClassifier, CountClassifierSettings, cross_entropy
from subitize.scenes.files import cache_folder
from subitize.scenes.single_images import GreyImages
from subitize.training import Plan, fit

WIDTH = 128  # features, which gives the Fréchet distance its name
SHIFT = 2  # pixels that a picture moves at most in training
RATE = Optimizer(learning_rate=1e-3, lr_hold_fraction=0.3)
PLAN = Plan(
    steps=4000, batch_size=64, seed=0, steps_per_call=100, save_every=4000, replace=False, labels=True
)


class Features(NamedTuple):
    """What the network finds in some pictures.

    Attributes:
        vectors: its last hidden layer.
        probabilities: of each class.
    """

    vectors: Float[np.ndarray, "n 128"]
    probabilities: Float[np.ndarray, "n classes"]


def features(pictures: Bool[np.ndarray, "n height width channels"], of: str) -> Features:
    """Features and class probabilities of pictures in black and white.

    Args:
        pictures: True where a pixel is lit.
        of: the dataset of single pictures whose classes are told apart, such as "mnist".

    Raises:
        UsageError, NoInputError: nobody knows classes of that dataset, or it cannot be found.
    """
    found = map_batches(read, feature_network(of), pictures.astype(np.float32))
    return Features(*np.split(found, [WIDTH], axis=1))


def read(network: CountClassifier, picture: Array) -> Array:
    """Features and class probabilities of one picture, one after the other."""
    return jnp.concatenate([network.features(picture), jnp.exp(network(picture))])


@cache
def feature_network(of: str, plan: Plan = PLAN) -> CountClassifier:
    """The network for a dataset, trained now if the cache folder has none of these pictures and settings."""
    scenes, folder = GreyImages("train", of=of), folder_of(of, plan)
    learner = classifier_learner(scenes, plan.steps)
    with alone(folder, wait=-1.0):
        return learner.params(fit(learner, scenes, plan, folder))


def folder_of(of: str, plan: Plan = PLAN) -> Path:
    """Where the network is kept: its name tells the pictures and all that decides the training."""
    decides = repr((GreyImages("train", of=of).fingerprint, plan, RATE, WIDTH, SHIFT))
    return cache_folder("features") / f"{of}-{hashlib.sha256(decides.encode()).hexdigest()[:12]}"


def classifier_learner(scenes: GreyImages, steps: int) -> GradientLearner:
    """What learns the classes of single pictures."""
    sizes = scenes.height, scenes.width, scenes.channels
    classes = scenes.spec.classes
    assert classes is not None, "digits have classes"
    settings = CountClassifierSettings(*sizes, classes=classes, features=WIDTH)
    return GradientLearner(
        build=lambda key, batch: CountClassifier(settings, key=key),
        loss=expectation(cross_entropy),
        optimizer=RATE.transformation(steps),
        learning_rate=RATE.learning_rate,
        transform=labelled_view(thresholded),
    )


def thresholded(images: Float[Array, "n h w c"], key: PRNGKeyArray) -> Float[Array, "n h w c"]:
    """Pictures in black and white, each moved by up to two pixels either way."""
    lit = (images > 0.5).astype(images.dtype)
    moves = jr.randint(key, (len(lit), 2), -SHIFT, SHIFT + 1)
    return jax.vmap(lambda picture, move: jnp.roll(picture, move, (0, 1)))(lit, moves)

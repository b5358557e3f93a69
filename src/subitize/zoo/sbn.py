"""A sigmoid belief network as something to train; the model itself is `subitize.models.sbn`."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from subitize.core.bounds import check_bounds
from subitize.core.interfaces import DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.learner import GenerativeLearner, view_of_images
from subitize.models.sbn import SBN, negative_mean_elbo


@dataclass(frozen=True)
class SBNOptions:
    """A sigmoid belief network, whose coins any estimator differentiates through (Tucker et al. 2017).

    Args:
        layers: coins in each hidden layer, from the one above the pixels up.
        estimator: how to differentiate through them.
    """

    layers: tuple[int, ...] = (200, 200)
    estimator: str = "rebar"
    defaults: ClassVar[dict] = {"scenes": "bits(of='digits')", "learning_rate": 3e-4, "batch_size": 24}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> GenerativeLearner:
        """A learner that follows the bound, its pixels biased by the mean picture of its first batch."""
        shape = data.height, data.width, data.channels
        return GenerativeLearner(
            build=lambda key, batch: SBN(batch.image.mean(0).ravel(), self.layers, key=key),
            loss=expectation(negative_mean_elbo, self.estimator),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            draw_image=lambda model, key: model.sample_prior(key).reshape(shape),
            transform=view_of_images(as_vectors),
        )


def as_vectors(images: jax.Array) -> jax.Array:
    """Images as vectors of their pixels."""
    return images.reshape(len(images), -1)

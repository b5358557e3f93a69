"""A count classifier: a convolutional network that is told the counts. The only one here that sees labels."""

from dataclasses import dataclass
from typing import ClassVar

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.interfaces import DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.learner import LABELLED, GradientLearner
from subitize.models.count_classifier import CountClassifier, CountClassifierSettings, cross_entropy
from subitize.training.recipe import Data


@dataclass(frozen=True)
class CountClassifierOptions:
    """A supervised counter: it is told how many objects each scene holds, and nothing else is.

    Args:
        max_objects: the largest count that it tells from the others.
        features: length of the vector before the last layer.
    """

    max_objects: int = 4
    features: int = CountClassifierSettings.features
    defaults: ClassVar[dict] = {"learning_rate": 1e-3}
    supervised: ClassVar[bool] = True  # batches carry labels

    def __post_init__(self):
        check_bounds(self)

    def check(self, data: Data) -> None:
        """Refuse scenes of more objects than it tells apart.

        Raises:
            UsageError: there are some.
        """
        if data.counts is not None and max(data.counts, default=0) > self.max_objects:
            raise UsageError(
                f"A classifier of counts up to {self.max_objects} cannot learn scenes of {max(data.counts)}. "
                "Raise `max_objects`, or leave the larger counts out."
            )

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> GradientLearner:
        """A learner that follows the cross-entropy of the counts."""
        shapes = data.height, data.width, data.channels
        settings = CountClassifierSettings(*shapes, classes=self.max_objects + 1, features=self.features)
        return GradientLearner(
            build=lambda key, batch: CountClassifier(settings, key=key),
            loss=expectation(cross_entropy),
            optimizer=optimizer.transformation(steps),
            learning_rate=optimizer.learning_rate,
            transform=LABELLED,
        )

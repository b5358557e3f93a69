"""The subitizing autoencoder as something to train; the model itself is `subitize.models.subitizing_vae`."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Float, PRNGKeyArray
from optax import GradientTransformation

from subitize.core.bounds import check_bounds
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.learner import GenerativeLearner
from subitize.models.subitizing_vae import SubitizingVAE, SubitizingVAESettings, negative_elbo


@dataclass(frozen=True)
class SubitizingVAEOptions:
    """A variational autoencoder that compares pictures as they look (Wever and Runia 2018).

    Args:
        code: dimensions of z.
        features: length of the vector between the convolutions and the code.
        perceptual: share of the perceptual error in the loss, from 0 to 1; at 0 the loss is minus the bound.
        pixel_deviation: standard deviation of a pixel around the reconstruction.
    """

    code: int = SubitizingVAESettings.code
    features: int = SubitizingVAESettings.features
    perceptual: float = SubitizingVAESettings.perceptual
    pixel_deviation: float = SubitizingVAESettings.pixel_deviation
    defaults: ClassVar[dict] = {"learning_rate": 1e-3, "grad_clip_norm": 100.0}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> GenerativeLearner:
        """A learner that follows the loss, from the mean picture of its first batch."""
        settings = SubitizingVAESettings(
            height=data.height,
            width=data.width,
            channels=data.channels,
            code=self.code,
            features=self.features,
            perceptual=self.perceptual,
            pixel_deviation=self.pixel_deviation,
        )
        return autoencoder_learner(settings, optimizer.transformation(steps), optimizer.learning_rate)


def autoencoder_learner(
    settings: SubitizingVAESettings,
    optimizer: GradientTransformation,
    learning_rate: float,
    mean: Float[Array, "height width channels"] | None = None,
) -> GenerativeLearner:
    """A learner of an autoencoder, which follows its loss.

    Args:
        settings: sizes.
        optimizer: as optax has it.
        learning_rate: its first one.
        mean: the picture to begin with; the mean of the first batch if None.
    """

    def build(key: PRNGKeyArray, batch: Batch) -> SubitizingVAE:
        return SubitizingVAE(settings, key=key, mean=batch.image.mean(0) if mean is None else mean)

    return GenerativeLearner(
        build=build,
        loss=expectation(negative_elbo),
        optimizer=optimizer,
        learning_rate=learning_rate,
        draw_image=lambda model, key: model.sample_prior(key),
    )

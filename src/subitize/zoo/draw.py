"""DRAW (Gregor et al. 2015) as something to train; the model itself is `subitize.models.draw`."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jaxtyping import Array, Float, PRNGKeyArray
from optax import GradientTransformation

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec
from subitize.core.optimizer import Optimizer
from subitize.gradients import expectation
from subitize.gradients.learner import GenerativeLearner, view_of_images
from subitize.models.draw import DRAW, DRAWSettings, negative_elbo


@dataclass(frozen=True)
class DRAWOptions:
    """DRAW, which paints a grey picture stroke by stroke (Gregor et al. 2015).

    Args:
        glimpses: T, how many strokes.
        hidden: units of the encoder, and of the decoder.
        code: dimensions of each z_t.
        read: filters along each side of the grid that reads.
        write: filters along each side of the grid that writes.
    """

    glimpses: int = 16
    hidden: int = DRAWSettings.hidden
    code: int = 20
    read: int = DRAWSettings.read
    write: int = DRAWSettings.write
    defaults: ClassVar[dict] = {"scenes": "bits(of='digits')", "learning_rate": 1e-3, "grad_clip_norm": 10.0}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> GenerativeLearner:
        """A learner that follows the bound, from the mean picture of its first batch.

        Raises:
            UsageError: the pictures have colours.
        """
        if data.channels != 1:
            raise UsageError(f"DRAW paints grey pictures; got {data.channels} channels. Use --channels 1.")
        sizes = (self.glimpses, self.hidden, self.code, self.read, self.write)
        settings = DRAWSettings(data.height, data.width, *sizes)
        return draw_learner(settings, optimizer.transformation(steps), optimizer.learning_rate)


def draw_learner(
    settings: DRAWSettings,
    optimizer: GradientTransformation,
    learning_rate: float,
    mean: Float[Array, "height width"] | None = None,
) -> GenerativeLearner:
    """A learner of a DRAW, which follows the bound.

    Args:
        settings: sizes.
        optimizer: as optax has it.
        learning_rate: its first one.
        mean: the picture to begin with; the mean of the first batch if None.
    """

    def build(key: PRNGKeyArray, batch: Batch) -> DRAW:
        return DRAW(settings, key=key, mean=batch.image.mean(0)[..., 0] if mean is None else mean)

    return GenerativeLearner(
        build=build,
        loss=expectation(negative_elbo),
        optimizer=optimizer,
        learning_rate=learning_rate,
        draw_image=lambda model, key: model.sample_prior(key)[-1][..., None],
        transform=view_of_images(without_channels),
    )


def without_channels(images: jax.Array) -> jax.Array:
    """Grey images without their last axis."""
    return images[..., 0]

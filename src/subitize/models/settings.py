"""Settings: everything that defines an Attend-Infer-Repeat besides its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AIRSettings:
    """Everything that defines an AIR besides its weights.

    Args:
        height, width, channels: of the images.
        model: which attention network it has, by its name in `subitize.models.air.ATTENTION_NETWORKS`.
        max_objects: N, the most objects that can be seen.
        object_size: mean side of a window in pixels.
        object_size_spread: its standard deviation, as a share of the mean.
        window: cells along the side of a window.
        what_dim: dimensions of an object's code.
        recurrent, head, encoder, decoder: widths of the networks.
        convolutions: (stride, channels) of those on the image; features: length of what they yield.
        places: cells along each side of the grid on which the next window's place is chosen.
        pixel_deviation: σ of the likelihood.
        count_prior: a word of `subitize.core.counts`.
        restlessness: deviation of a stochastic network's order of places, in units of what they deserve.
        passes: over each picture, once it has learned; those after the first refine what was found.
    """

    height: int = 50
    width: int = 50
    channels: int = 1
    model: str = "air"
    max_objects: int = 3
    object_size: float = 18.0
    object_size_spread: float = 0.08
    window: int = 16
    what_dim: int = 20
    recurrent: int = 256
    head: int = 200
    encoder: int = 200
    decoder: int = 200
    convolutions: tuple[tuple[int, int], ...] = ((4, 16), (2, 32))
    features: int = 128
    places: int = 13
    pixel_deviation: float = 0.3
    count_prior: str = "geometric(rate=0.001)"
    restlessness: float = 1.0
    passes: int = 1

    @property
    def zoom(self) -> float:
        """Shorter side of the canvas over the side of a window."""
        return min(self.height, self.width) / self.object_size

    @property
    def shift_deviations(self) -> tuple[float, float]:
        """Of a window placed uniformly inside the canvas, in half canvases: along x, and along y."""
        x, y = (max(1 - self.object_size / side, 0.1) / 3**0.5 for side in (self.width, self.height))
        return x, y

    @property
    def pool(self) -> int:
        """Pixels along the side of the blocks that the recurrent network sees."""
        return max(1, round(min(self.height, self.width) / 12.5))

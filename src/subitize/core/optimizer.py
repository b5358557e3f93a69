"""Optimizer: Adam, with a clipped gradient and a learning rate that is held and then falls."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from subitize.core.bounds import check_bounds

if TYPE_CHECKING:
    from optax import GradientTransformation
else:
    GradientTransformation = Any  # a command that only reads options loads no optax


@dataclass(frozen=True)
class Optimizer:
    """How a model follows its gradient.

    Args:
        learning_rate: of Adam, held for `hold` of the steps and then lowered linearly to `final_rate` of it.
        hold: share of the steps at the full learning rate.
        final_rate: last learning rate, as a share of the first.
        clip: largest norm of a gradient.
    """

    learning_rate: float = 2e-3
    hold: float = 0.1
    final_rate: float = 0.02
    clip: float = 30.0

    def __post_init__(self):
        check_bounds(self)

    def transformation(self, steps: int) -> GradientTransformation:
        """The optimizer of a training of so many steps, as optax has it."""
        import jax.numpy as jnp
        import optax

        def rate(step):
            fall = jnp.clip((step / steps - self.hold) / max(1 - self.hold, 1e-6), 0, 1)
            return self.learning_rate * (1 - (1 - self.final_rate) * fall)

        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(rate))

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
        learning_rate: of Adam, held for a while and then lowered linearly to `final_rate` of it.
        lr_hold_fraction: share of the steps at the full learning rate.
        final_rate: last learning rate, as a share of the first.
        grad_clip_norm: largest norm of a gradient.
        b1: of Adam, the weight of the past in its running mean of gradients.
    """

    learning_rate: float = 2e-3
    lr_hold_fraction: float = 0.1
    final_rate: float = 0.02
    grad_clip_norm: float = 30.0
    b1: float = 0.9

    def __post_init__(self):
        check_bounds(self)

    def transformation(self, steps: int) -> GradientTransformation:
        """The optimizer of a training of so many steps, as optax has it."""
        import optax

        held = round(self.lr_hold_fraction * steps)
        rate = optax.linear_schedule(
            self.learning_rate, self.final_rate * self.learning_rate, steps - held, transition_begin=held
        )
        return optax.chain(optax.clip_by_global_norm(self.grad_clip_norm), optax.adam(rate, b1=self.b1))

"""The two sides of an identity.

    left = right

Each side is computed by its own method. So their difference tests the identity.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Sides:
    """Both sides of an identity, as arrays of one shape."""

    left: Float[np.ndarray, "*shape"]
    right: Float[np.ndarray, "*shape"]

    @property
    def difference(self) -> float:
        """The largest absolute difference between the sides."""
        return float(np.max(np.abs(self.left - self.right)))

"""DAIR: Attend-Infer-Repeat, fed by the difference between the image and what it has painted so far.

Eslami et al. (2016) found that AIR, trained on scenes of up to two digits, does not see a third, and that a
network which sees the difference does. What makes it so here:

* it remembers nothing, so a later step cannot be told from an earlier one: whatever it does once, it can do
  again, for as many steps as anybody asks for;
* it looks everywhere alike. The difference d and the canvas c go through convolutions, every cell i of the
  grid that remains says how much it deserves attention, and the one that deserves most is attended to:

      i* = argmax_i s_i(d, c),    where ~ Normal(loc_i*, …),    go_on = go_on_i*,

  so whether to go on is asked of one place alone, and a third object elsewhere does not enter the answer.
  The derivative of the choice is that of softmax(β s): a window at the mean of two likely places would fall
  between them.
"""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from subitize.core.distributions import Normal
from subitize.core.networks import Linear, convolve, deviation
from subitize.models.guide import SHARPNESS, AbstractGuide, Attention
from subitize.models.settings import AIRSettings

RESTLESS = 4.0  # deviation of what is added to the order of places, in units of what they deserve
CONVOLUTIONS = ((4, 24), (2, 48), (1, 64))  # (stride, channels)


class Difference(AbstractGuide):
    """No memory: each step sees what is not yet explained, and what is.

    Args:
        settings: sizes.
        keys: at least one, for the initial weights.
    """

    convolutions: tuple[Linear, ...]
    order: Float[
        Array, "rows columns"
    ]  # of places that deserve the same: or a window would fall between them
    head: Linear  # of each cell: attention, going on, and q(where) around the cell
    settings: AIRSettings = eqx.field(static=True)
    extends: ClassVar[bool] = True
    breaks_ties: ClassVar[bool] = True

    def __init__(self, settings: AIRSettings, keys: Key[Array, " keys"]):
        self.settings = settings
        *layers, last, tie = jr.split(keys[0], len(CONVOLUTIONS) + 2)
        depth, convolutions = 2 * settings.channels, []
        for (stride, channels), key in zip(CONVOLUTIONS, layers, strict=True):
            convolutions.append(Linear(4 * stride**2 * depth, channels, key=key))
            depth = channels
        self.convolutions = tuple(convolutions)
        self.head = Linear(depth, 8, key=last, scale=0.1)
        pitch = math.prod(stride for stride, _ in CONVOLUTIONS)
        self.order = jr.normal(tie, (-(-settings.height // pitch), -(-settings.width // pitch)))

    def restless(self, number: int | Array) -> "Difference":
        """Another order of places; what clearly deserves attention most still gets it."""
        other = RESTLESS * jr.normal(jr.fold_in(jr.key(0), number), self.order.shape)
        return eqx.tree_at(lambda guide: guide.order, self, self.order + (number > 0) * other)

    def begin(self, image: Float[Array, "height width channels"]) -> None:
        """Nothing."""

    def attend(
        self, step: int | Array, memory: Any, image: Array, canvas: Array, latest: Array
    ) -> tuple[Attention, Any]:
        """Attend to the cell that deserves it most."""
        cells = jnp.concatenate([image - canvas, canvas], -1)
        for convolution, (stride, _) in zip(self.convolutions, CONVOLUTIONS, strict=True):
            cells = convolve(convolution, cells, stride)
        said = jax.vmap(jax.vmap(self.head))(cells)
        soft = jax.nn.softmax(SHARPNESS * (said[..., 0] + self.order).ravel())
        hard = (jnp.arange(soft.size) == jnp.argmax(soft)).astype(soft.dtype)
        weights = (soft + jax.lax.stop_gradient(hard - soft)).reshape(said.shape[:2])
        go_on, size, x, y, *scale = jnp.moveaxis(said[..., 1:], -1, 0)
        centre_x, centre_y = self.centres(*said.shape[:2])
        loc = jnp.stack([size, x + centre_x, y + centre_y])
        attended = lambda values: jnp.sum(weights * values, (-2, -1))  # noqa: E731
        where = Normal(attended(loc), deviation(attended(jnp.stack(scale))))
        return Attention(attended(go_on), where), None

    def centres(self, rows: int, columns: int) -> tuple[Array, Array]:
        """Places (x, y) of every cell's centre, in standard units of the prior on places."""
        s = self.settings
        pitch = math.prod(stride for stride, _ in CONVOLUTIONS)
        x = (2 * pitch * (jnp.arange(columns) + 0.5) / s.width - 1) / s.shift_deviation
        y = (2 * pitch * (jnp.arange(rows) + 0.5) / s.height - 1) / s.shift_deviation
        return jnp.broadcast_to(x, (rows, columns)), jnp.broadcast_to(y[:, None], (rows, columns))

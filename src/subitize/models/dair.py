"""DAIR: Attend-Infer-Repeat, fed by the difference between the image and what it has painted so far.

Eslami et al. (2016) found that AIR, trained on scenes of up to two digits, does not see a third, and that a
network which sees the difference does. What makes it so here:

* it remembers nothing, so a later step cannot be told from an earlier one: whatever it does once, it can do
  again, for as many steps as anybody asks for;
* it looks everywhere alike. The difference d and the canvas c go through convolutions, and every cell i of
  the grid that remains answers whether there is something left where it looks, λ_i, where exactly, and
  how much it wishes to be the one that is asked, s_i. Attended to is the cell

      i* = argmax_i log σ(λ_i) + s_i + o_i,    where ~ Normal(loc_i*, …),    continue_logit = λ_i*,

  so whether to go on is asked of one place alone, a third object elsewhere does not enter the answer, and of
  two places with the same s + o the one that is surer of going on comes first. A window at the mean of two
  likely places would fall between them, so one is chosen;
* its choice learns where to look, from near places, and not whether. How the bound changes as a window moves
  says nothing about places further away, so the derivative of the choice is that of softmax(β (log σ(λ) +
  s + o)) over i* and the cells next to it. It moves s and o alone: through log σ(λ) what a place is worth
  would bend what it believes, and from λ_i* the choice would learn that, where an empty place is attended
  to and rightly learns to say stop, places that are surer of going on deserve less;
* it is stochastic. To what a place deserves comes a share o_i ~ Normal(ō_i, ρ), drawn before the first step
  and the same at all steps, so that of objects that deserve the same any may come first. Nobody infers o: its
  posterior is its prior, and so it adds no term to the bound, which is averaged over it. The network learns
  from many orders, and may look at a picture again in another one.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PyTree

from subitize.core.distributions import Normal
from subitize.core.interfaces import Draw
from subitize.core.networks import Linear, convolve, positive_scale
from subitize.models.attention import SHARPNESS, AbstractAttention, AttentionOutput
from subitize.models.settings import AIRSettings

CONVOLUTIONS = ((4, 24), (2, 48), (1, 64))  # (stride, channels)


class DifferenceAttention(AbstractAttention):
    """A network without a state of its steps: each sees what is not yet explained, and what is.

    Args:
        settings: sizes.
        keys: at least one, for the initial weights.
    """

    convolutions: tuple[Linear, ...]
    order: Float[Array, "rows columns"]  # ō: of places that deserve the same
    head: Linear  # of each cell: its priority, going on, and q(where) around the cell
    settings: AIRSettings = eqx.field(static=True)
    any_length: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    def __init__(self, settings: AIRSettings, keys: Key[Array, " keys"]):
        self.settings = settings
        *layers, last, order = jr.split(keys[0], len(CONVOLUTIONS) + 2)
        depth, convolutions = 2 * settings.channels, []
        for (stride, channels), key in zip(CONVOLUTIONS, layers, strict=True):
            convolutions.append(Linear(4 * stride**2 * depth, channels, key=key))
            depth = channels
        self.convolutions = tuple(convolutions)
        self.head = Linear(depth, 8, key=last, scale=0.1)
        pitch = math.prod(stride for stride, _ in CONVOLUTIONS)
        self.order = jr.normal(order, (-(-settings.height // pitch), -(-settings.width // pitch)))

    def begin(self, image: Float[Array, "height width channels"], draw: Draw) -> Float[Array, "rows columns"]:
        """The order of places, drawn; of the image nothing."""
        return draw("order", Normal(self.order, jnp.full_like(self.order, self.settings.restlessness)))

    def attend(
        self, step: int | Array, state: PyTree, image: Array, canvas: Array, previous: Array
    ) -> tuple[AttentionOutput, PyTree]:
        """Attend to the cell that deserves it most; `state` is the order of places."""
        cells = jnp.concatenate([image - canvas, canvas], -1)
        for convolution, (stride, _) in zip(self.convolutions, CONVOLUTIONS, strict=True):
            cells = convolve(convolution, cells, stride)
        priority, continue_logit, size, x, y, *scale = jnp.moveaxis(
            jax.vmap(jax.vmap(self.head))(cells), -1, 0
        )
        fixed = jax.lax.stop_gradient
        score = fixed(jax.nn.log_sigmoid(continue_logit)) + priority + state
        chosen, near = neighbourhood(score)
        soft = jax.nn.softmax(SHARPNESS * score, (-2, -1), where=near)
        weights = chosen + (soft - fixed(soft))
        attended = lambda said: jnp.sum(weights * said, (-2, -1))  # noqa: E731
        centre_x, centre_y = self.centres(*soft.shape)
        loc = jnp.stack([size, x + centre_x, y + centre_y])
        where = Normal(attended(loc), positive_scale(attended(jnp.stack(scale))))
        return AttentionOutput(jnp.sum(chosen * continue_logit), where), state

    def centres(self, rows: int, columns: int) -> tuple[Array, Array]:
        """Places (x, y) of every cell's centre, in standard units of the prior on places."""
        s = self.settings
        pitch = math.prod(stride for stride, _ in CONVOLUTIONS)
        across, down = s.shift_deviations
        x = (2 * pitch * (jnp.arange(columns) + 0.5) / s.width - 1) / across
        y = (2 * pitch * (jnp.arange(rows) + 0.5) / s.height - 1) / down
        return jnp.broadcast_to(x, (rows, columns)), jnp.broadcast_to(y[:, None], (rows, columns))


def neighbourhood(
    score: Float[Array, "rows columns"],
) -> tuple[Float[Array, "rows columns"], Bool[Array, "rows columns"]]:
    """The cell that deserves most, as a one among zeros, and which cells are next to it, itself included."""
    rows, columns = (jnp.arange(n) for n in score.shape)
    row, column = jnp.divmod(jnp.argmax(score), columns.size)
    away = jnp.maximum(jnp.abs(rows - row)[:, None], jnp.abs(columns - column))
    return (away == 0).astype(score.dtype), away <= 1

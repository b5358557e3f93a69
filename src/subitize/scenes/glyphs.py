"""How is a stored digit brought to any side, smoothly?

Pixel i of a digit of side s, made from one of side S, looks at source coordinate u_i = (i + 1/2) S / s
through a hat as wide as the larger of the two pixels, w = max(1, S / s):

    A[i, j] proportional to max(0, 1 - |u_i - j - 1/2| / w),      ink = A digit A^T.

Rows sum to one over a source that goes on, black, beyond its edges: no pixel exceeds 1, nothing aliases.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8


def hat(side: Float[Array, ""], source: int, window: int) -> Float[Array, "window source"]:
    """The matrix A for one axis; pixels of the window beyond `side` stay black."""
    ratio = source / side
    wide = jnp.maximum(ratio, 1.0)
    margin = 12  # how far beyond the edges a hat reaches: sides of 4 pixels and more shrink 28 by less
    centre = (jnp.arange(window, dtype=jnp.float32) + 0.5) * ratio
    distance = jnp.abs(centre[:, None] - jnp.arange(-margin, source + margin) - 0.5)
    weights = jnp.maximum(0.0, 1 - distance / wide)
    weights = weights / jnp.maximum(weights.sum(1, keepdims=True), 1e-6)
    return weights[:, margin:-margin] * (jnp.arange(window) < side)[:, None]


def draw_glyphs(
    key: PRNGKeyArray,
    pictures: UInt8[Array, "pictures source source"],
    classes: Int[Array, "pictures"],
    sides: Float[Array, "objects"],
    window: int,
) -> tuple[Float[Array, "objects window window"], Int[Array, "objects"]]:
    """Choose a stored picture for each side, any as likely as the others, and bring it to that side.

    Args:
        key: chooses the pictures.
        pictures: ink from 0 to 255.
        classes: what each picture shows.
        sides: in pixels, none above `window`.
        window: side of the array each one is returned in, in its top left corner.

    Returns:
        Ink in 0..1 and the classes of the pictures chosen.
    """
    chosen = jr.randint(key, sides.shape, 0, len(pictures), jnp.int32)

    def draw(picture, side):
        axis = hat(side, picture.shape[0], window)
        return axis @ (picture.astype(jnp.float32) / 255) @ axis.T

    return jax.vmap(draw)(pictures[chosen], sides), classes[chosen]

"""What are pictures as they are, one at a time? A stack on the device, of which a scene draws one."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray, UInt8

from subitize.scenes.base import AbstractScenes, Scene


class AbstractStack(AbstractScenes):
    """Scenes that are pictures from a stack: count -1, no boxes, no labels."""

    pictures: eqx.AbstractVar[UInt8[Array, "pictures height width channels"]]

    @property
    def height(self) -> int:
        """Rows of a picture."""
        return self.pictures.shape[1]

    @property
    def width(self) -> int:
        """Columns of a picture."""
        return self.pictures.shape[2]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.pictures.shape[3]

    @property
    def counts(self) -> tuple[int, ...]:
        """Nobody knows them."""
        return ()

    def scene(self, key: PRNGKeyArray) -> Scene:
        """One picture of this split, any as likely as the others."""
        picture = self.pictures[jr.randint(key, (), 0, len(self.pictures), jnp.int32)]
        unknown, nobody = jnp.array(-1, jnp.int32), jnp.zeros((0,), jnp.int32)
        return Scene(picture.astype(jnp.float32) / 255, unknown, jnp.zeros((0, 4), jnp.float32), nobody)

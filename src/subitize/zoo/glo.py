"""Generative latent optimization: every training picture has its own latent, learned beside the generator.

    minimise over θ and z_1 … z_n    Σ_i ℓ(G_θ(z_i), x_i)    with |z_i| ≤ 1

There is neither an encoder nor a discriminator. The loss ℓ is squared error, or L1 between the levels of
Laplacian pyramids (Ling and Okada 2006), Σ_j 2^-2j |L_j(x) - L_j(y)|_1. To draw an image, a Gaussian is
fitted to the learned z_i, and z drawn from it.

Bojanowski, Joulin, Lopez-Paz and Szlam (2018), "Optimizing the latent space of generative networks".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.optimizer import Optimizer
from subitize.models.decoder import Decoder

LEVELS = 3  # of a Laplacian pyramid
RIDGE = 1e-6  # added to the variances of latents, so that their covariance has a factor


@dataclass(frozen=True)
class GLOOptions:
    """A generator with a learned latent for every training picture (Bojanowski et al. 2018).

    Args:
        latent_dim: dimensions of a latent.
        features: units of the generator's fully connected layer.
        loss: laplacian, L1 between Laplacian pyramids, or squared.
        latent_lr_factor: learning rate of the latents, by gradient descent, over the generator's, by Adam.
    """

    latent_dim: int = 32
    features: int = 256
    loss: Literal["laplacian", "squared"] = "laplacian"
    latent_lr_factor: float = 10.0
    defaults: ClassVar[dict] = {
        "scenes": "images(of='digits')", "learning_rate": 1e-3, "epochs": True, "batch_size": 128,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {"cpu": {"scenes": "images(of='mnist')", "steps": 10_000}}

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "GLOLearner":
        """A learner of a finite set of pictures.

        Raises:
            UsageError: the pictures are drawn and never come again, so none can have a latent of its own.
        """
        if data.size is None:
            raise UsageError(
                "GLO learns a latent for every training picture, and these scenes never come again. Use a "
                "finite set, such as --scenes \"images(of='digits')\" or a folder."
            )
        return GLOLearner(
            build=lambda key, batch: Decoder(batch.image.mean(0), self.latent_dim, self.features, key=key),
            paint=lambda generator, z: jax.nn.sigmoid(generator(z)),
            loss=LOSSES[self.loss],
            latents=(data.size, self.latent_dim),
            optimizer=optimizer.transformation(steps),
            latent_rate=self.latent_lr_factor * optimizer.learning_rate,
        )


class GLO(NamedTuple):
    """What GLO learned: the generator, and the Gaussian that was fitted to the latents."""

    generator: PyTree
    mean: Float[Array, " latents"]
    factor: Float[Array, "latents latents"]  # lower Cholesky factor of the covariance


class GLOState(NamedTuple):
    """All that the next step needs."""

    generator: PyTree
    latents: Float[Array, "pictures latents"]
    optimizer: optax.OptState
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False, kw_only=True)
class GLOLearner:
    """A learner of a generator and of the latents of its training pictures.

    Args:
        build: (key, first batch) -> generator.
        paint: (generator, latent) -> image.
        loss: between two images.
        latents: how many pictures, and dimensions of the latent of each.
        optimizer: of the generator, as optax has it.
        latent_rate: learning rate of the latents.
    """

    build: Callable[[PRNGKeyArray, Batch], PyTree]
    paint: Callable[[PyTree, Array], Array]
    loss: Callable[[Array, Array], Array]
    latents: tuple[int, int]
    optimizer: optax.GradientTransformation
    latent_rate: float

    def init(self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0) -> GLOState:
        """The state before the first step; latents begin at random on the unit sphere."""
        generator, latents = self.build(key, batch), jr.normal(jr.fold_in(key, 1), self.latents)
        latents = latents / jnp.linalg.norm(latents, axis=1, keepdims=True)
        scale = jnp.asarray(learning_rate_scale, batch.image.dtype)
        return GLOState(generator, latents, self.optimizer.init(generator), scale)

    def step(self, state: GLOState, batch: Batch, key: PRNGKeyArray) -> tuple[GLOState, Metrics]:
        """The state after one update of the generator and of the latents of this batch."""

        def loss_of(generator: PyTree, z: Array) -> Array:
            painted = jax.vmap(self.paint, (None, 0))(generator, z)
            return jax.vmap(self.loss)(painted, batch.image).mean()

        given = state.generator, state.latents[batch.index]
        loss, gradients = jax.value_and_grad(loss_of, argnums=(0, 1))(*given)
        change, optimizer = self.optimizer.update(gradients[0], state.optimizer, state.generator)
        change = optax.tree.scale(state.learning_rate_scale, change)
        moves = -self.latent_rate * state.learning_rate_scale * gradients[1]
        latents = state.latents.at[batch.index].add(moves)
        state = state._replace(
            generator=optax.apply_updates(state.generator, change),
            latents=latents.at[batch.index].set(inside(latents[batch.index])),
            optimizer=optimizer,
        )
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradients)}

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> GLO:
        """The generator before the first step, and a Gaussian for its latents."""
        _, d = self.latents
        return GLO(self.build(key, batch), jnp.zeros(d), jnp.eye(d))

    def params(self, state: GLOState) -> GLO:
        """The generator, and the Gaussian that fits the latents."""
        mean = state.latents.mean(0)
        centred = state.latents - mean
        covariance = centred.T @ centred / len(centred) + RIDGE * jnp.eye(len(mean))
        return GLO(state.generator, mean, jnp.linalg.cholesky(covariance))

    def sample(self, params: GLO, key: PRNGKeyArray, n: int) -> Float[Array, "n ..."]:
        """N images of latents from the Gaussian that fits those of the training pictures."""
        z = params.mean + jr.normal(key, (n, len(params.mean))) @ params.factor.T
        return jax.vmap(self.paint, (None, 0))(params.generator, inside(z))


def inside(z: Float[Array, "n latents"]) -> Float[Array, "n latents"]:
    """Latents projected into the unit ball."""
    return z / jnp.maximum(1, jnp.linalg.norm(z, axis=1, keepdims=True))


def squared(x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, ""]:
    """Sum of squared errors."""
    return jnp.sum((x - y) ** 2)


def laplacian(x: Float[Array, "h w c"], y: Float[Array, "h w c"]) -> Float[Array, ""]:
    """Σ_j 2^-2j |L_j(x) - L_j(y)|_1 over the levels of a Laplacian pyramid; by linearity that of x - y."""
    rest, total = x - y, jnp.zeros(())
    for level in range(LEVELS - 1):
        small = halved(rest)
        total += 4.0**-level * jnp.abs(rest - doubled(small, rest.shape)).sum()
        rest = small
    return total + 4.0 ** -(LEVELS - 1) * jnp.abs(rest).sum()


def halved(x: Float[Array, "h w c"]) -> Float[Array, "rows columns c"]:
    """Half as large, each pixel the mean of a block."""
    height, width, channels = x.shape
    shape = (-(-height // 2), -(-width // 2), channels)
    return jax.image.resize(x, shape, "linear", antialias=True)


def doubled(x: Float[Array, "rows columns c"], shape: tuple[int, ...]) -> Float[Array, "h w c"]:
    """As large as before."""
    return jax.image.resize(x, shape, "linear")


LOSSES: dict[str, Callable[[Array, Array], Array]] = {"laplacian": laplacian, "squared": squared}

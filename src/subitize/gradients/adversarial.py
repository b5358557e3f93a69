"""Adversarial learner: two players, each of which follows the gradient of its own loss.

    discriminator   φ  ←  φ - η ∇_φ L_D(θ, φ)
    generator       θ  ←  θ - η ∇_θ L_G(θ, φ)

Both gradients are taken at the same (θ, φ), with the same randomness, and both players move at once. Images
are drawn from a running mean of the generator's weights, which smooths the circling of the players.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.nn import softplus
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.interfaces import Batch, Metrics

Loss = Callable[[PyTree, PyTree, Batch, PRNGKeyArray], tuple[Array, Metrics]]


class AdversarialState(NamedTuple):
    """All that the next step needs."""

    step: Int[Array, ""]  # completed updates
    generator: PyTree
    discriminator: PyTree
    average: PyTree  # running mean of the generator
    generator_optimizer: PyTree
    discriminator_optimizer: PyTree
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False, kw_only=True)
class AdversarialLearner:
    """A learner with two players.

    Args:
        build: (key, first batch) -> generator, discriminator.
        generator_loss: (generator, discriminator, batch, key) -> its loss, metrics.
        discriminator_loss: the same of the other player.
        optimizer: of both players.
        draw_image: (generator, key) -> one image.
        ema: weight of the past in the running mean of the generator.
    """

    build: Callable[[PRNGKeyArray, Batch], tuple[PyTree, PyTree]]
    generator_loss: Loss
    discriminator_loss: Loss
    optimizer: optax.GradientTransformation
    draw_image: Callable[[PyTree, PRNGKeyArray], Array]
    ema: float = 0.999

    def init(
        self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0
    ) -> AdversarialState:
        """The state before the first step."""
        generator, discriminator = self.build(key, batch)
        optimizers = self.optimizer.init(generator), self.optimizer.init(discriminator)
        scale = jnp.asarray(learning_rate_scale, batch.image.dtype)
        step = jnp.zeros((), jnp.int32)
        return AdversarialState(step, generator, discriminator, generator, *optimizers, scale)

    def step(
        self, state: AdversarialState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[AdversarialState, Metrics]:
        """The state after one update of both players; metrics are both losses and what the losses report."""
        given = state.generator, state.discriminator, batch, key
        differentiate = jax.value_and_grad(self.generator_loss, argnums=0, has_aux=True)
        (loss, metrics), for_generator = differentiate(*given)
        differentiate = jax.value_and_grad(self.discriminator_loss, argnums=1, has_aux=True)
        (discriminator_loss, more), for_discriminator = differentiate(*given)
        generator, generator_optimizer = self._moved(
            state.generator, for_generator, state.generator_optimizer, state.learning_rate_scale
        )
        discriminator, discriminator_optimizer = self._moved(
            state.discriminator, for_discriminator, state.discriminator_optimizer, state.learning_rate_scale
        )
        kept = jnp.minimum(self.ema, state.step / (state.step + 10))  # at first the mean is of the latest
        average = optax.incremental_update(generator, state.average, 1 - kept)
        norms = {
            "gradient_norm": optax.tree.norm(for_generator),
            "discriminator_gradient_norm": optax.tree.norm(for_discriminator),
        }
        state = state._replace(
            step=state.step + 1,
            generator=generator,
            discriminator=discriminator,
            average=average,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
        )
        return state, {"loss": loss, "discriminator_loss": discriminator_loss} | norms | {**metrics, **more}

    def _moved(self, player: PyTree, gradient: PyTree, optimizer: PyTree, scale: Array) -> tuple:
        """A player after a step along its gradient, and its optimizer's state."""
        change, optimizer = self.optimizer.update(gradient, optimizer, player)
        return optax.apply_updates(player, optax.tree.scale(scale, change)), optimizer

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> tuple[PyTree, PyTree]:
        """Both players before the first step."""
        return self.build(key, batch)

    def params(self, state: AdversarialState) -> tuple[PyTree, PyTree]:
        """The running mean of the generator, and the discriminator."""
        return state.average, state.discriminator

    def sample(self, params: tuple[PyTree, PyTree], key: PRNGKeyArray, n: int) -> Float[Array, "n ..."]:
        """N images of the generator."""
        return jax.vmap(lambda k: self.draw_image(params[0], k))(jr.split(key, n))

    def score(self, params: tuple[PyTree, PyTree], batch: Batch, key: PRNGKeyArray) -> Metrics:
        """Both losses on examples that the players may not have seen."""
        loss, metrics = self.generator_loss(*params, batch, key)
        discriminator_loss, more = self.discriminator_loss(*params, batch, key)
        return {"loss": loss, "discriminator_loss": discriminator_loss} | {**metrics, **more}


def generator_loss(fake: Float[Array, " batch"]) -> Float[Array, ""]:
    """E[-log D(G(z))], of log-odds that generated examples are real."""
    return softplus(-fake).mean()


def discriminator_loss(real: Float[Array, " batch"], fake: Float[Array, " batch"]) -> Float[Array, ""]:
    """½ E[-log D(x)] + ½ E[-log(1 - D(G(z)))], of log-odds that examples are real."""
    return (softplus(-real).mean() + softplus(fake).mean()) / 2


def r1_penalty(slope: Float[Array, "batch ..."], weight: float) -> Float[Array, ""]:
    """½ γ E[|∂ logit D(x) / ∂x|²], of the gradients at real examples and the weight γ."""
    return weight / 2 * jnp.sum(slope**2) / len(slope)

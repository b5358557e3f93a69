"""Diffusion learner: a chain that turns pictures into noise is learned backwards, one step at a time.

    q(x_t | x_{t-1})     t = 1 … T: a little noise, until x_T has nothing of x_0 left; fixed
    p(x_{t-1} | x_t)     the reverse chain from p(x_T); learned

    -log p(x_0)  ≤  KL(q(x_T | x_0) | p(x_T)) + Σ_t L_t
    L_1 = E_q[-log p(x_0 | x_1)],    L_t = E_q[KL(q(x_{t-1} | x_t, x_0) | p(x_{t-1} | x_t))]

x_t can be drawn from q(x_t | x_0) at once, so T L_t at one random t is an unbiased estimate of the sum. The
times of a batch are drawn together, u + i/n modulo one for picture i: each is uniform, and they are spread
(Kingma, Salimans, Poole and Ho 2021, "Variational diffusion models").
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from subitize.core.distributions import Bernoulli, Normal
from subitize.core.interfaces import Batch, Draw
from subitize.gradients.learner import BatchTransform, GradientLearner

AT_ONCE = 100  # pictures whose bound is found together
Change = Callable[[Array, Array, PRNGKeyArray], Array]
Step = TypeVar("Step", Bernoulli, Normal)  # a distribution of one x_t


class AbstractDiffusion(eqx.Module, Generic[Step]):
    """Both chains, for one picture as a vector. Times are from 1 to T."""

    T: eqx.AbstractVar[int]

    @abc.abstractmethod
    def prior(self) -> Step:
        """p(x_T)."""

    @abc.abstractmethod
    def forward(self, x_0: Float[Array, " pixels"], t: Int[Array, ""]) -> Step:
        """q(x_t | x_0)."""

    @abc.abstractmethod
    def onward(self, x: Float[Array, " pixels"], t: Int[Array, ""]) -> Step:
        """q(x_t | x_{t-1})."""

    @abc.abstractmethod
    def posterior(
        self, x_t: Float[Array, " pixels"], x_0: Float[Array, " pixels"], t: Int[Array, ""]
    ) -> Step:
        """q(x_{t-1} | x_t, x_0), for t from 2."""

    @abc.abstractmethod
    def reverse(self, x_t: Float[Array, " pixels"], t: Int[Array, ""]) -> Step:
        """p(x_{t-1} | x_t)."""

    @abc.abstractmethod
    def encode(self, image: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """x_0 of a picture."""

    @abc.abstractmethod
    def decode(self, x_0: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
        """The picture of an x_0."""

    @abc.abstractmethod
    def enter(
        self, x_0: Float[Array, " pixels"], noise: Array
    ) -> tuple[Float[Array, " pixels"], Int[Array, ""]]:
        """The x_t that a noisy x_0 is nearest to being, and t.

        Args:
            x_0: with noise on it.
            noise: how much, in units of the picture.
        """

    def constant(self, x_0: Float[Array, " pixels"]) -> Float[Array, ""]:
        """The term of the bound that knows no t: KL(q(x_T | x_0) | p(x_T)), in nats."""
        return self.forward(x_0, jnp.asarray(self.T)).kl(self.prior())

    def term(
        self, x_0: Float[Array, " pixels"], x_t: Float[Array, " pixels"], t: Int[Array, ""]
    ) -> Float[Array, ""]:
        """L_t of one x_t, in nats."""
        p = self.reverse(x_t, t)
        kl = self.posterior(x_t, x_0, jnp.maximum(t, 2)).kl(p)
        return jnp.where(t == 1, -p.log_prob(x_0), kl)

    def drawn_term(
        self, x_0: Float[Array, " pixels"], t: Int[Array, ""], key: PRNGKeyArray
    ) -> Float[Array, ""]:
        """L_t, for one x_t that is drawn, in nats."""
        return self.term(x_0, self.forward(x_0, t).sample(key), t)

    def bound(self, x_0: Float[Array, " pixels"], key: PRNGKeyArray) -> Float[Array, ""]:
        """A lower bound of log p(x_0) in its mean over keys, by one x_t for each t, in nats."""

        def add(total: Array, t: Array) -> tuple[Array, None]:
            return total + self.drawn_term(x_0, t, jr.fold_in(key, t)), None

        return -jax.lax.scan(add, self.constant(x_0), jnp.arange(1, self.T + 1))[0]

    def back(
        self, x_t: Float[Array, " pixels"], t: Int[Array, ""], key: PRNGKeyArray, change: Change
    ) -> Float[Array, " pixels"]:
        """The mean of p(x_0 | x_1) at the end of a reverse chain from x_t.

        Args:
            x_t: where the chain begins.
            t: when.
            key: of the chain.
            change: (x_t, t, key) -> x_t, before each step.
        """

        def step(i: Array, x: Array) -> Array:
            keys = jr.split(jr.fold_in(key, t - i))
            return self.reverse(change(x, t - i, keys[0]), t - i).sample(keys[1])

        x_1, one = jax.lax.fori_loop(0, t - 1, step, x_t), jnp.asarray(1)
        return self.reverse(change(x_1, one, jr.fold_in(key, 0)), one).mean()


def nothing_changed(x_t: Array, t: Array, key: PRNGKeyArray) -> Array:
    """The x_t of a chain that is left to itself."""
    return x_t


def estimate(
    model: AbstractDiffusion, example: tuple[Array, Array, PRNGKeyArray], draw: Draw
) -> Float[Array, ""]:
    """The cost: the bound of -log p(x) by T L_t at one t, which follows from a uniform u; in nats."""
    x, u, key = example
    x_0, t = model.encode(x), jnp.minimum(1 + jnp.floor(u * model.T).astype(jnp.int32), model.T)
    return model.constant(x_0) + model.T * model.drawn_term(x_0, t, key)


def at_random_times(view: Callable[[Array, PRNGKeyArray], Array]) -> BatchTransform:
    """The transform whose examples are (x, u, key): a picture, what its time follows from, and a key.

    Args:
        view: (images, key) -> pictures as vectors, with what is random about them.
    """

    def examples(buffer: tuple, batch: Batch, step: Array, key: PRNGKeyArray) -> tuple[Array, Array, Array]:
        keys, n = jr.split(key, 3), len(batch.image)
        u = (jr.uniform(keys[1]) + jnp.arange(n) / n) % 1
        return view(batch.image, keys[0]), u, jr.split(keys[2], n)

    return BatchTransform(lambda batch: (), examples, lambda *_: ())


@dataclass(frozen=True, eq=False, kw_only=True)
class DiffusionLearner(GradientLearner):
    """A gradient learner of a diffusion, which also completes pictures and takes noise off them.

    Args:
        shape: height, width and channels of a picture.
    """

    shape: tuple[int, int, int]

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N pictures, each at the end of a reverse chain of its own."""

        def one(key: PRNGKeyArray) -> Array:
            keys = jr.split(key)
            x_T = params.prior().sample(keys[0])
            return params.decode(params.back(x_T, jnp.asarray(params.T), keys[1], nothing_changed))

        return jax.vmap(one)(jr.split(key, n)).reshape(n, *self.shape)

    def bound(self, params: PyTree, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Float[Array, " n"]:
        """A lower bound of log p of each picture, in nats: the sum over all times."""
        x = images.reshape(len(images), -1)

        def one(given: tuple[Array, PRNGKeyArray]) -> Array:
            return params.bound(params.encode(given[0]), given[1])

        return jax.lax.map(one, (x, jr.split(key, len(x))), batch_size=AT_ONCE)

    def inpaint(
        self,
        params: PyTree,
        images: Float[Array, "n ..."],
        mask: Bool[Array, "*_ height width channels"],
        key: PRNGKeyArray,
        repeats: int = 10,
    ) -> Float[Array, "n height width channels"]:
        """Pictures whose unknown pixels are made up to fit the known ones; not quite their distribution.

        Before each step known pixels of x_t are overwritten by a draw from q(x_t | x_0). One such draw says
        little, and unknown pixels settle before the known ones are clear. So a step is taken back and
        repeated (Lugmayr et al. 2022, "RePaint: inpainting using denoising diffusion probabilistic models").

        Args:
            params: trained weights.
            images: brightness from 0 to 1, [n, height, width, channels].
            mask: True where a pixel is known; of each picture, or one for all.
            key: of the chains.
            repeats: how often a step is taken back.
        """

        def one(image: Array, known: Array, key: PRNGKeyArray) -> Array:
            keys, x_0 = jr.split(key), params.encode(image)

            def overwrite(x_t: Array, t: Array, key: PRNGKeyArray) -> Array:
                return jnp.where(known, params.forward(x_0, t).sample(key), x_t)

            def change(x_t: Array, t: Array, key: PRNGKeyArray) -> Array:
                def again(i: Array, x_t: Array) -> Array:
                    keys = jr.split(jr.fold_in(key, i), 3)
                    x = params.reverse(overwrite(x_t, t, keys[0]), t).sample(keys[1])
                    return params.onward(x, t).sample(keys[2])

                return overwrite(jax.lax.fori_loop(0, repeats, again, x_t), t, jr.fold_in(key, repeats))

            x_T = params.prior().sample(keys[0])
            made_up = params.decode(params.back(x_T, jnp.asarray(params.T), keys[1], change))
            return jnp.where(known, image, made_up)

        held = jnp.broadcast_to(mask, images.shape)
        vectors = images.reshape(len(images), -1), held.reshape(len(images), -1)
        return jax.vmap(one)(*vectors, jr.split(key, len(images))).reshape(images.shape)

    def denoise(
        self, params: PyTree, images: Float[Array, "n ..."], noise: float | Array, key: PRNGKeyArray
    ) -> Float[Array, "n height width channels"]:
        """Pictures drawn given noisy ones: the reverse chain begins at the t that has as much noise.

        Args:
            params: trained weights.
            images: noisy, [n, height, width, channels].
            noise: share of flipped pixels of black-and-white pictures; else its standard deviation.
            key: of the chains.
        """

        def one(image: Array, key: PRNGKeyArray) -> Array:
            x_t, t = params.enter(params.encode(image), jnp.asarray(noise))
            return params.decode(params.back(x_t, t, key, nothing_changed))

        x = images.reshape(len(images), -1)
        return jax.vmap(one)(x, jr.split(key, len(x))).reshape(images.shape)

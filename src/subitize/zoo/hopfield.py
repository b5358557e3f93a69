"""Hopfield network, which stores pictures and recalls them: the memoriser among generative models.

It follows no gradient. Each step puts the pictures of its batch into memory until that is full, and the
storage rule makes weights of what is in memory (`subitize.models.hopfield`). A sample begins at noise and is
recalled, so at best it is a stored picture, and else a spurious minimum of the energy.

Hebb's rule holds about 0.138 N random patterns of N units (Amit, Gutfreund and Sompolinsky 1985). Pictures of
digits are correlated, so it fails with far fewer of them. The pseudo-inverse and the modern network do not.

Amit, Gutfreund and Sompolinsky (1985), "Storing infinite numbers of patterns in a spin-glass model of neural
networks".
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from subitize.core.bounds import SHARE, Bound, check_bounds
from subitize.core.draws import bernoulli, binarized
from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.optimizer import Optimizer
from subitize.models.hopfield import Hopfield, ModernHopfield, hebb, pseudo_inverse, storkey

RULES = {"hebb": hebb, "storkey": storkey, "pseudo_inverse": pseudo_inverse}


@dataclass(frozen=True)
class HopfieldOptions:
    """A Hopfield network, which stores pictures and recalls them (Hopfield 1982, Ramsauer et al. 2021).

    Args:
        rule: how patterns become weights; the modern network keeps the patterns themselves.
        patterns: number that are stored: the first pictures seen.
        beta: inverse temperature of the modern network.
        sweeps: of updates in a recall.
        noise: share of the pixels of a picture that are flipped before its recall is measured.
    """

    rule: Literal["hebb", "storkey", "pseudo_inverse", "modern"] = "modern"
    patterns: int = 100
    beta: float = 1.0
    sweeps: int = 5
    noise: float = 0.1
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "batch_size": 100, "steps": 100,
    }  # fmt: skip
    bounds: ClassVar[dict[str, Bound]] = {
        "patterns": Bound(1, 16_384, "in stored pictures"),
        "beta": Bound(1e-6, 1e6, "an inverse temperature"),
        "sweeps": Bound(1, 1000, "in updates of every unit"),
        "noise": SHARE,
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "HopfieldLearner":
        """A learner that stores pictures; it has no use for an optimizer, nor for the number of steps."""
        return HopfieldLearner(self, (data.height, data.width, data.channels))


class HopfieldState(NamedTuple):
    """All that the next step needs."""

    network: PyTree  # a Hopfield or a ModernHopfield
    patterns: Float[Array, "patterns pixels"]  # of -1 and +1; rows of zeros are empty
    stored: Int[Array, ""]


@dataclass(frozen=True, eq=False)
class HopfieldLearner:
    """A learner that stores the pictures it sees, until its memory is full.

    Args:
        options: of the network.
        shape: height, width and channels of a picture.
    """

    options: HopfieldOptions
    shape: tuple[int, int, int]

    def init(
        self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0
    ) -> HopfieldState:
        """The state before the first step: an empty memory."""
        patterns = self.empty(batch)
        return HopfieldState(self.network(patterns), patterns, jnp.zeros((), jnp.int32))

    def step(self, state: HopfieldState, batch: Batch, key: PRNGKeyArray) -> tuple[HopfieldState, Metrics]:
        """The state with the batch in memory, as far as there is room; the loss is the recall error of it."""
        keys = jr.split(key)
        s = spins(batch, keys[0])
        places = state.stored + jnp.arange(len(s))
        patterns = state.patterns.at[places].set(s, mode="drop")
        stored = jnp.minimum(state.stored + len(s), self.options.patterns)
        network = jax.lax.cond(stored > state.stored, self.network, lambda _: state.network, patterns)
        error = self.recall_error(network, s, keys[1])
        return HopfieldState(network, patterns, stored), {"loss": error, "stored": stored.astype(s.dtype)}

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> PyTree:
        """The network that has stored nothing."""
        return self.network(self.empty(batch))

    def params(self, state: HopfieldState) -> PyTree:
        """The network."""
        return state.network

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """N images, each recalled from noise."""
        keys = jr.split(key)
        height, width, channels = self.shape
        noise = 2 * bernoulli(keys[0], jnp.full((n, height * width * channels), 0.5)) - 1
        recalled = params.recall(noise, self.options.sweeps, keys[1])
        return jnp.clip((recalled + 1) / 2, 0, 1).reshape(n, *self.shape)

    def score(self, params: PyTree, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """The recall error of a batch; pictures that were never stored are recalled badly."""
        keys = jr.split(key)
        return {"loss": self.recall_error(params, spins(batch, keys[0]), keys[1])}

    def empty(self, batch: Batch) -> Float[Array, "patterns pixels"]:
        """A memory without pictures."""
        pixels = batch.image[0].size
        return jnp.zeros((self.options.patterns, pixels), batch.image.dtype)

    def network(self, patterns: Float[Array, "patterns pixels"]) -> PyTree:
        """The network that has stored these patterns."""
        if self.options.rule == "modern":
            return ModernHopfield(patterns, jnp.asarray(self.options.beta, patterns.dtype))
        return Hopfield(RULES[self.options.rule](patterns), jnp.zeros_like(patterns[0]))

    def recall_error(
        self, network: PyTree, s: Float[Array, "batch pixels"], key: PRNGKeyArray
    ) -> Float[Array, ""]:
        """Share of the pixels that are wrong after recall from pictures with flipped pixels."""
        keys = jr.split(key)
        flipped = bernoulli(keys[0], jnp.full(s.shape, self.options.noise, s.dtype))
        recalled = network.recall(s * (1 - 2 * flipped), self.options.sweeps, keys[1])
        return jnp.abs(recalled - s).mean() / 2


def spins(batch: Batch, key: PRNGKeyArray) -> Float[Array, "batch pixels"]:
    """Pictures as vectors of -1 and +1, grey pixels drawn with their brightness as probability."""
    return 2 * binarized(batch.image, key) - 1

"""Restricted Boltzmann machine, which learns by contrastive divergence.

The gradient of -log p(v) in the weights of a machine is that of F(data) less that of F under the machine,

    ∂/∂θ -log p(v)  =  ∂F(v)/∂θ - E_p[∂F(v')/∂θ].

The second part is estimated by v' after k Gibbs steps. With chains "data" they begin at the data, which is
contrastive divergence, CD-k (Hinton 2002); with "persistent" they go on from where the last update left them
(Tieleman 2008). Either is the gradient of the surrogate mean F(v) - mean F(v') with v' held fixed. That of
CD-k is the gradient of no function of θ at all (Sutskever and Tieleman 2010).

Hinton (2002), "Training products of experts by minimizing contrastive divergence". Tieleman (2008), "Training
restricted Boltzmann machines using approximations to the likelihood gradient".
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.bounds import check_bounds
from subitize.core.draws import bernoulli, binarized
from subitize.core.interfaces import Batch, DataSpec, Likelihood, Metrics
from subitize.core.optimizer import Optimizer
from subitize.models.boltzmann import RBM, log_partition

TEMPERATURES, CHAINS = 10_000, 100  # of the estimate of log Z


@dataclass(frozen=True)
class RBMOptions:
    """A restricted Boltzmann machine, learned by contrastive divergence (Hinton 2002, Tieleman 2008).

    Args:
        hidden: number of hidden units.
        k: Gibbs steps per update.
        chains: where they begin: at the data, as CD-k has it, or where the last update left them.
        weight_decay: of the weights between the layers.
        burn_in: Gibbs steps before a sample, from noise.
    """

    hidden: int = 500
    k: int = 1
    chains: Literal["data", "persistent"] = "persistent"
    weight_decay: float = 0.0
    burn_in: int = 1000
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 3e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100,
    }  # fmt: skip
    presets: ClassVar[dict[str, dict]] = {
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 20_000, "k": 5, "weight_decay": 2e-4},
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "RBMLearner":
        """A learner of a machine that begins with the mean picture of its first batch."""
        return RBMLearner(self, (data.height, data.width, data.channels), optimizer.transformation(steps))


class RBMState(NamedTuple):
    """All that the next step needs."""

    rbm: PyTree  # an RBM
    chains: Float[Array, "batch visible"]
    optimizer: optax.OptState
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False)
class RBMLearner:
    """A learner that follows contrastive divergence.

    Args:
        options: of the machine and its learning.
        shape: height, width and channels of a picture.
        optimizer: as optax has it.
    """

    options: RBMOptions
    shape: tuple[int, int, int]
    optimizer: optax.GradientTransformation

    def init(self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0) -> RBMState:
        """The state before the first step; persistent chains begin at the first batch."""
        rbm: PyTree = self.init_params(key, batch)
        scale = jnp.asarray(learning_rate_scale, batch.image.dtype)
        return RBMState(rbm, binarized(batch.image, key), self.optimizer.init(rbm), scale)

    def step(self, state: RBMState, batch: Batch, key: PRNGKeyArray) -> tuple[RBMState, Metrics]:
        """The state after one update; the loss is F(v) - F(v'), which falls below zero where it learned."""
        keys = jr.split(key)
        v = binarized(batch.image, keys[0])
        begin = v if self.options.chains == "data" else state.chains
        chains, _ = state.rbm.gibbs(begin, self.options.k, keys[1])

        def surrogate(rbm: PyTree) -> Array:
            difference = rbm.free_energy(v).mean() - rbm.free_energy(chains).mean()
            return difference + self.options.weight_decay / 2 * jnp.sum(rbm.W**2)

        loss, gradient = jax.value_and_grad(surrogate)(state.rbm)
        change, optimizer = self.optimizer.update(gradient, state.optimizer, state.rbm)
        rbm = optax.apply_updates(state.rbm, optax.tree.scale(state.learning_rate_scale, change))
        state = state._replace(rbm=rbm, chains=chains, optimizer=optimizer)
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> RBM:
        """The machine before the first step."""
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        return RBM(mean, self.options.hidden, key=key)

    def params(self, state: RBMState) -> RBM:
        """The machine."""
        return state.rbm

    def sample(self, params: RBM, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """Means of N images, each at the end of a chain of its own that began with noise."""
        keys = jr.split(key)
        noise = bernoulli(keys[0], jnp.full((n, len(params.b)), 0.5))
        _, means = params.gibbs(noise, self.options.burn_in, keys[1])
        return means.reshape(n, *self.shape)

    def log_likelihood(self, params: RBM, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """Log p of each picture of zeros and ones, with log Z by annealed importance sampling."""
        found = log_partition(params, params.base, key, temperatures=TEMPERATURES, chains=CHAINS)
        value = -params.free_energy(images.reshape(len(images), -1)) - found.value
        kind = f"ais, {CHAINS} chains, {TEMPERATURES:,} temperatures"
        return Likelihood(value, found.error, kind, "stochastic")

    def score(self, params: RBM, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """Squared error after one Gibbs step, and the free energy, which is log p but for log Z, in nats."""
        v = binarized(batch.image, key)
        _, means = params.gibbs_step(v, key)
        error = jnp.sum((v - means) ** 2, 1).mean()
        return {"loss": error, "free_energy": params.free_energy(v).mean()}

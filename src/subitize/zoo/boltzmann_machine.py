"""General Boltzmann machine, which learns by persistent chains.

Any two of its units may be connected (`subitize.models.boltzmann_machine`). The gradient of -log p(v) is that
of the energy over the data less that over the machine's own states (Ackley, Hinton and Sejnowski 1985),

    ∂/∂W_ij -log p(v)  =  ⟨s_i s_j⟩_model - ⟨s_i s_j⟩_data.

States of the model come from chains that go on from where the last update left them (Younes 1989, Tieleman
2008). Hidden units of the data are at their mean-field means, which makes the gradient that of a lower bound
(Salakhutdinov and Hinton 2009). Either part is the gradient of a mean energy, with all states held fixed.

A sweep visits the units one after the other, so its time grows with the square of their number.

Younes (1989), "Parametric inference for imperfectly observed Gibbsian fields". Tieleman (2008), "Training
restricted Boltzmann machines using approximations to the likelihood gradient".
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.bounds import BURN_IN, Bound, check_bounds
from subitize.core.draws import bernoulli, binarized
from subitize.core.interfaces import Batch, DataSpec, Likelihood, Metrics
from subitize.core.optimizer import Optimizer
from subitize.models.boltzmann_machine import BoltzmannMachine, log_partition

TEMPERATURES, CHAINS = 1000, 100  # of the estimate of log Z


@dataclass(frozen=True)
class BoltzmannMachineOptions:
    """A general Boltzmann machine, learned by persistent chains (Ackley et al. 1985, Tieleman 2008).

    Args:
        hidden: number of hidden units; with none, the machine is fully visible.
        k: Gibbs sweeps per update.
        burn_in: Gibbs sweeps before a sample, from noise.
    """

    hidden: int = 0
    k: int = 1
    burn_in: int = 500
    defaults: ClassVar[dict] = {
        "scenes": "bits(of='digits', dynamic=True)", "learning_rate": 1e-3, "lr_hold_fraction": 0.3,
        "batch_size": 100,
    }  # fmt: skip
    bounds: ClassVar[dict[str, Bound]] = {
        "hidden": Bound(0, 16_384, "in units of the machine"),
        "k": Bound(1, 10_000, "in Gibbs sweeps per update"),
        "burn_in": BURN_IN,
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> "BoltzmannMachineLearner":
        """A learner of a machine that begins with the mean picture of its first batch."""
        shape = (data.height, data.width, data.channels)
        return BoltzmannMachineLearner(self, shape, optimizer.transformation(steps))


class BoltzmannMachineState(NamedTuple):
    """All that the next step needs."""

    machine: PyTree  # a BoltzmannMachine
    chains: Float[Array, "batch units"]
    optimizer: optax.OptState
    learning_rate_scale: Float[Array, ""]


@dataclass(frozen=True, eq=False)
class BoltzmannMachineLearner:
    """A learner that follows the likelihood by persistent chains.

    Args:
        options: of the machine and its learning.
        shape: height, width and channels of a picture.
        optimizer: as optax has it.
    """

    options: BoltzmannMachineOptions
    shape: tuple[int, int, int]
    optimizer: optax.GradientTransformation

    def init(
        self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0
    ) -> BoltzmannMachineState:
        """The state before the first step; visible units of the chains begin at the first batch."""
        machine: PyTree = self.init_params(key, batch)
        keys = jr.split(key)
        v = binarized(batch.image, keys[0])
        h = bernoulli(keys[1], jnp.full((len(v), self.options.hidden), 0.5, v.dtype))
        scale = jnp.asarray(learning_rate_scale, v.dtype)
        chains = jnp.concatenate([v, h], 1)
        return BoltzmannMachineState(machine, chains, self.optimizer.init(machine), scale)

    def step(
        self, state: BoltzmannMachineState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[BoltzmannMachineState, Metrics]:
        """The state after one update; the loss is the mean energy of the data less that of the chains."""
        keys = jr.split(key)
        s = state.machine.mean_field(binarized(batch.image, keys[0]))
        chains, _ = state.machine.gibbs(state.chains, self.options.k, keys[1])

        def surrogate(machine: PyTree) -> Array:
            return machine.energy(s).mean() - machine.energy(chains).mean()

        loss, gradient = jax.value_and_grad(surrogate)(state.machine)
        gradient = gradient.symmetric()  # so W stays symmetric with a zero diagonal under any optimizer
        change, optimizer = self.optimizer.update(gradient, state.optimizer, state.machine)
        machine = optax.apply_updates(state.machine, optax.tree.scale(state.learning_rate_scale, change))
        state = state._replace(machine=machine, chains=chains, optimizer=optimizer)
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> BoltzmannMachine:
        """The machine before the first step."""
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        return BoltzmannMachine.from_mean(mean, self.options.hidden, key=key)

    def params(self, state: BoltzmannMachineState) -> BoltzmannMachine:
        """The machine."""
        return state.machine

    def sample(
        self, params: BoltzmannMachine, key: PRNGKeyArray, n: int
    ) -> Float[Array, "n height width channels"]:
        """Means of N images, each at the end of a chain of its own that began with noise."""
        keys = jr.split(key)
        noise = bernoulli(keys[0], jnp.full((n, len(params.b)), 0.5))
        _, means = params.gibbs(noise, self.options.burn_in, keys[1])
        return means[:, : params.visible].reshape(n, *self.shape)

    def log_likelihood(
        self, params: BoltzmannMachine, images: Float[Array, "n ..."], key: PRNGKeyArray
    ) -> Likelihood:
        """Log p of each picture of zeros and ones, with log Z by annealed importance sampling.

        With hidden units it is the mean-field lower bound of it. Even this is called stochastic, since the
        estimate of log Z is below log Z on average.
        """
        found = log_partition(params, key, temperatures=TEMPERATURES, chains=CHAINS)
        value = params.unnormalised(images.reshape(len(images), -1)) - found.value
        bound = "mean field, " if len(params.b) > params.visible else ""
        kind = f"{bound}ais, {CHAINS} chains, {TEMPERATURES:,} temperatures"
        return Likelihood(value, found.error, kind, "stochastic")

    def score(self, params: BoltzmannMachine, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """Minus the log pseudo-likelihood of a picture (Besag 1975), and its energy, in nats.

        The pseudo-likelihood is the product of p(v_i | the others). Hidden units are at their mean-field
        means.
        """
        v = binarized(batch.image, key)
        s = params.mean_field(v)
        means = params.conditional_means(s)[:, : params.visible]
        missed = -jnp.log(jnp.where(v == 1, means, 1 - means).clip(1e-7)).sum(1)
        return {"loss": missed.mean(), "energy": params.energy(s).mean()}

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

import math
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import BURN_IN, Bound, check_bounds
from subitize.core.interfaces import Batch, DataSpec, Likelihood, Metrics
from subitize.core.optimizer import Optimizer
from subitize.gradients.contrastive_learner import ContrastiveLearner
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

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> ContrastiveLearner:
        """A learner of a machine that begins with the mean picture of its first batch."""
        shape = (data.height, data.width, data.channels)
        return boltzmann_machine_learner(self, shape, optimizer.transformation(steps))


def boltzmann_machine_learner(
    options: BoltzmannMachineOptions,
    shape: tuple[int, int, int],
    optimizer: optax.GradientTransformation,
) -> ContrastiveLearner:
    """A learner of a general Boltzmann machine.

    Args:
        options: of the machine and its learning.
        shape: height, width and channels of a picture.
        optimizer: as optax has it.
    """

    def build(key: PRNGKeyArray, batch: Batch) -> BoltzmannMachine:
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        return BoltzmannMachine.from_mean(mean, options.hidden, key=key)

    return ContrastiveLearner(
        build=build,
        energy=BoltzmannMachine.energy,
        clamped=BoltzmannMachine.mean_field,
        gibbs=BoltzmannMachine.gibbs,
        likelihood=likelihood,
        metrics=metrics,
        optimizer=optimizer,
        shape=shape,
        units=math.prod(shape) + options.hidden,
        k=options.k,
        persistent=True,
        burn_in=options.burn_in,
        projected=BoltzmannMachine.symmetric,  # so W stays symmetric with a zero diagonal
    )


def likelihood(machine: BoltzmannMachine, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Likelihood:
    """Log p of each v, with log Z by annealed importance sampling.

    With hidden units it is the mean-field lower bound of it. Even this is called stochastic, since the
    estimate of log Z is below log Z on average.
    """
    found = log_partition(machine, key, temperatures=TEMPERATURES, chains=CHAINS)
    bound = "mean field, " if len(machine.b) > machine.visible else ""
    kind = f"{bound}ais, {CHAINS} chains, {TEMPERATURES:,} temperatures"
    return Likelihood(machine.unnormalised(v) - found.value, found.error, kind, "stochastic")


def metrics(machine: BoltzmannMachine, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Metrics:
    """Minus the log pseudo-likelihood of a picture (Besag 1975), and its energy, in nats.

    The pseudo-likelihood is the product of p(v_i | the others). Hidden units are at their mean-field means.
    """
    s = machine.mean_field(v)
    means = machine.conditional_means(s)[:, : machine.visible]
    missed = -jnp.log(jnp.where(v == 1, means, 1 - means).clip(1e-7)).sum(1)
    return {"loss": missed.mean(), "energy": machine.energy(s).mean()}

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

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.bounds import check_bounds
from subitize.core.interfaces import Batch, DataSpec, Likelihood, Metrics
from subitize.core.optimizer import Optimizer
from subitize.gradients.contrastive_learner import ContrastiveLearner
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
        "cpu": {"scenes": "bits(of='mnist', dynamic=True)", "steps": 60_000, "k": 5, "weight_decay": 2e-4},
    }

    def __post_init__(self):
        check_bounds(self)

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> ContrastiveLearner:
        """A learner of a machine that begins with the mean picture of its first batch."""
        return rbm_learner(self, (data.height, data.width, data.channels), optimizer.transformation(steps))


def rbm_learner(
    options: RBMOptions, shape: tuple[int, int, int], optimizer: optax.GradientTransformation
) -> ContrastiveLearner:
    """A learner of a restricted Boltzmann machine.

    Args:
        options: of the machine and its learning.
        shape: height, width and channels of a picture.
        optimizer: as optax has it.
    """

    def build(key: PRNGKeyArray, batch: Batch) -> RBM:
        mean = batch.image.reshape(len(batch.image), -1).mean(0)
        return RBM(mean, options.hidden, key=key)

    return ContrastiveLearner(
        build=build,
        energy=RBM.free_energy,
        clamped=lambda rbm, v: v,
        gibbs=RBM.gibbs,
        likelihood=likelihood,
        metrics=metrics,
        optimizer=optimizer,
        shape=shape,
        units=math.prod(shape),
        k=options.k,
        persistent=options.chains == "persistent",
        burn_in=options.burn_in,
        penalty=lambda rbm: options.weight_decay / 2 * jnp.sum(rbm.W**2),
    )


def likelihood(rbm: RBM, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Likelihood:
    """Log p of each v, with log Z by annealed importance sampling."""
    found = log_partition(rbm, rbm.base, key, temperatures=TEMPERATURES, chains=CHAINS)
    kind = f"ais, {CHAINS} chains, {TEMPERATURES:,} temperatures"
    return Likelihood(-rbm.free_energy(v) - found.value, found.error, kind, "stochastic")


def metrics(rbm: RBM, v: Float[Array, "n visible"], key: PRNGKeyArray) -> Metrics:
    """Squared error after one Gibbs step, and the free energy, which is -log p but for log Z, in nats."""
    _, means = rbm.gibbs_step(v, key)
    return {"loss": jnp.sum((v - means) ** 2, 1).mean(), "free_energy": rbm.free_energy(v).mean()}

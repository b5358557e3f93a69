"""Registry: every estimator and objective by its name, and the loss that they make of a program."""

from collections.abc import Callable

import jax
import optax

from subitize.core.interfaces import Program
from subitize.core.specs import from_spec
from subitize.gradients.baselines import Statistic
from subitize.gradients.estimators.arm import ARM
from subitize.gradients.estimators.arsm import ARSM
from subitize.gradients.estimators.base import AbstractEstimator
from subitize.gradients.estimators.disarm import DisARM
from subitize.gradients.estimators.exact import Exact
from subitize.gradients.estimators.leave_one_out import LeaveOneOut
from subitize.gradients.estimators.local import Local
from subitize.gradients.estimators.measure_valued import MeasureValued
from subitize.gradients.estimators.muprop import delta, muprop
from subitize.gradients.estimators.optimal import OptimalConstant
from subitize.gradients.estimators.pathwise import Pathwise
from subitize.gradients.estimators.rebar import Rebar
from subitize.gradients.estimators.relax import BlackBoxRelax, Relax
from subitize.gradients.estimators.relaxation import GumbelSoftmax
from subitize.gradients.estimators.score import Score, ema, nvil
from subitize.gradients.estimators.straight_through import (
    GumbelRao,
    ReinMax,
    StraightThrough,
    StraightThroughGumbel,
)
from subitize.gradients.estimators.sum_sample import SumAndSample
from subitize.gradients.estimators.unordered import UnorderedSet
from subitize.gradients.estimators.vimco import VIMCO
from subitize.gradients.expectation import Expectation
from subitize.gradients.objectives import AbstractObjective, ImportanceWeighted, Mean
from subitize.gradients.policy import Policy, check_policy

FORGET = 0.99  # decay of Adam's squares: costs fall by orders of magnitude, and must not dwarf later updates

ESTIMATORS: dict[str, Callable[..., AbstractEstimator]] = {
    "pathwise": Pathwise,
    "exact": Exact,
    "sum_sample": SumAndSample,
    "unordered": UnorderedSet,
    "local": Local,
    "score": Score,
    "ema": ema,
    "optimal": OptimalConstant,
    "nvil": nvil,
    "delta": delta,
    "muprop": muprop,
    "rloo": LeaveOneOut,
    "vimco": VIMCO,
    "arm": ARM,
    "arsm": ARSM,
    "disarm": DisARM,
    "rebar": Rebar,
    "relax": Relax,
    "black_box": BlackBoxRelax,
    "mvd": MeasureValued,
    "gumbel": GumbelSoftmax,
    "st": StraightThrough,
    "st_gumbel": StraightThroughGumbel,
    "gumbel_rao": GumbelRao,
    "reinmax": ReinMax,
}
OBJECTIVES: dict[str, Callable[..., AbstractObjective]] = {"mean": Mean, "iwae": ImportanceWeighted}


def expectation(
    cost: Program, policy: Policy = None, objective: str | AbstractObjective = "mean"
) -> Expectation:
    """Make of a program a loss over batches that can just be differentiated.

    Args:
        cost: `cost(model, example, draw)` for one example; returns one real number, or that and a pytree
            to report.
        policy: how to differentiate each site: a spec, an estimator, or a mapping from site names to
            either, with "*" for all finite sites not named. Continuous sites are pathwise by default.
        objective: "mean", "iwae(k=5)", or an objective.

    Returns:
        `loss`, with `loss.init(model, example, key) -> estimator_state` and
        `loss(model, estimator_state, batch, key) -> (value, info)`.

    Raises:
        UsageError: a spec that does not exist. Misfits of policy and program are raised by `init`.
    """
    check_policy(policy, ESTIMATORS)
    chosen = from_spec(objective, OBJECTIVES, "objective") if isinstance(objective, str) else objective
    return Expectation(cost, policy, chosen, ESTIMATORS)


def estimator_optimizer(learning_rate: float) -> optax.GradientTransformation:
    """Train estimators' state: Adam for what is learned, a unit step for running statistics."""

    def labels(estimator_state):
        is_statistic = lambda x: isinstance(x, Statistic)  # noqa: E731
        label = lambda x: jax.tree.map(lambda _: "running" if is_statistic(x) else "learned", x)  # noqa: E731
        return jax.tree.map(label, estimator_state, is_leaf=is_statistic)

    return optax.partition(
        {"learned": optax.adam(learning_rate, b2=FORGET), "running": optax.sgd(1.0)}, labels
    )

"""Stochastic gradients: the model says what is random, a word says how to differentiate it.

`ESTIMATORS` lists every estimator by its word; being listed is being tested. `profile` measures them on a
program of yours, and `choose` takes the best.
"""

from subitize.gradients.baselines import Learned, RunningMean, Zero
from subitize.gradients.choice import Choice, Chooser, choose
from subitize.gradients.estimators.arm import ARM
from subitize.gradients.estimators.arsm import ARSM
from subitize.gradients.estimators.base import (
    AbstractDirect,
    AbstractEstimator,
    Estimate,
    Site,
    SiteError,
    caption,
)
from subitize.gradients.estimators.disarm import DisARM
from subitize.gradients.estimators.exact import Exact
from subitize.gradients.estimators.leave_one_out import LeaveOneOut
from subitize.gradients.estimators.local import Local
from subitize.gradients.estimators.measure_valued import MeasureValued
from subitize.gradients.estimators.muprop import MuProp, delta, muprop
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
from subitize.gradients.measure import EstimatorProfile, Profiler, profile, table
from subitize.gradients.objectives import AbstractObjective, ImportanceWeighted, Mean
from subitize.gradients.registry import ESTIMATORS, OBJECTIVES, estimator_optimizer, expectation

__all__ = [
    "ARM",
    "ARSM",
    "ESTIMATORS",
    "OBJECTIVES",
    "VIMCO",
    "AbstractDirect",
    "AbstractEstimator",
    "AbstractObjective",
    "BlackBoxRelax",
    "Choice",
    "Chooser",
    "DisARM",
    "Estimate",
    "EstimatorProfile",
    "Exact",
    "Expectation",
    "GumbelRao",
    "GumbelSoftmax",
    "ImportanceWeighted",
    "Learned",
    "LeaveOneOut",
    "Local",
    "Mean",
    "MeasureValued",
    "MuProp",
    "OptimalConstant",
    "Pathwise",
    "Profiler",
    "Rebar",
    "ReinMax",
    "Relax",
    "RunningMean",
    "Score",
    "Site",
    "SiteError",
    "StraightThrough",
    "StraightThroughGumbel",
    "SumAndSample",
    "UnorderedSet",
    "Zero",
    "caption",
    "choose",
    "delta",
    "ema",
    "estimator_optimizer",
    "expectation",
    "muprop",
    "nvil",
    "profile",
    "table",
]

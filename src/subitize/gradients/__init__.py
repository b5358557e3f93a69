"""Stochastic gradients: the model says what is random, a word says how to differentiate it.

`ESTIMATORS` lists every estimator by its word; being listed is being tested. `profile` measures them on a
program of yours, and `choose` takes the best.
"""

from subitize.gradients.arm import ARM
from subitize.gradients.arsm import ARSM
from subitize.gradients.baselines import Learned, RunningMean, Zero
from subitize.gradients.choice import Choice, Chooser, choose
from subitize.gradients.disarm import DisARM
from subitize.gradients.estimator import AbstractDirect, AbstractEstimator, Estimate, Site, SiteError, caption
from subitize.gradients.exact import Exact
from subitize.gradients.expectation import Expectation
from subitize.gradients.leave_one_out import LeaveOneOut
from subitize.gradients.local import Local
from subitize.gradients.measure import Profiler, Row, profile, table
from subitize.gradients.measure_valued import MeasureValued
from subitize.gradients.muprop import MuProp, delta, muprop
from subitize.gradients.objectives import AbstractObjective, ImportanceWeighted, Mean
from subitize.gradients.optimal import OptimalConstant
from subitize.gradients.pathwise import Pathwise
from subitize.gradients.rebar import Rebar
from subitize.gradients.relax import BlackBoxRelax, Relax
from subitize.gradients.relaxation import GumbelSoftmax
from subitize.gradients.score import Score, ema, nvil
from subitize.gradients.straight_through import GumbelRao, ReinMax, StraightThrough, StraightThroughGumbel
from subitize.gradients.sum_sample import SumAndSample
from subitize.gradients.unordered import UnorderedSet
from subitize.gradients.vimco import VIMCO
from subitize.gradients.vocabulary import ESTIMATORS, OBJECTIVES, expectation, memory_optimizer

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
    "Row",
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
    "expectation",
    "memory_optimizer",
    "muprop",
    "nvil",
    "profile",
    "table",
]

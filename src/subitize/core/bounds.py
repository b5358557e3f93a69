"""Bounds: from where to where may each number in the options of a command lie?

A number far out is a typing error more often than a wish, and would be told of by a machine that stands still
or has no memory left. So each has a bound, wide enough for every use that is known, and is checked before any
work. The table of them is here; a class may also name those of its own fields, as `bounds`.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from subitize.core.errors import UsageError

LARGEST_SEED = 2**31 - 1  # fits into an integer of the device
MOST_STEPS = 99_999_999  # names of checkpoints sort by age up to eight digits
MOST_SCENES = 2**31 - 1  # in one training: they are numbered by an integer of the device
LARGEST_SIDE = 512  # pixels: of a canvas
MOST_OBJECTS = 64  # each is one more step in the program, which takes minutes to compile from about twenty on


class Bound(NamedTuple):
    """The least and the most that a number may be, both allowed, and what it is a number of."""

    least: float | int
    most: float | int
    unit: str

    def holds(self, value: float | int) -> bool:
        """Whether a value lies within; what is no number never does."""
        return self.least <= value <= self.most

    def __str__(self):
        least, most = (f"{x:,.0f}" if x >= 1 else f"{x:g}" for x in (self.least, self.most))
        return f"from {least} to {most}, {self.unit}"


SEED = Bound(0, LARGEST_SEED, "what is random follows from it")
STEPS = Bound(1, MOST_STEPS, "in steps of training")
STEPS_OR_NONE = Bound(0, MOST_STEPS, "in steps of training")
OBJECTS = Bound(1, MOST_OBJECTS, "in objects")
SHARE = Bound(0, 1, "a share")
PASSES = Bound(1, 1000, "in passes over each picture")
LOOKED_FOR = Bound(1, 10_000, "in objects; large pictures allow fewer")

LOOP = {
    "steps": STEPS,
    "seed": SEED,
    "steps_per_call": Bound(1, 100_000, "in steps of training"),
    "save_every": STEPS,
    "restarts": Bound(0, 100, "in restarts"),
    "n_init": Bound(1, 100, "in initial weights"),
}
SAMPLES = Bound(0, 10_000, "in pictures that a model makes up")
BATCH = Bound(1, 16_384, "in examples per step")
UNITS = Bound(1, 16_384, "in units of a network")
BURN_IN = Bound(1, 1_000_000, "in steps of a chain before a sample")
CHAIN = Bound(2, 100_000, "in steps of a chain")
CODE = Bound(1, 1024, "in dimensions of a code")
PIXEL_DEVIATION = Bound(1e-3, 1e3, "in units of brightness")

BOUNDS: Mapping[str, Mapping[str, Bound]] = {  # by dataclass and field
    "Plan": LOOP | {"batch_size": BATCH},
    "Loop": LOOP
    | {"eval_every": STEPS, "eval_size": Bound(1, 20_000, "in scenes, which are held in memory")},
    "Data": {
        "counts": Bound(0, MOST_OBJECTS, "in objects per scene"),
        "canvas": Bound(8, LARGEST_SIDE, "in pixels"),
        "size": Bound(4, LARGEST_SIDE, "in pixels"),
        "batch_size": BATCH,
    },
    "Optimizer": {
        "learning_rate": Bound(1e-9, 10, "a rate of Adam"),
        "lr_hold_fraction": SHARE,
        "final_rate": SHARE,
        "grad_clip_norm": Bound(1e-6, 1e9, "the norm of a gradient"),
        "b1": Bound(0, 0.999, "a weight of the past"),
    },
    "AIROptions": {
        "max_objects": OBJECTS,
        "object_size": Bound(1, LARGEST_SIDE, "in pixels"),
        "anneal_steps": STEPS_OR_NONE,
        "pixel_deviation": PIXEL_DEVIATION,
        "what_dim": CODE,
        "sum_scenes": Bound(0, 16_384, "in scenes per step"),
        "summands": Bound(2, MOST_OBJECTS, "in scenes of one object"),
        "nce_weight": Bound(0, 1e6, "in nats"),
        "count_warmup_steps": STEPS_OR_NONE,
    },
    "DRAWOptions": {
        "glimpses": Bound(1, 1000, "in strokes"),
        "hidden": UNITS,
        "code": CODE,
        "read": Bound(1, 64, "in filters along a side"),
        "write": Bound(1, 64, "in filters along a side"),
    },
    "SubitizingVAEOptions": {
        "code": CODE,
        "features": UNITS,
        "perceptual": SHARE,
        "pixel_deviation": PIXEL_DEVIATION,
    },
    "SBNOptions": {"layers": UNITS},
    "DAEOptions": {
        "hidden": UNITS,
        "corruption": SHARE,
        "walkback": Bound(1, 100, "in steps of the training chain"),
        "burn_in": BURN_IN,
    },
    "GSNOptions": {
        "hidden": UNITS,
        "corruption": SHARE,
        "noise": Bound(0, 100, "a standard deviation"),
        "updates": Bound(1, 100, "in updates of the training chain"),
        "burn_in": BURN_IN,
    },
    "InfusionOptions": {
        "T": Bound(1, 1000, "in steps of a chain"),
        "infusion": SHARE,
        "growth": SHARE,
        "hidden": UNITS,
    },
    "WalkbackOptions": {
        "walk": Bound(1, 1000, "in steps of a walk"),
        "temperature": Bound(1e-3, 1e3, "a temperature"),
        "heating": Bound(1, 100, "a factor"),
        "step_size": SHARE,
        "extra": Bound(0, 1_000_000, "in steps of a chain"),
        "hidden": UNITS,
    },
    "DiffusionOptions": {"T": CHAIN, "hidden": UNITS},
    "GaussianDiffusionOptions": {
        "T": CHAIN,
        "hidden": UNITS,
        "beta_1": Bound(1e-6, 0.5, "a variance, where that of the data is one"),
        "levels": Bound(0, 65_536, "in shades of grey"),
    },
    "VAEOptions": {"latent_dim": CODE, "hidden": UNITS},
    "IWAEOptions": {"latent_dims": CODE, "hidden": UNITS, "k": Bound(1, 10_000, "in samples")},
    "GANOptions": {
        "latent_dim": CODE,
        "hidden": UNITS,
        "r1": Bound(0, 1e6, "a weight"),
        "ema": Bound(0, 0.99999, "a weight of the past"),
    },
    "StackedGANOptions": {
        "latent_dim": CODE,
        "features": UNITS,
        "hidden": UNITS,
        "adversarial": Bound(0, 1e6, "a weight"),
        "conditional": Bound(0, 1e6, "a weight"),
        "entropy": Bound(0, 1e6, "a weight"),
        "r1": Bound(0, 1e6, "a weight"),
        "ema": Bound(0, 0.99999, "a weight of the past"),
    },
    "GLOOptions": {
        "latent_dim": CODE,
        "features": UNITS,
        "latent_lr_factor": Bound(1e-3, 1e6, "times the learning rate"),
    },
    "RBMOptions": {
        "hidden": UNITS,
        "k": Bound(1, 10_000, "in Gibbs steps per update"),
        "burn_in": BURN_IN,
        "weight_decay": Bound(0, 1, "a rate"),
    },
    "CountClassifierOptions": {"max_objects": OBJECTS, "features": UNITS},
    "Val": {
        "max_objects": LOOKED_FOR,
        "passes": PASSES,
        "scenes_n": Bound(1, 1_000_000, "in scenes"),
        "samples_n": SAMPLES,
        "seed": SEED,
    },
    "Count": {"max_objects": LOOKED_FOR, "passes": PASSES},
    "Sample": {"n": Bound(1, 10_000, "in scenes on one picture"), "seed": SEED},
    "Compare": {
        "n": Bound(1, 100, "in images of each run"),
        "scenes_n": Bound(1, 10_000, "in pictures"),
        "samples_n": SAMPLES,
        "seed": SEED,
    },
    "Bench": {
        "draws": Bound(2, 1_000_000, "in draws of the gradient"),
        "burn_in": Bound(0, 1_000_000, "in steps"),
        "seed": SEED,
    },
    "Reproduce": {"seeds": Bound(1, 1000, "in seeds")},
}


def check_bounds(options: object) -> None:
    """Check all numbers of a dataclass; those that are None were not given.

    Raises:
        UsageError: one lies outside of its bound; says which, and what arrived.
    """
    for name, bound in bounds_of(type(options)).items():
        given = getattr(options, name)
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and not bound.holds(value):
                raise UsageError(f"`{name}` is {bound}; got {shortly(value)}.")


def bounds_of(kind: type) -> dict[str, Bound]:
    """The bounds of a dataclass's numbers, those that it inherits among them."""
    return {
        name: bound
        for base in reversed(kind.__mro__)
        for name, bound in {**BOUNDS.get(base.__name__, {}), **vars(base).get("bounds", {})}.items()
    }


def shortly(value: float | int) -> str:
    """A number, however long."""
    if isinstance(value, int) and abs(value) >= 10**15:
        return f"about {'-' if value < 0 else ''}10^{math.log10(abs(value)):.0f}"
    return f"{value}"

"""Counters whose claims are tested: how each is trained, and in how many passes it then infers.

"eslami2016" is the AIR of the paper: it sees the image and its own latest latents. Ours sees besides what its
canvas does not explain. All have the same decoder and are trained by the same bound, in which the count is
summed exactly. All may find one object more than they are shown, so that they learn to stop after the last.
Ours learn from sums of ones too (`subitize.models.sums`): of two, but where twos are to be unseen of three.

Claims that test the same counter share its training, since the lab keeps it by its options.
"""

from typing import Any, NamedTuple

from subitize.models.inference import OPTIONS as INFERENCE
from subitize.reproduce.lab import Lab
from subitize.training import Run

PASSES = 8  # of DAIR over each picture: those after the first refine what it has found
WAYS = {  # model and passes
    "dair": ("dair", PASSES),
    "eslami2016": ("eslami2016", 1),
    "air": ("air", 1),
    "dair, one pass": ("dair", 1),
}
MOST = 9  # objects that may be found in a test, by a model that can take more steps than in training
STEPS = 4000  # of training
PRIORS = {  # of the open-ended DAIR's count
    "sticks": "sticks(concentration=0.001)",
    "learned sticks": "sticks(concentration=1.0, learned=True)",
    "geometric": "geometric(rate=0.001)",
    "binomial": "binomial(p=0.5)",
}
OPEN_ENDED_COUNTS, OPEN_ENDED_CANVAS = (0, 1, 2, 3), 70  # its scenes have room for more
OPEN_ENDED_MOST = 12  # objects that it looks for, for the sake of memory


class CounterSpec(NamedTuple):
    """How a counter is trained, and how it then looks.

    Attributes:
        training: options of its recipe, but for the seed.
        max_objects: that are looked for, if it can take more steps than in training.
        passes: over each picture.
    """

    training: dict[str, Any]
    max_objects: int
    passes: int

    @property
    def inference(self) -> tuple[Any, ...]:
        """All that decides how it infers, but for the objects that are looked for."""
        return self.training["model"], self.passes, INFERENCE

    def run(self, lab: Lab, seed: int) -> Run:
        """The trained model, for as many objects and passes as it shall."""
        run = lab.trained(**self.training, seed=seed)
        return (
            lab.for_inference(run, self.max_objects, self.passes) if run.model.attention.any_length else run
        )


def counter_of(way: str, counts: tuple[int, ...]) -> CounterSpec:
    """One of `WAYS`, trained on scenes of these counts."""
    model, passes = WAYS[way]
    alone = {"sum_scenes": 0} if model == "eslami2016" else {}
    training = {"model": model, "counts": counts, "max_objects": counts[-1] + 1, "steps": STEPS} | alone
    return CounterSpec(training, MOST, passes)


def open_ended_counter(prior: str) -> CounterSpec:
    """DAIR under one of `PRIORS`, trained on up to three objects, which looks for many more."""
    training = {
        "model": "dair",
        "counts": OPEN_ENDED_COUNTS,
        "canvas": OPEN_ENDED_CANVAS,
        "max_objects": OPEN_ENDED_COUNTS[-1] + 1,
        "count_prior": PRIORS[prior],
        "steps": STEPS,
    }
    return CounterSpec(training, OPEN_ENDED_MOST, PASSES)

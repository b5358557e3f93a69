"""Options: all that defines an attend, infer, repeat and how it learns to count.

Importing them imports neither JAX nor anything heavy, so that help and recipes stay quick.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.json import JSON
from subitize.models.settings import AIRSettings

if TYPE_CHECKING:
    from subitize.core.interfaces import DataSpec
    from subitize.core.optimizer import Optimizer
    from subitize.counter.learner import AIRLearner
    from subitize.models.air import AIR
    from subitize.scenes import AbstractScenes
    from subitize.training.from_recipe import Inspect, Watch
    from subitize.training.recipe import Data, Recipe
else:
    DataSpec = Optimizer = AIRLearner = AbstractScenes = AIR = Inspect = Watch = Data = Recipe = (
        Any  # options alone load no JAX
    )

AUTO = "auto"  # in place of an estimator: measure some, and take the best
PAIR = 2  # summands of a sum scene, where nothing says otherwise
SUM_SCENES = 8  # per step, where scenes add up


@dataclass(frozen=True)
class AIROptions:
    """Attend, infer, repeat (Eslami et al. 2016), with a recurrent network that sees what is not explained.

    Args:
        max_objects: the most objects the model can see in one scene.
        object_size: side of the window around an object in pixels; derived from the scenes if None.
        count_prior: geometric(rate=…), binomial(p=…), sticks(concentration=…, learned=…) or uniform.
        anneal_from: count prior at the start, moved to `count_prior` over `anneal_steps`, if given.
        anneal_steps: how long that takes.
        pixel_deviation: standard deviation of a pixel around the reconstruction.
        what_dim: dimensions of an object's code.
        sum_scenes: so many per step (see `subitize.models.sums`), 0 for none; if None, some where light adds
            up: of generated scenes, and of a folder's pictures whose ground, turned over or not, is black.
        summands: ones in a sum scene; if None, the smallest count above one that the scenes hold, or two.
        nce_weight: nats that telling sum scenes from real ones is worth, per scene; 0 for none.
        count_warmup_steps: over which the logits of the count grow to their full size.
        estimator: how to differentiate through the count; auto measures some at the start and takes one.
        objective: mean, or iwae(k=…).
    """

    max_objects: int = AIRSettings.max_objects
    object_size: float | None = None
    count_prior: str = AIRSettings.count_prior
    anneal_from: str | None = None
    anneal_steps: int = 0
    pixel_deviation: float = AIRSettings.pixel_deviation
    what_dim: int = AIRSettings.what_dim
    sum_scenes: int | None = None
    summands: int | None = None
    nce_weight: float = 60.0
    count_warmup_steps: int = 200
    estimator: str = "exact"
    objective: str = "mean"
    attention: ClassVar[str] = "air"  # which network leads from object to object
    left_to_derive: ClassVar[tuple[str | None, ...]] = (None, AUTO)
    presets: ClassVar[dict[str, dict]] = {"fast": {"steps": 600, "eval_every": 100, "lr_hold_fraction": 0.3}}

    def __post_init__(self):
        check_bounds(self)
        self._check_together()

    def _check_together(self) -> None:
        """Do the options agree with each other?"""
        if self.sum_scenes and not self.objective.startswith("mean"):
            raise UsageError(
                f"Sum scenes are weighed against the mean bound, not against {self.objective}. "
                "Use `sum_scenes` 0."
            )
        if self.summands is not None and not 2 <= self.summands <= max(self.max_objects, 2):
            raise UsageError(
                f"`summands` is from 2 to `max_objects`, which is {self.max_objects}; got {self.summands}."
            )
        if (self.anneal_from is None) != (self.anneal_steps == 0):
            raise UsageError("Annealing the count prior needs both `anneal_from` and `anneal_steps`.")

    def check(self, data: Data) -> None:
        """Do they agree with the data?

        Raises:
            UsageError: the scenes hold more objects than the model can see.
        """
        if data.counts is not None and max(data.counts, default=0) > self.max_objects:
            raise UsageError(
                f"A model that sees at most {self.max_objects} objects cannot learn scenes of "
                f"{max(data.counts)}. Raise `max_objects`, or leave the larger counts out."
            )

    def settings(self, data: DataSpec) -> AIRSettings:
        """The model's settings, once nothing is left to derive."""
        assert self.object_size is not None
        return AIRSettings(
            model=self.attention,
            height=data.height,
            width=data.width,
            channels=data.channels,
            max_objects=self.max_objects,
            object_size=self.object_size,
            what_dim=self.what_dim,
            pixel_deviation=self.pixel_deviation,
            count_prior=self.count_prior,
        )

    def remark(self, scenes: AbstractScenes) -> str:
        """What whoever trains should know of the size that was measured."""
        return f"window: {self.object_size:.1f} pixels of {scenes.height}x{scenes.width}"

    def derived(
        self, data: Data, scenes: AbstractScenes, seed: int, watch: Watch
    ) -> tuple["AIROptions", dict[str, str]]:
        """The options with nothing left to derive, and why the estimator was chosen if it was left open.

        Raises:
            SiteError, UsageError: the estimator cannot serve the count, or a size is out of range.
        """
        from subitize.counter.learner import check_estimator
        from subitize.counter.object_size import check_sizes, is_on_black, size_of_objects
        from subitize.counter.select_estimator import select_estimator

        check_sizes(self.object_size, self.max_objects, data.batch_size, scenes)
        size, sums, summands = self.object_size, self.sum_scenes, self.summands
        several = [n for n in scenes.counts if 1 < n <= self.max_objects]
        if size is None:
            size = size_of_objects(scenes, seed)
        if sums is None:
            generated = bool(several) and data.overlap != "any"
            adds_up = generated if scenes.has_truth else self.max_objects > 1 and is_on_black(scenes, seed)
            sums = SUM_SCENES if adds_up and self.objective.startswith("mean") else 0
        if summands is None:
            summands = min(several, default=PAIR)
        complete = dataclasses.replace(self, object_size=size, sum_scenes=sums, summands=summands)
        if self.estimator == AUTO:
            return select_estimator(complete, scenes, seed, watch)
        check_estimator(complete, scenes.spec)
        return complete, {}

    def n_init(self, data: Data) -> int:
        """How many initial weights to try: more than one where no truth would show that a training failed."""
        return 2 if data.is_folder else 1

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> AIRLearner:
        """The learner of such pictures."""
        from subitize.counter.learner import air_learner

        return air_learner(self, data, optimizer, steps)

    def monitor(
        self, learner: AIRLearner, recipe: Recipe, scenes: AbstractScenes, held_out: AbstractScenes
    ) -> Inspect:
        """What to record now and then: signs of health, and accuracy where the truth is known."""
        from subitize.counter.monitor import monitor

        return monitor(self, recipe, scenes, held_out)

    def diagnosed(self, params: AIR, recipe: Recipe, scenes: AbstractScenes) -> JSON:
        """What speaks for and against a trained model, to be kept with its weights."""
        from subitize.counter.monitor import diagnosis

        return diagnosis(self, params, recipe, scenes)


@dataclass(frozen=True)
class DAIROptions(AIROptions):
    """AIR, fed by the difference between the image and what it has painted; it counts beyond its training."""

    attention: ClassVar[str] = "dair"
    presets: ClassVar[dict[str, dict]] = {}  # none was measured


@dataclass(frozen=True)
class Eslami2016Options(AIROptions):
    """Attend, infer, repeat with the recurrent network of Eslami et al. (2016)."""

    attention: ClassVar[str] = "eslami2016"
    presets: ClassVar[dict[str, dict]] = {}

"""Options of the catalogue, which counts many objects at a glance.

Importing the options imports nothing heavy, so that help and recipes stay quick.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from subitize.core.bounds import Bound, check_bounds
from subitize.core.errors import UsageError
from subitize.core.json import JSON

if TYPE_CHECKING:
    from subitize.core.interfaces import DataSpec
    from subitize.core.optimizer import Optimizer
    from subitize.counter.catalogue_learner import CatalogueLearner
    from subitize.counter.composed_scenes import ComposedScenes
    from subitize.models.catalogue.posterior import Posterior
    from subitize.training.from_recipe import Watch
    from subitize.training.recipe import Data, Recipe
else:
    DataSpec = Optimizer = CatalogueLearner = ComposedScenes = Posterior = Watch = Data = Recipe = Any


@dataclass(frozen=True)
class CatalogueOptions:
    """Many objects at a glance, in pictures of any size; learned from scenes composed of the folder's own.

    Args:
        diameter: of a typical object, in pixels of the pictures; measured if None.
        ground: dark, if objects are brighter than it, or bright; measured if None.
        channel: what of the colours to look at: grey, red, green, blue, or colourful, the largest minus the
            smallest of the three; chosen if None.
        brightness: of a typical object over its ground, as a share of the pictures' range; measured if None.
        light: adds, if the light of objects that overlap adds up, or covers; measured if None.
    """

    diameter: float | None = None
    ground: Literal["dark", "bright"] | None = None
    channel: Literal["grey", "red", "green", "blue", "colourful"] | None = None
    brightness: float | None = None
    light: Literal["adds", "covers"] | None = None
    bounds: ClassVar[dict] = {
        "diameter": Bound(1, 10_000, "in pixels"),
        "brightness": Bound(1e-9, 1, "a share of the range of a picture"),
    }
    defaults: ClassVar[dict] = {
        "steps": 2400, "batch_size": 12, "learning_rate": 2e-3, "lr_hold_fraction": 0.3, "final_rate": 0.03,
        "grad_clip_norm": 10.0, "save_every": 600, "eval_every": 2400,
    }  # fmt: skip
    supervised: ClassVar[bool] = True  # batches carry the truth of composed scenes; nobody's labels

    def __post_init__(self):
        check_bounds(self)

    def check(self, data: Data) -> None:
        """Refuse options of models that bring pictures to one canvas.

        Raises:
            UsageError: one is given.
        """
        brought = ("counts", "canvas", "size", "channels", "overlap", "fit", "invert")
        if given := [name for name in brought if getattr(data, name) is not None]:
            raise UsageError(
                f"A catalogue takes pictures of any size as they are; `{given[0]}` is for models that bring "
                "them to one canvas. Leave it out, or use `--model dair`."
            )

    def scenes(self, data: Data, split: str) -> ComposedScenes:
        """What it learns from: scenes composed of the folder's objects.

        Raises:
            UsageError: the scenes are no folder.
            NoInputError: there is no picture that can be read, or no object in them that lies alone.
        """
        if not data.is_folder:
            raise UsageError(
                f"A catalogue composes scenes of the pictures of a folder; '{data.scenes}' is none. Give the "
                "path of a folder by --scenes, or use `--model air`."
            )
        from subitize.counter.composed_scenes import composed_scenes
        from subitize.models.catalogue.normalize import Known

        dark = None if self.ground is None else self.ground == "bright"
        known = Known(self.diameter, dark, self.brightness)
        return composed_scenes(data.scenes, split, known, self.channel, self.light)

    def derived(
        self, data: Data, scenes: ComposedScenes, seed: int, watch: Watch
    ) -> tuple["CatalogueOptions", dict[str, str]]:
        """The options with what was measured in the pictures."""
        harvest, n = scenes.harvest, scenes.harvest.normalizer
        ground = "bright" if n.dark else "dark"
        found = CatalogueOptions(n.diameter, ground, harvest.channel, n.brightness, harvest.light)  # pyright: ignore[reportArgumentType]
        return found, {}

    def remark(self, scenes: ComposedScenes) -> str:
        """What it sees in the folder."""
        harvest = scenes.harvest
        channel = "" if self.channel == "grey" else f", in the channel {self.channel}"
        adds = "; light adds up where they overlap" if self.light == "adds" else ""
        return (
            f"sees {len(harvest.objects)} lone objects in {len(harvest.files)} pictures, about "
            f"{self.diameter:.1f} pixels across, on a {self.ground} ground{channel}{adds}"
        )

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> CatalogueLearner:
        """The learner."""
        from subitize.counter.catalogue_learner import catalogue_learner

        return catalogue_learner(self, optimizer, steps)

    def diagnosed(self, params: Posterior, recipe: Recipe, scenes: ComposedScenes) -> JSON:
        """What speaks for and against a trained model, to be kept with its weights."""
        from subitize.counter.catalogue_learner import diagnosis

        return diagnosis(params, scenes)

"""Recipe: everything that decides how a run turns out, as one frozen, printable object.

The command line, the Python API and `recipe.json` in a run folder are this dataclass; its defaults are the
only defaults. Importing it imports neither JAX nor anything heavy.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subitize.core.bounds import MOST_SCENES, check_bounds
from subitize.core.errors import CheckpointError, UsageError, did_you_mean
from subitize.core.sealed import seal, unseal
from subitize.core.typed import typed
from subitize.models.settings import AIRSettings

RECIPE = "recipe.json"  # in a run folder
SCENE_OPTIONS = ("counts", "canvas", "size", "channels", "overlap", "fit", "invert")


@dataclass(frozen=True)
class Recipe:
    """How to train. Options of the scenes left at None take the scenes' own defaults.

    Args:
        scenes: a word that `subitize show` lists, or the path of a folder of pictures.
        counts: how many objects a generated scene may hold, equally often.
        canvas: side of the image in pixels.
        size: typical side of a generated object in pixels.
        channels: 1 for grey, 3 for colour.
        overlap: whether generated objects may overlap: none or any.
        fit: how a picture from a folder is brought to the canvas: resize, crop or pad.
        invert: whether to turn dark-on-bright pictures around: auto, always or never.
        steps: training steps.
        batch: scenes per step.
        seed: of all randomness.
        model: air, dair or published (see `subitize show`).
        max_objects: the most objects the model can see in one scene.
        object_size: side of the window around an object in pixels; derived from the scenes if None.
        count_prior: geometric(rate=…), binomial(p=…), sticks(concentration=…, learned=…) or uniform.
        anneal_from: count prior at the start, moved to `count_prior` over `anneal_steps`, if given.
        anneal_steps: how long that takes.
        pixel_deviation: standard deviation of a pixel around the reconstruction.
        what: dimensions of an object's code.
        sums: sum scenes per step (see `subitize.models.sums`), 0 for none; if None, some where scenes are
            generated, which add up, and none for pictures from a folder, which may not.
        summands: ones in a sum scene; if None, the smallest count above one that the scenes hold, or two.
        contrast: nats that telling sum scenes from real ones is worth, per scene; 0 for none.
        sharpen_steps: steps over which the logits of the count grow to their full size.
        estimator: how to differentiate through the count; auto measures some at the start and takes one.
        objective: mean, or iwae(k=…).
        learning_rate: of Adam, held for `hold` of the steps and then lowered linearly to `final_rate` of it.
        hold: share of the steps at the full learning rate.
        final_rate: last learning rate, as a share of the first.
        clip: largest norm of a gradient.
        chunk: steps per dispatch; also how often progress is recorded.
        save_every: steps between checkpoints.
        look_every: steps between looks at held-out scenes, by which progress is followed.
        look_at: how many held-out scenes that is.
        restarts: how often a run that certainly went wrong may start again, with other noise and more slowly.
        keep: which state becomes the weights: last, or best (that of the look with the least discord).
    """

    scenes: str = "digits"
    counts: tuple[int, ...] | None = None
    canvas: int | None = None
    size: float | None = None
    channels: int | None = None
    overlap: str | None = None
    fit: str | None = None
    invert: str | None = None
    steps: int = 2000
    batch: int = 64
    seed: int = 0
    model: str = AIRSettings.model
    max_objects: int = AIRSettings.max_objects
    object_size: float | None = None
    count_prior: str = AIRSettings.count_prior
    anneal_from: str | None = None
    anneal_steps: int = 0
    pixel_deviation: float = AIRSettings.pixel_deviation
    what: int = AIRSettings.what
    sums: int | None = None
    summands: int | None = None
    contrast: float = 60.0
    sharpen_steps: int = 200
    estimator: str = "exact"
    objective: str = "mean"
    learning_rate: float = 2e-3
    hold: float = 0.1
    final_rate: float = 0.02
    clip: float = 30.0
    chunk: int = 50
    save_every: int = 500
    look_every: int = 200
    look_at: int = 500
    restarts: int = 2
    keep: str = "last"

    def __post_init__(self):
        check_bounds(self)
        self._check_words()
        self._check_together()

    def _check_words(self) -> None:
        """Is every word one that there is?"""
        if not self.scenes:
            raise UsageError("`scenes` is a word or the path of a folder, and not empty.")
        if self.keep not in ("last", "best"):
            raise UsageError(f"`keep` is last or best; got {self.keep!r}.")

    def _check_together(self) -> None:
        """Do the options agree with each other?"""
        if self.counts is not None and max(self.counts, default=0) > self.max_objects:
            raise UsageError(
                f"A model that sees at most {self.max_objects} objects cannot learn scenes of "
                f"{max(self.counts)}. Raise `max_objects`, or leave the larger counts out."
            )
        if self.sums and not self.objective.startswith("mean"):
            raise UsageError(
                f"Sum scenes are weighed against the mean bound, not against {self.objective}. Use `sums` 0."
            )
        if self.summands is not None and not 2 <= self.summands <= max(self.max_objects, 2):
            raise UsageError(
                f"`summands` is from 2 to `max_objects`, which is {self.max_objects}; got {self.summands}."
            )
        if self.steps * self.batch + self.look_at > MOST_SCENES:
            raise UsageError(
                f"A training numbers its scenes up to {MOST_SCENES:,}; {self.steps:,} `steps` of "
                f"{self.batch:,} are more. Use fewer, or a smaller `batch`."
            )
        if (self.anneal_from is None) != (self.anneal_steps == 0):
            raise UsageError("Annealing the count prior needs both `anneal_from` and `anneal_steps`.")

    def scene_options(self) -> dict[str, Any]:
        """The options of the scenes that were given."""
        return {name: value for name in SCENE_OPTIONS if (value := getattr(self, name)) is not None}

    def to_json(self) -> str:
        """All fields, as JSON that tells when it was altered."""
        return seal(dataclasses.asdict(self)).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recipe":
        """Read what `to_json` wrote, or what it wrote when it put no digest to it.

        Raises:
            CheckpointError: it was altered, is not a recipe, or one of another version.
        """
        known = {field.name for field in dataclasses.fields(Recipe)}
        values = unseal(text, unsealed=known)
        for name in values:
            if name not in known:
                raise CheckpointError(
                    f"The recipe has a field '{name}' that this version does not know."
                    f"{did_you_mean(name, known)} Use the version that wrote it (provenance.json)."
                )
        try:
            return typed(Recipe, values)
        except (TypeError, UsageError) as error:
            raise CheckpointError(f"This is not a recipe that can be read: {error}") from None


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        CheckpointError: it is damaged, or of another version.
    """
    path = folder / RECIPE
    try:
        return Recipe.from_json(path.read_bytes())
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} cannot be trusted. {error} Put the file back as it was, or train into another folder."
        ) from None

"""Recipe: everything that decides how a run turns out, as one frozen, printable object.

It has four sections, and no two of them have an option of the same name:

    model      what learns: an entry of `subitize.registry`
    data       what it learns from
    optimizer  how it follows its gradient
    loop       how long, how often, from which seed

The command line, the Python API and `recipe.json` in a run folder are these dataclasses; their defaults are
the only defaults. Importing them imports neither JAX nor anything heavy.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from subitize.core.bounds import MOST_SCENES, check_bounds
from subitize.core.errors import CheckpointError, UsageError, did_you_mean
from subitize.core.json import JSON
from subitize.core.optimizer import Optimizer
from subitize.core.sealed import seal, unseal
from subitize.core.specs import name_and_options, present_names
from subitize.core.typed import Dataclass, typed
from subitize.registry import LEARNERS, name_of, trainable

if TYPE_CHECKING:
    from subitize.core.interfaces import DataSpec, Learner, Trainable
    from subitize.scenes import AbstractScenes
    from subitize.training.plan import Plan
else:
    DataSpec = Learner = Trainable = AbstractScenes = Plan = (
        Any  # a command that only reads options loads no JAX
    )

RECIPE = "recipe.json"  # in a run folder
SCENE_OPTIONS = ("counts", "canvas", "size", "channels", "overlap", "fit", "invert")
OLD_FIELDS = frozenset(  # of a recipe from before there were sections
    (
        *("scenes", "counts", "canvas", "size", "channels", "overlap", "fit", "invert", "steps", "batch"),
        *("seed", "model", "max_objects", "object_size", "count_prior", "anneal_from", "anneal_steps"),
        *("pixel_deviation", "what", "sums", "summands", "contrast", "sharpen_steps", "estimator"),
        *("objective", "learning_rate", "hold", "final_rate", "clip", "chunk", "save_every"),
        *("look_every", "look_at", "restarts", "keep"),
    )
)
Section = TypeVar("Section", bound=Dataclass)
T = TypeVar("T")
MODEL_OF_SCENES, MODEL_OF_FOLDER = "air", "catalogue"  # where nothing else is asked for


@dataclass(frozen=True)
class Data:
    """What to learn from. Options of the scenes left at None take the scenes' own defaults.

    Args:
        scenes: a name that `subitize show` lists, with its options as in "dots(ground='texture')", or the
            path of a folder of pictures.
        counts: how many objects a generated scene may hold, equally often.
        canvas: side of the image in pixels.
        size: typical side of a generated object in pixels.
        channels: 1 for grey, 3 for colour.
        overlap: whether generated objects may overlap.
        fit: how a picture from a folder is brought to the canvas.
        invert: whether to turn dark-on-bright pictures around.
        batch_size: examples per step.
        epochs: see every picture of a finite set once before any comes again; else they are drawn.
    """

    scenes: str = "digits"
    counts: tuple[int, ...] | None = None
    canvas: int | None = None
    size: float | None = None
    channels: Literal[1, 3] | None = None
    overlap: Literal["none", "any"] | None = None
    fit: Literal["resize", "crop", "pad"] | None = None
    invert: Literal["auto", "always", "never"] | None = None
    batch_size: int = 64
    epochs: bool = False

    def __post_init__(self):
        check_bounds(self)
        if not self.scenes:
            raise UsageError("`scenes` is a name or the path of a folder, and not empty.")

    @property
    def is_folder(self) -> bool:
        """Whether the pictures come from a folder of the user's."""
        return is_folder(self.scenes)

    def load(self, split: str) -> AbstractScenes:
        """The training or the held-out half of the scenes.

        Raises:
            UsageError, NoInputError: see `subitize.scenes.load`.
        """
        from subitize import scenes

        name, options = named_scenes(self.scenes)
        given = {name: value for name in SCENE_OPTIONS if (value := getattr(self, name)) is not None}
        if twice := set(options) & set(given):
            raise UsageError(
                f"`{min(twice)}` of the scenes is given twice: in {self.scenes!r}, and by itself."
            )
        return scenes.load(name, split, **options, **given)

    def derived(self, train_scenes: AbstractScenes) -> "Data":
        """The data with nothing left to derive: the path, and how pictures of a folder are prepared."""
        where = str(Path(self.scenes).absolute()) if self.is_folder else self.scenes
        brought = {word: getattr(train_scenes, word, None) for word in ("fit", "invert")}
        return dataclasses.replace(self, scenes=where, **brought)


@dataclass(frozen=True)
class Loop:
    """How long, how often, and from which seed.

    Args:
        steps: training steps.
        seed: of all randomness.
        steps_per_call: steps in one call of the compiled program; also how often progress is recorded.
        save_every: steps between checkpoints.
        eval_every: steps between evaluations on held-out examples, by which progress is followed.
        eval_size: how many held-out examples that is.
        restarts: how often a run that certainly went wrong may start again, with other noise and more slowly.
        n_init: how many initial weights to try in the first part of the steps; those of lowest loss go on.
            If None, two for air and dair on a folder, where nobody would see that one fails; else one.
        keep: which state becomes the weights: the last, or the best by the criterion of the model's monitor.
    """

    steps: int = 2000
    seed: int = 0
    steps_per_call: int = 50
    save_every: int = 500
    eval_every: int = 200
    eval_size: int = 500
    restarts: int = 2
    n_init: int | None = None
    keep: Literal["last", "best"] = "last"

    def __post_init__(self):
        check_bounds(self)


@dataclass(frozen=True)
class Recipe:
    """How to train. `Recipe.of` makes one of options by their names.

    Args:
        model: settings of an entry of `subitize.registry`.
        data: what it learns from.
        optimizer: how it follows its gradient.
        loop: how long, how often, from which seed.
    """

    model: Trainable
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=Optimizer)
    loop: Loop = field(default_factory=Loop)

    def __post_init__(self):
        refuse_ambiguous(self.model)
        if self.loop.steps * self.data.batch_size + self.loop.eval_size > MOST_SCENES:
            raise UsageError(
                f"A training numbers its scenes up to {MOST_SCENES:,}; {self.loop.steps:,} `steps` of "
                f"{self.data.batch_size:,} are more. Use fewer, or a smaller `batch_size`."
            )
        if check := getattr(self.model, "check", None):
            check(self.data)

    @staticmethod
    def of(model: str | Trainable | None = None, *, preset: str | None = None, **options: object) -> "Recipe":
        """A recipe of options by their names, whichever section has them; the model's defaults otherwise.

        Args:
            model: a name of the registry, with options as in "dair(max_objects=5)", or settings. If None,
                air for generated scenes and catalogue for a folder of pictures, at which the command looks
                first (`subitize.counter.pathway`).
            preset: a named set of the model's options, such as fast; None for its defaults.
            options: such as steps, scenes, max_objects; they win over the preset.

        Raises:
            UsageError: there is no such option or preset, or its value is out of range.
        """
        if model is None:
            model = default_model(str(options.get("scenes", Data.scenes)))
        settings = trainable(model) if isinstance(model, str) else model
        parts: JSON = dict(zip(SECTIONS, (settings, *sections(settings)), strict=True))
        return Recipe(**with_options(parts, preset_options(settings, preset) | options))

    def replace(self, **options: object) -> "Recipe":
        """The recipe with some options changed, by their names.

        Raises:
            UsageError: there is no such option, or its value is out of range.
        """
        return Recipe(**with_options({name: getattr(self, name) for name in SECTIONS}, options))

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return name_of(self.model)

    def homes(self) -> dict[str, str]:
        """The section of every option."""
        return {name: section for section, name, _ in self.options()}

    def options(self) -> Iterator[tuple[str, str, object]]:
        """Every option: its section, name and value."""
        for section in SECTIONS:
            own = getattr(self, section)
            yield from ((section, each.name, getattr(own, each.name)) for each in dataclasses.fields(own))

    def scenes(self, split: str) -> AbstractScenes:
        """The training or the held-out half of what its model learns from.

        Raises:
            UsageError, NoInputError: see `subitize.scenes.load`.
        """
        own = getattr(self.model, "scenes", None)
        return self.data.load(split) if own is None else own(self.data, split)

    def learner(self, data: DataSpec) -> Learner:
        """The learner of pictures of these shapes; the same for every seed, so that it is compiled once."""
        return learner_of(self.model, data, self.optimizer, self.loop.steps)

    def plan(self) -> Plan:
        """What the training loop is told."""
        from subitize.training.plan import Plan

        loop, supervised = self.loop, getattr(self.model, "supervised", False)
        often = {
            "steps_per_call": loop.steps_per_call,
            "save_every": loop.save_every,
            "restarts": loop.restarts,
            "n_init": loop.n_init or getattr(self.model, "n_init", lambda data: 1)(self.data),
        }
        seen = {"batch_size": self.data.batch_size, "replace": not self.data.epochs, "labels": supervised}
        return Plan(steps=loop.steps, seed=loop.seed, **often, **seen)

    def continued(self, begun: "Recipe") -> "Recipe":
        """The recipe, where it leaves something to derive as the run that was begun has it."""
        if type(begun.model) is not type(self.model):
            return self
        return Recipe(**{name: filled(getattr(self, name), getattr(begun, name)) for name in SECTIONS})

    def changed_from(self, other: "Recipe") -> list[str]:
        """Names of options that differ."""
        if type(other.model) is not type(self.model):
            return ["model"]
        before = {name: value for _, name, value in other.options()}
        return [name for _, name, value in self.options() if value != before[name]]

    def to_json(self) -> str:
        """All options by their sections, as JSON that tells when it was altered."""
        content = {section: dataclasses.asdict(getattr(self, section)) for section in SECTIONS}
        return seal(content | {"model": {"name": self.name} | content["model"]}).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recipe":
        """Read what `to_json` wrote, or what it wrote before recipes had sections.

        Raises:
            CheckpointError: it was altered, is not a recipe, or one of another version.
        """
        content = unseal(text, unsealed=OLD_FIELDS)
        try:
            if set(content) >= OLD_FIELDS:
                content = in_sections(content)
            if set(content) != set(SECTIONS):
                raise TypeError(f"its sections are {', '.join(SECTIONS)}; got {', '.join(content)}")
            return typed_recipe(**content)
        except (TypeError, KeyError, AttributeError, UsageError) as error:
            raise CheckpointError(
                f"This is not a recipe that can be read: {error}. Use the version that wrote it "
                "(provenance.json), or put the file back as it was."
            ) from None


SECTIONS = ("model", "data", "optimizer", "loop")
OTHERS = {"data": Data, "optimizer": Optimizer, "loop": Loop}  # sections that every recipe has alike
COMMAND_ONLY = frozenset(("model", "preset", "settings", "out", "resume", "deterministic", "debug", *OTHERS))


def preset_options(settings: Trainable, preset: str | None) -> JSON:
    """The options that a model's preset sets, by their names.

    Raises:
        UsageError: it has no such preset.
    """
    presets: dict[str, JSON] = getattr(settings, "presets", {})
    if preset is None:
        return {}
    if preset not in presets:
        known = ", ".join(presets) or "none"
        raise UsageError(
            f"The model '{name_of(settings)}' has no preset {preset!r}; it has: {known}. "
            "Leave `preset` out for the defaults."
        )
    return presets[preset]


def with_options(parts: JSON, options: JSON) -> JSON:
    """The sections of a recipe with some options changed, by their names."""
    homes = {each.name: home for home, part in parts.items() for each in dataclasses.fields(part)}
    changes: dict[str, JSON] = {home: {} for home in parts}
    for name, value in present_names(options, homes).items():
        if name not in homes:
            raise UsageError(
                f"A recipe of {name_of(parts['model'])} has no option `{name}`.{did_you_mean(name, homes)}"
            )
        changes[homes[name]][name] = value
    return {home: dataclasses.replace(part, **changes[home]) for home, part in parts.items()}


def refuse_ambiguous(settings: Trainable) -> None:
    """Refuse settings of a model of which one is called as another option is.

    Raises:
        UsageError: one is.
    """
    taken = COMMAND_ONLY.union(*names_in_others().values())
    if twice := taken & {each.name for each in dataclasses.fields(settings)}:
        raise UsageError(
            f"An option has one name on the command line and in a recipe. The setting `{min(twice)}` of "
            f"{type(settings).__name__} has that of another option; call it something else."
        )


def names_in_others() -> dict[str, set[str]]:
    """Names of the options in each section but the model's."""
    return {section: field_names(kind) for section, kind in OTHERS.items()}


def field_names(kind: type) -> set[str]:
    """Names of the options of a section."""
    return {each.name for each in dataclasses.fields(kind)}


def default_model(scenes: str) -> str:
    """The model for such scenes where nobody asks for another; the command looks at a folder's pictures."""
    return MODEL_OF_FOLDER if is_folder(scenes) else MODEL_OF_SCENES


def is_folder(scenes: str) -> bool:
    """Whether scenes are the path of a folder; a name that is known wins over a folder so called."""
    if not Path(scenes).is_dir():
        return False
    from subitize.scenes import DATASETS

    return scenes not in DATASETS


def named_scenes(scenes: str) -> tuple[str, JSON]:
    """A name and its options, as in "dots(ground='texture')"; a path is itself, whatever is in it."""
    return (
        name_and_options(scenes, "scenes") if scenes.endswith(")") and not is_folder(scenes) else (scenes, {})
    )


def sections(settings: Trainable) -> tuple[Data, Optimizer, Loop]:
    """The other sections at the defaults that suit a model."""
    wanted: JSON = getattr(settings, "defaults", {})
    names = names_in_others()
    if unknown := set(wanted).difference(*names.values()):
        hint = did_you_mean(min(unknown), sorted(set().union(*names.values())))
        raise UsageError(
            "A model's `defaults` are values of options of data, optimizer and loop; those of "
            f"{type(settings).__name__} name `{min(unknown)}`, which is none.{hint}"
        )

    def own(section: str) -> JSON:
        return {name: value for name, value in wanted.items() if name in names[section]}

    return Data(**own("data")), Optimizer(**own("optimizer")), Loop(**own("loop"))


def filled(given: Section, begun: Section) -> Section:
    """Options of a section, those left to derive as a begun run has them."""
    derive = getattr(given, "left_to_derive", (None,))
    pairs = [(f.name, getattr(given, f.name), getattr(begun, f.name)) for f in dataclasses.fields(given)]
    return dataclasses.replace(given, **{name: old for name, value, old in pairs if value in derive})


@lru_cache(maxsize=8)
def learner_of(model: Trainable, data: DataSpec, optimizer: Optimizer, steps: int) -> Learner:
    """The learner of a model's settings."""
    return model.learner(data, optimizer, steps)


def typed_recipe(model: JSON, data: JSON, optimizer: JSON, loop: JSON) -> Recipe:
    """A recipe of what JSON holds of its sections."""
    settings = section(LEARNERS[model["name"]], {k: v for k, v in model.items() if k != "name"})
    return Recipe(settings, section(Data, data), section(Optimizer, optimizer), section(Loop, loop))


def section(kind: type[T], options: JSON) -> T:
    """A section of what JSON holds of it."""
    return typed(kind, present_names(options, field_names(kind)))


def in_sections(fields: JSON) -> JSON:
    """The fields of a recipe from before there were sections, each in its own."""
    kinds = {"model": LEARNERS[fields["model"]]} | OTHERS
    fields = present_names(fields, set().union(*map(field_names, kinds.values())))
    names = {home: field_names(kind) & set(fields) for home, kind in kinds.items()}
    parts = {home: {name: fields[name] for name in own} for home, own in names.items()}
    return parts | {"model": {"name": fields["model"]} | parts["model"]}


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

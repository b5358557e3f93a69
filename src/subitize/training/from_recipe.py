"""From a recipe to a run, whatever the model is."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import PyTree

from subitize.core.errors import CheckpointError, UsageError
from subitize.core.files import CHECKPOINTS
from subitize.core.interfaces import Learner, Trainable, params_of
from subitize.core.json import JSON
from subitize.core.provenance import begun, changed_since
from subitize.scenes import AbstractScenes
from subitize.training import checkpoint
from subitize.training.loop import best_state, fit
from subitize.training.recipe import Data, Recipe
from subitize.training.run import Run, new_folder, open_run
from subitize.training.run_folder import begun_recipe, claimed, open_folder, refuse_foreign
from subitize.training.weights import WEIGHTS, save_weights

Watch: TypeAlias = Callable[[JSON], None]  # told of every row of the record, and of events
Inspect: TypeAlias = Callable[[PyTree, int], JSON]  # (state of the learner, step) -> what to add to a row


@runtime_checkable
class Derives(Protocol):
    """Settings of which some follow from the pictures."""

    def derived(
        self, data: Data, scenes: AbstractScenes, seed: int, watch: Watch
    ) -> tuple[Trainable, dict[str, str]]:
        """(settings with nothing left to derive, reasons for the provenance)."""
        ...


@runtime_checkable
class Monitored(Protocol):
    """Settings that know what to watch along their training."""

    def monitor(
        self, learner: Learner, recipe: Recipe, scenes: AbstractScenes, held_out: AbstractScenes
    ) -> Inspect:
        """What `subitize.training.fit` calls now and then."""
        ...


@runtime_checkable
class Diagnosed(Protocol):
    """Settings that can say what speaks against a trained model, by the pictures it learned from."""

    def diagnosed(self, params: PyTree, recipe: Recipe, scenes: AbstractScenes) -> JSON:
        """What is kept with the weights; "flags" are codes of what speaks against all that it says."""
        ...


def train(
    recipe: Recipe,
    out: Path | str | None = None,
    resume: str = "auto",
    watch: Watch = lambda row: None,
) -> Run:
    """The run of a recipe: trained now, from where it was stopped, or opened.

    Args:
        recipe: everything that decides the outcome.
        out: the run folder; the first unused runs/<scenes>-NNN if None.
        resume: "auto" (go on from the newest whole checkpoint) or "never" (the folder must be new).
        watch: called with a row per chunk, and with events.

    Raises:
        UsageError: the folder holds another recipe or anything but a run, another process trains in it, or
            it holds a run and `resume` is "never".
        Interrupted, DivergedError: see `subitize.training.fit`.
    """
    if resume not in ("auto", "never"):
        raise UsageError(f"`resume` is auto or never; got {resume!r}.")
    folder = Path(out) if out is not None else new_folder(recipe.data.scenes)
    refuse_foreign(folder)
    train_scenes, held_out = recipe.scenes("train"), recipe.scenes("test")
    recipe, reasons = completed(recipe, train_scenes, begun_recipe(folder), watch)
    learner = recipe.learner(train_scenes.spec)
    inspect = monitor_of(recipe, learner, train_scenes, held_out)
    with claimed(folder):  # after all that the recipe can be refused for
        open_folder(folder, recipe, resume, reasons, train_scenes.fingerprint)
        for event in remarks(folder, recipe, train_scenes):
            watch({"event": event})
        if (folder / WEIGHTS).exists() and not checkpoint.names(folder / CHECKPOINTS):
            watch({"event": "It is trained, and its checkpoints are gone: it is opened as it is."})
            return open_run(folder)
        state = fit(learner, train_scenes, recipe.plan(), folder, inspect=inspect, watch=watch)
        if recipe.loop.keep == "best":
            try:
                state = best_state(folder, state)
            except CheckpointError as error:
                if (folder / WEIGHTS).exists():  # of the best, from before it was damaged
                    watch({"event": f"{error} The weights that are there stay."})
                    return open_run(folder)
                watch({"event": f"{error} The last state is kept instead of the best."})
        params = params_of(learner, state)
        found = diagnosed(recipe, params, train_scenes, watch)
        save_weights(folder / WEIGHTS, recipe.model, train_scenes.spec, params, found)
    return open_run(folder)


def completed(
    recipe: Recipe, scenes: AbstractScenes, before: Recipe | None = None, watch: Watch = lambda row: None
) -> tuple[Recipe, dict[str, str]]:
    """The recipe with nothing left to derive, and why what it left open was so chosen.

    Args:
        recipe: as it was given.
        scenes: its training scenes.
        before: the recipe of the run that goes on, which has derived all that already.
        watch: called with events.
    """
    data = recipe.data.derived(scenes)
    recipe = Recipe(recipe.model, data, recipe.optimizer, recipe.loop)
    if before is not None:
        return recipe.continued(before), {}
    if not isinstance(recipe.model, Derives):
        return recipe, {}
    model, reasons = recipe.model.derived(data, scenes, recipe.loop.seed, watch)
    return Recipe(model, data, recipe.optimizer, recipe.loop), reasons


def monitor_of(recipe: Recipe, learner: Learner, scenes: AbstractScenes, held_out: AbstractScenes) -> Inspect:
    """What the model's settings want to be recorded along the way; nothing if they do not say."""
    if isinstance(recipe.model, Monitored):
        return recipe.model.monitor(learner, recipe, scenes, held_out)
    return lambda state, step: {}


def diagnosed(recipe: Recipe, params: PyTree, scenes: AbstractScenes, watch: Watch) -> JSON:
    """What the run found out about itself, said aloud if it speaks against it."""
    found = recipe.model.diagnosed(params, recipe, scenes) if isinstance(recipe.model, Diagnosed) else {}
    if flags := found.get("flags"):
        watch({"event": f"this run is doubtful: {', '.join(flags)}; every count of it says so"})
    return found


def remarks(folder: Path, recipe: Recipe, scenes: AbstractScenes) -> list[str]:
    """What whoever trains should know before it begins."""
    said = []
    if not (folder / WEIGHTS).exists() and (changed := changed_since(begun(folder))):
        said.append(f"goes on, perhaps not to the same bits, where {changed}")
    said += getattr(scenes, "remarks", ())
    if skipped := scenes.left_out:
        said.append(f"left out {len(skipped)} that cannot be read; the first: {skipped[0][1]}")
    if about := getattr(recipe.model, "remark", None):
        said.append(about(scenes))
    return said

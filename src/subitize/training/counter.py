"""Counter: from a recipe to a run that counts."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from subitize import scenes
from subitize.core.errors import CheckpointError, UsageError
from subitize.core.words import check_word
from subitize.gradients import Expectation, expectation
from subitize.models.air import AIR, GUIDES
from subitize.models.settings import AIRSettings
from subitize.models.sums import CANDIDATES, PAIR, practise
from subitize.scenes.stack import AbstractStack
from subitize.training.checkpoint import LOCK, PARTIAL, alone, write_atomically
from subitize.training.health import counts, signs
from subitize.training.learner import Learner, Lesson, structured
from subitize.training.lesson import air_lesson
from subitize.training.loop import Plan, best_state, fit
from subitize.training.pilot import AUTO, PILOTED, settled
from subitize.training.recipe import Recipe
from subitize.training.runs import (
    WEIGHTS,
    Run,
    begun,
    changed_since,
    new_folder,
    open_run,
    provenance,
    save_weights,
)
from subitize.training.sizes import window_size

SUMS = 8  # sum scenes per step, where scenes add up
DECIDED = 0.4  # share of the steps after which a run that sees nothing is lost, if its count is sharp by then
MEASURED = 512  # scenes by which the size of objects is measured


def train(
    recipe: Recipe,
    out: Path | str | None = None,
    resume: str = "auto",
    watch: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Run:
    """Train an AIR without labels, and leave a run folder behind.

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
    folder = Path(out) if out is not None else new_folder(recipe.scenes)
    train_scenes = scenes.load(recipe.scenes, "train", **recipe.scene_options())
    held_out = scenes.load(recipe.scenes, "test", **recipe.scene_options())
    recipe = completed(recipe, train_scenes)
    settings = settings_for(recipe, train_scenes)
    auto, why = recipe.estimator == AUTO, None
    learner = air_learner(dataclasses.replace(recipe, estimator=PILOTED[0]) if auto else recipe, settings)
    plan = Plan(recipe.steps, recipe.batch, recipe.seed, recipe.chunk, recipe.save_every, recipe.restarts)
    inspect = follow(train_scenes, held_out, recipe)
    with claimed(folder):  # after all that the recipe can be refused for
        if auto:
            estimator, why = settled(folder, recipe, settings, train_scenes, watch)
            recipe = dataclasses.replace(recipe, estimator=estimator)
            learner = air_learner(recipe, settings)
        open_folder(folder, recipe, resume, why, fingerprint(train_scenes))
        if not (folder / WEIGHTS).exists() and (changed := changed_since(begun(folder))):
            watch({"event": f"goes on, perhaps not to the same bits, where {changed}"})
        for remark in getattr(train_scenes, "remarks", ()):
            watch({"event": remark})
        if skipped := getattr(train_scenes, "skipped", ()):
            watch({"event": f"left out {len(skipped)} that cannot be read; the first: {skipped[0][1]}"})
        watch({"event": f"window: {settings.object_size:.1f} pixels of {settings.height}x{settings.width}"})
        state = fit(learner, train_scenes, plan, folder, inspect=inspect, watch=watch)
        if recipe.keep == "best":
            try:
                state = best_state(folder, state)
            except CheckpointError as error:
                watch({"event": f"{error} The last state is kept instead of the best."})
        save_weights(folder / WEIGHTS, state.model)
    return open_run(folder)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep every other process from training in a folder, which is made if it is not there.

    Raises:
        UsageError: the folder is a file or holds something else than a run, or another process trains in it.
    """
    if folder.exists() and (not folder.is_dir() or not is_run(folder)):
        raise UsageError(f"{folder} exists and is not a run. Choose another --out; nothing is overwritten.")
    with alone(folder):
        yield


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, or no more than what one killed at its very beginning leaves."""
    first = {LOCK, "provenance.json"}
    return (folder / "recipe.json").is_file() or all(
        path.name in first or path.suffix == PARTIAL for path in folder.iterdir()
    )


def fingerprint(world: scenes.AbstractScenes) -> str | None:
    """SHA-256 of a stack's pictures; None of a world that is drawn."""
    if not isinstance(world, AbstractStack):
        return None
    return hashlib.sha256(np.ascontiguousarray(world.pictures).tobytes()).hexdigest()


def open_folder(
    folder: Path, recipe: Recipe, resume: str, why: str | None = None, pictures: str | None = None
) -> None:
    """Begin a run in a claimed folder, or check that the one in it is this recipe's.

    Args:
        folder: of the run.
        recipe: complete.
        resume: "auto" or "never".
        why: this estimator was chosen, if the recipe's owner did not choose; for the provenance.
        pictures: the fingerprint of those that it learns from.

    Raises:
        UsageError: it is another recipe's or of other pictures, or `resume` forbids to go on.
    """
    for left_behind in folder.glob(f".*{PARTIAL}"):
        left_behind.unlink()
    wrote = folder / "recipe.json"
    if wrote.is_file():
        before = Recipe.from_json(wrote.read_text())
        changed = [
            f.name for f in dataclasses.fields(Recipe) if getattr(before, f.name) != getattr(recipe, f.name)
        ]
        if resume == "never":
            raise UsageError(
                f"{folder} holds a run already. Choose another --out, or --resume auto to go on."
            )
        if begun(folder).get("pictures") not in (None, pictures):
            raise UsageError(
                f"{recipe.scenes} no longer holds the pictures that the run in {folder} began with. Bring "
                "them back to go on, or choose another --out."
            )
        if changed:
            raise UsageError(
                f"{folder} holds a run with other options ({', '.join(changed)}). A run goes on with the "
                "recipe it began with: give the same options, or another --out."
            )
        return
    known = {"estimator": why, "pictures": pictures}
    made = provenance() | {name: value for name, value in known.items() if value is not None}
    write_atomically(folder / "provenance.json", json.dumps(made, indent=2).encode())
    write_atomically(wrote, recipe.to_json().encode())


def completed(recipe: Recipe, train_scenes: scenes.AbstractScenes) -> Recipe:
    """The recipe with nothing left to derive: size of objects, sums, path, how pictures are prepared."""
    size, sums, summands = recipe.object_size, recipe.sums, recipe.summands
    where = recipe.scenes if recipe.scenes in scenes.WORLDS else str(Path(recipe.scenes).absolute())
    if size is None:
        images = train_scenes.batch(recipe.seed, np.arange(MEASURED)).image
        size = round(window_size(np.asarray(images)), 1)
    several = [n for n in train_scenes.counts if 1 < n <= recipe.max_objects]
    if sums is None:
        adds_up = train_scenes.has_truth and recipe.overlap != "any"
        sums = SUMS if adds_up and several and recipe.objective.startswith("mean") else 0
    if summands is None:
        summands = min(several, default=PAIR)
    brought = {word: getattr(train_scenes, word, None) for word in ("fit", "invert")}  # so does who counts
    return dataclasses.replace(
        recipe, scenes=where, object_size=size, sums=sums, summands=summands, **brought
    )


def settings_for(recipe: Recipe, train_scenes: scenes.AbstractScenes) -> AIRSettings:
    """The model's settings, from a completed recipe and the shape of the images."""
    assert recipe.object_size is not None
    check_word("model", recipe.model, tuple(GUIDES))
    return AIRSettings(
        model=recipe.model,
        height=train_scenes.height,
        width=train_scenes.width,
        channels=train_scenes.channels,
        max_objects=recipe.max_objects,
        object_size=recipe.object_size,
        what=recipe.what,
        pixel_deviation=recipe.pixel_deviation,
        count_prior=recipe.count_prior,
    )


def air_learner(recipe: Recipe, settings: AIRSettings) -> Learner:
    """The AIR of a completed recipe as a learner; the same for every seed, so that it is compiled once."""
    return learner_of(dataclasses.replace(recipe, seed=0), settings)


@lru_cache(maxsize=8)
def learner_of(recipe: Recipe, settings: AIRSettings) -> Learner:
    """The learner itself; the recipe's seed plays no part."""

    def rate(step):
        fall = jnp.clip((step / recipe.steps - recipe.hold) / max(1 - recipe.hold, 1e-6), 0, 1)
        return recipe.learning_rate * (1 - (1 - recipe.final_rate) * fall)

    lesson = air_lesson(recipe)
    loss = expectation(practise, {"count": recipe.estimator}, recipe.objective)
    check_estimator(loss, settings, lesson)
    return structured(
        build=lambda key: AIR(settings, key=key),
        loss=loss,
        lesson=lesson,
        optimizer=optax.chain(optax.clip_by_global_norm(recipe.clip), optax.adam(rate)),
        learning_rate=recipe.learning_rate,
        dream=lambda model, key: model.dream(key)[0],
    )


def check_estimator(loss: Expectation, settings: AIRSettings, lesson: Lesson) -> None:
    """Raise SiteError now, by an abstract trace, if the estimator cannot serve the count."""

    def first(key):
        images = jnp.zeros((CANDIDATES, settings.height, settings.width, settings.channels))
        examples = lesson.examples(lesson.begin(images), images, jnp.zeros((), jnp.int32), key)
        loss.sites(AIR(settings, key=key), jax.tree.map(lambda x: x[0], examples))

    jax.eval_shape(first, jax.random.key(0))


def follow(
    train_scenes: scenes.AbstractScenes, held_out: scenes.AbstractScenes, recipe: Recipe
) -> Callable[[Any, int], dict[str, Any]]:
    """What to add to a row now and then: signs of health, and count accuracy where truth is known.

    The signs need no truth; they are read off scenes of the training world that training does not reach, and
    only they may end a run. The accuracy, on held-out scenes, is for people to read.
    """
    looked_at = np.arange(recipe.look_at)
    unreached = train_scenes.batch(recipe.seed, recipe.steps * recipe.batch + looked_at).image
    shown = held_out.batch(recipe.seed, looked_at)
    truth = np.asarray(shown.count)

    def inspect(state, step):
        looks, before = step // recipe.look_every, (step - recipe.chunk) // recipe.look_every
        if looks == before and step < recipe.steps:  # a chunk may step over the very step that is asked for
            return {}
        found = signs(state.model, unreached, recipe.summands or PAIR)
        row = found._asdict() | {"discord": found.discord, "warning": found.warning()}
        if step >= max(DECIDED * recipe.steps, 2 * recipe.sharpen_steps):
            row |= {"failed": found.failure(practised=bool(recipe.sums)), "criterion": found.discord}
        if held_out.has_truth:
            row["count_accuracy"] = float((counts(state.model, shown.image) == truth).mean())
        return row

    return inspect

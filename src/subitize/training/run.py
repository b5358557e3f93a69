"""Run: a trained model, and the folder it came from.

    recipe.json           everything that decides the outcome; replayable
    provenance.json       versions, device, seed: where it was made
    records.jsonl         one row per chunk of steps; no clock times, so equal runs have equal records
    timings.jsonl         the clock times
    checkpoints/          to go on from
    weights.safetensors   the trained model, with its settings; loading it runs no code
    calibration.json      how wide its intervals must be, if a person verified a count of it
    pictures/             made from the above

Figures, tables and verdicts read these files only.
"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import PyTree

from subitize.core.errors import CheckpointError, NoInputError, UsageError
from subitize.core.interfaces import EDGES, Counter, Inference, Learner, PictureCounter
from subitize.core.json import JSON
from subitize.core.specs import check_choice
from subitize.scenes import AbstractScenes
from subitize.training.calibration import Calibration, read_calibration
from subitize.training.recipe import RECIPE, Recipe, read_recipe
from subitize.training.records import read_rows, training_seconds
from subitize.training.weights import WEIGHTS, Weights, read_weights


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model and the folder it came from.

    Attributes:
        path: of the run folder.
        recipe: how it was trained.
        learner: what was trained, or counts without; its protocols say what can be done with the weights.
        model: the trained weights.
        digest: SHA-256 of its weights file, in hexadecimal.
        diagnostics: what the run found out about itself.
        calibration: how wide its intervals must be; None if nobody verified a count of it.
    """

    path: Path
    recipe: Recipe
    learner: Learner | PictureCounter
    model: PyTree
    digest: str
    diagnostics: JSON = dataclasses.field(default_factory=dict)
    calibration: Calibration | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Codes of what speaks against all that the model says, found by the run itself."""
        return tuple(self.diagnostics.get("flags", ()))

    def scenes(self, split: str = "test") -> AbstractScenes:
        """The dataset it was trained on, or its held-out half."""
        return self.recipe.scenes(split)

    def records(self) -> list[JSON]:
        """Rows of the training record."""
        return read_rows(self.path)

    def seconds(self) -> float:
        """Seconds of training: compilation included, and what interruptions made it do twice."""
        return training_seconds(self.path)

    @property
    def counter(self) -> Counter:
        """The learner, as one that counts.

        Raises:
            UsageError: it does not.
        """
        if isinstance(self.learner, Counter):
            return self.learner
        raise UsageError(
            f"This needs a model that counts objects one after the other, such as air; the run {self.path} "
            f"is of '{self.recipe.name}'. Train one with `subitize train --model air`."
        )

    def infer(self, images: np.ndarray) -> Inference:
        """Count what is in pictures. Deterministic, and the same whatever else is in the batch.

        Args:
            images: [n, height, width, channels], brightness 0 … 1 on black, of the model's own size.

        Returns:
            An `Inference` of numpy arrays, each with a leading axis n.

        Raises:
            UsageError: the pictures are not of the model's size, or the model does not count.
        """
        return self.counter.infer(self.model, images)

    def for_inference(self, max_objects: int | None = None, passes: int = 1) -> "Run":
        """The same run, whose model takes up to another number of steps, or makes more than one pass.

        Raises:
            UsageError: the model cannot do that; see `AIR.for_inference`.
        """
        return dataclasses.replace(self, model=self.counter.for_inference(self.model, max_objects, passes))

    def with_edge(self, edge: str) -> "Run":
        """The same run, with another rule for what is cut by the border: count, half or skip.

        Raises:
            UsageError: its model has no such rule.
        """
        check_choice("edge", edge, EDGES)
        if not (isinstance(self.learner, PictureCounter) and dataclasses.is_dataclass(self.learner)):
            raise UsageError(
                f"A model of '{self.recipe.name}' has no rule for what is cut by the border. Leave `edge` "
                "out, or use a run of a catalogue."
            )
        return dataclasses.replace(self, learner=dataclasses.replace(self.learner, edge=edge))  # pyright: ignore[reportCallIssue]


def open_run(path: str | Path, max_objects: int | None = None, passes: int = 1) -> Run:
    """Open a finished run.

    Args:
        path: its folder.
        max_objects: the most objects to look for, if not as in training.
        passes: over each picture.

    Raises:
        UsageError: the model cannot look for so many objects, or so often.
        NoInputError: there is no run there.
        CheckpointError: its weights or its calibration are damaged, or not of its recipe.
    """
    path = Path(path)
    if not (path / RECIPE).is_file():
        raise NoInputError(f"A run is a folder that `subitize train` made; there is none at {path}.")
    recipe = read_recipe(path)
    if not (path / WEIGHTS).is_file():
        raise CheckpointError(
            f"The run {path} has no {WEIGHTS}: its training did not end. "
            f"Finish it with `subitize train --out {path} --resume auto` and the same options."
        )
    weights = read_weights(path / WEIGHTS)
    if not agrees(weights, recipe):
        raise CheckpointError(f"The weights in {path} are of another recipe than its {RECIPE}.")
    learner = recipe.learner(weights.data)
    calibration = read_calibration(path, weights.digest)
    params = weights.params(learner)
    run = Run(path, recipe, learner, params, weights.digest, weights.diagnostics, calibration)
    return run if max_objects is None and passes == 1 else run.for_inference(max_objects, passes)


def agrees(weights: Weights, recipe: Recipe) -> bool:
    """Whether weights are of a recipe: of its model, with its settings."""
    same = (getattr(weights.settings, name) == getattr(recipe.model, name, None) for name in weights.given)
    return type(weights.settings) is type(recipe.model) and all(same)


def new_folder(name_or_path: str) -> Path:
    """The first unused runs/<name>-NNN under the current folder, for scenes of that name; not created."""
    name, number = Path(name_or_path).absolute().name.partition("(")[0], 1
    while (folder := Path("runs") / f"{name}-{number:03d}").exists():
        number += 1
    return folder

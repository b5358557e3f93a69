"""`subitize train`: learn from pictures alone, to count them or whatever else the model does."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from subitize.cli.choose_model import model_of_folder
from subitize.cli.parse import is_on, parse, value_of
from subitize.cli.progress import Watch
from subitize.core.errors import UsageError
from subitize.core.optimizer import Optimizer
from subitize.counter.catalogue import CatalogueOptions
from subitize.training.recipe import Data, Loop, Recipe, is_folder

if TYPE_CHECKING:
    from subitize.training.run import Run
else:
    Run = Any  # help loads no JAX

LOOKED_AT = 500  # held-out scenes for the last line


def options_for(usual: Recipe) -> type:
    """The options of the command, those of a recipe's sections and model among them, at its values."""
    kind = type(usual.model)

    @dataclasses.dataclass(frozen=True)
    class Train:
        """Learn from pictures alone. `subitize train --model NAME --help` lists the options of a model.

        Args:
            settings: of the model.
            data: what to learn from.
            optimizer: how it follows its gradient.
            loop: how long, how often, from which seed.
            model: a name that `subitize show` lists, with its options as in "dair(max_objects=5)". If not
                given, air for generated scenes; for a folder of pictures catalogue or dair, as
                suits them.
            preset: a named set of options; air has fast, which ends sooner and counts a little worse.
            out: folder of the run; runs/<scenes>-NNN here if not given.
            resume: auto goes on where the run in this folder stopped; never asks for an empty folder.
            deterministic: one core and fixed order of sums, so that equal machines make equal weights.
            debug: show the traceback of an error.
        """

        settings: Annotated[kind, tyro.conf.arg(name="model")] = usual.model  # pyright: ignore[reportInvalidTypeForm]
        data: Data = usual.data
        optimizer: Optimizer = usual.optimizer
        loop: Loop = usual.loop
        model: str | None = None
        preset: str | None = None
        out: Path | None = None
        resume: Literal["auto", "never"] = "auto"
        deterministic: bool = False
        debug: bool = False

        def __post_init__(self):
            assert self.recipe  # making it checks that its sections agree

        @property
        def recipe(self) -> Recipe:
            """All that decides the outcome."""
            return Recipe(self.settings, self.data, self.optimizer, self.loop)

    return Train


def parsed(words: Sequence[str]) -> Any:
    """The options, once the model has said which there are.

    Raises:
        UsageError: there is no such model, or it has no such option.
    """
    scenes, model = value_of("scenes", words), value_of("model", words) or None
    if scenes and not model and looks_at_folder(scenes, words):  # an empty one is refused with other words
        model = model_of_folder(scenes, Path(out) if (out := value_of("out", words)) else None)
    preset = value_of("preset", words)
    recipe = Recipe.of(model, preset=preset, **({"scenes": scenes} if scenes else {}))
    return parse(options_for(recipe), "train", words)


def looks_at_folder(scenes: str, words: Sequence[str]) -> bool:
    """Whether the pictures decide on the model: not if an option of a catalogue, or help, is asked for."""
    own = [each.name for each in dataclasses.fields(CatalogueOptions)]
    return is_folder(scenes) and "--help" not in words and not any(value_of(name, words) for name in own)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    if is_on("deterministic", words):  # now, since the options of some models import JAX
        one_core()
    options = parsed(words)
    from subitize.core.provenance import device
    from subitize.training import open_run, train
    from subitize.training.run import new_folder

    recipe = options.recipe
    folder = (options.out or new_folder(recipe.data.scenes)).absolute()
    print(f"run: {folder}", f"model: {recipe.name}", f"device: {device()}", sep="\n", flush=True)
    with Watch("train") as watch:
        train(recipe, folder, options.resume, watch)
    run = open_run(folder)
    print(*last_words(run), *pictured(run), f"run: {folder}", sep="\n")
    return 0


def one_core() -> None:
    """Keep this process on one core; sums then have one order. Must come before JAX is imported."""
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("--deterministic needs to choose its core, which this system does not let it do.")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


def last_words(run: Run) -> list[str]:
    """What it does on examples that it has never seen: accuracy for each true count, or its own scores."""
    from subitize.core.interfaces import Counter, Scorer
    from subitize.evaluation.held_out import evaluate, scores
    from subitize.evaluation.likelihood import likelihood_in_words

    if not isinstance(run.learner, Counter):
        found = scores(run, LOOKED_AT) if isinstance(run.learner, Scorer) else {}
        told, rest = likelihood_in_words(found)
        numbers = [told] * bool(told) + [f"{name} {value:.4g}" for name, value in rest.items()]
        return [f"held out: {', '.join(numbers)}"] * bool(found)
    found = evaluate(run, LOOKED_AT, elbo=False)
    if found["count_accuracy"] is None:
        return [f"held out: {found['mean_count']:.2f} objects per picture; nobody knows the truth"]
    each = ", ".join(f"{n}: {100 * s:.1f} %" for n, s in found["accuracy_by_count"].items() if s is not None)
    right = f"{100 * found['count_accuracy']:.1f} % counted right"
    return [f"held out: {right} ({each}) of {found['n']} scenes"]


def pictured(run: Run, out: Path | None = None) -> list[str]:
    """A line that names the picture of a run; none if there is nothing to draw."""
    path = draw_picture(run, out)
    return [] if path is None else [f"picture: {path}"]


def draw_picture(run: Run, out: Path | None = None) -> Path | None:
    """Where the picture of a run was written: a board of held-out scenes if it counts, or samples.

    Args:
        run: to draw.
        out: the file; pictures/board.png or pictures/samples.png in the run if None.
    """
    from subitize.core.interfaces import Counter, Sampler
    from subitize.figures.showcase import samples, showcase

    if isinstance(run.learner, Counter):
        draw, name = showcase, "board.png"
    elif isinstance(run.learner, Sampler):
        draw, name = samples, "samples.png"
    else:
        return None
    target = out or run.path / "pictures" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(run).save(target)
    return target.absolute()

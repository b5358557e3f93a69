"""The lab: where claims are put to the test, so that nothing done is done again.

Everything lands in one folder: `runs/` holds the trainings, which claims share when their recipes agree,
`notes/` what was measured on them, NAME.json what was found, NAME.png its picture. A test that is interrupted
goes on where it stopped, since a training does, a training that has ended is only opened, and what is noted
is read. Notes say where they were made: with them alone, a test can go on on another machine.
"""

import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import PyTree
from PIL import Image

from subitize.core.errors import CheckpointError, UsageError
from subitize.core.files import alone, write_atomically
from subitize.core.interfaces import Examples, Learner
from subitize.core.json import JSON
from subitize.core.provenance import provenance
from subitize.core.results import Result, as_json
from subitize.reproduce.claim import Claim
from subitize.scenes import BinarizedImages
from subitize.training import Recipe, Run, fit, open_run, train
from subitize.training.from_recipe import Inspect
from subitize.training.plan import Plan
from subitize.training.records import RECORDS, read_rows, training_seconds
from subitize.training.weights import WEIGHTS

TINY = {  # whatever a claim asks for: few objects, since steps take long to compile, and trainings that agree
    "scenes": "digits",
    "counts": (0, 1, 2),
    "max_objects": 2,
    "object_size": 17.0,  # to measure it compiles more
    "steps": 4,
    "steps_per_call": 4,
    "eval_every": 4,
    "eval_size": 8,
    "batch_size": 24,
    "restarts": 0,
}
REHEARSED = 4, 2  # objects that are looked for, and looks, in a rehearsal


def nothing(state: PyTree, step: int) -> JSON:
    """What is added to a record if nobody asks for more."""
    return {}


@dataclasses.dataclass(frozen=True)
class Lab:
    """A folder, the seeds of a test, and whether it is only a rehearsal.

    Args:
        out: folder for everything.
        seeds: of all randomness, one training each.
        tiny: a rehearsal of seconds on the bundled digits, which shows that the test runs and nothing else.
        say: called with a line for people.
    """

    out: Path
    seeds: tuple[int, ...]
    tiny: bool = False
    say: Callable[[str], None] = lambda line: None
    spent: dict[str, float] = dataclasses.field(default_factory=dict)  # seconds of each training in use
    made: list[JSON] = dataclasses.field(default_factory=list)  # provenances of the notes in use

    @property
    def scenes(self) -> str:
        """The dataset of the tests: MNIST scenes, or in a rehearsal the bundled digits."""
        return TINY["scenes"] if self.tiny else "mnist"

    def some(self, n: int) -> int:
        """How many of n pictures to measure on."""
        return min(n, 16) if self.tiny else n

    def for_inference(self, run: Run, max_objects: int, passes: int) -> Run:
        """A run that looks for so many objects, so often; in a rehearsal for fewer, and seldom."""
        few = REHEARSED if self.tiny else (max_objects, passes)
        return run.for_inference(min(max_objects, few[0]), min(passes, few[1]))

    def trained(self, **options: Any) -> Run:
        """The run of a recipe: trained now, trained to its end, or opened."""
        options = {"scenes": self.scenes} | options | (TINY if self.tiny else {})
        recipe = Recipe.of(**options)
        words = "-".join(str(options[k]) for k in ("scenes", "model", "seed") if k in options)
        folder = self.out / "runs" / f"{words}-{marked(recipe.to_json())}"
        if (folder / WEIGHTS).is_file():
            run = open_run(folder)
        else:
            self.say(f"training {folder}")
            run = train(recipe, folder)
        self.spent[folder.name] = run.seconds()
        return run

    def fitted(
        self,
        name: str,
        options: Any,
        learner: Learner,
        dataset: Examples,
        plan: Plan,
        inspect: Inspect = nothing,
    ) -> tuple[Any, list[dict[str, Any]]]:
        """The last state of any other learner, fitted now or before, and its records.

        Args:
            name: for people.
            options: all that defines the learner; with the plan it marks the folder.
            learner: as for `fit`.
            dataset: its `scenes`.
            plan: as for `fit`.
            inspect: as for `fit`.
        """
        folder = self.out / "runs" / f"{name}-{marked(options, plan)}"
        with alone(folder):
            rows = read_rows(folder) if (folder / RECORDS).is_file() else []
            if not rows or rows[-1]["step"] < plan.steps:
                self.say(f"training {folder}")
            state = fit(learner, dataset, plan, folder, inspect=inspect)
        self.spent[folder.name] = training_seconds(folder)
        return state, read_rows(folder)

    def noted(self, name: str, options: Any, measure: Callable[["Lab", int], Any]) -> list[Any]:
        """What was measured with each seed, now or before.

        Args:
            name: for people.
            options: all that defines the measurement but the seed.
            measure: (lab, seed) -> numbers in lists and tables, as JSON holds them.
        """
        return [self.noted_of(seed, name, options, measure) for seed in self.seeds]

    def noted_of(self, seed: int, name: str, options: Any, measure: Callable[["Lab", int], Any]) -> Any:
        """The same with one seed; `measure` may itself note parts with its lab, which are then not lost."""
        path = self.note_path(f"{name}, {seed}", options, "json")
        if path.is_file():
            self.say(f"measured before: {path}")
        else:
            inner = dataclasses.replace(self, spent={}, made=[])
            found = measure(inner, seed)
            made = {word: value for word, value in provenance().items() if word != "command"}  # any claim's
            note = {"found": found, "seconds": inner.spent, "provenance": made, "parts": inner.made}
            write_atomically(path, as_json(note))
        note = read_note(path)  # also what was just measured, for JSON makes words of keys
        self.spent.update(note["seconds"])
        self.made.extend([*note["parts"], note["provenance"]])
        return note["found"]

    def drawn(self, name: str, options: Any, draw: Callable[[], Image.Image]) -> Image.Image:
        """A picture of the first seed's model, drawn now or before.

        Args:
            name: for people.
            options: all that defines the picture but the seed.
            draw: () -> picture.
        """
        path = self.note_path(f"{name}, {self.seeds[0]}", options, "png")
        if not path.is_file():
            file = io.BytesIO()
            draw().save(file, "png")
            write_atomically(path, file.getvalue())
        return Image.open(path)

    def note_path(self, name: str, options: Any, ending: str) -> Path:
        """The file of a note."""
        folder = self.out / "notes"
        folder.mkdir(parents=True, exist_ok=True)
        words = re.sub(r"\W+", "-", name)
        return folder / f"{words}-{marked(repr(options), repr(self.tiny))}.{ending}"

    def bits(self, split: str) -> BinarizedImages:
        """Single digits in black and white: MNIST's, or in a rehearsal the bundled ones."""
        return BinarizedImages(split, of=self.scenes)


def reproduce(claim: Claim, lab: Lab) -> Result:
    """The result of a test, which is also written into the lab's folder, as NAME.json and NAME.png.

    Its summary holds the claim, its verdict and that of each condition, and the finding's details. It has a
    run for each seed, with a number for each condition. A rehearsal has no verdict.

    Raises:
        UsageError: there is a result of more seeds, or one that cannot be read, which this one would replace.
    """
    lab.out.mkdir(parents=True, exist_ok=True)
    path = lab.out / f"{claim.name}.json"
    if (had := seeds_in(path)) > len(lab.seeds):
        raise UsageError(
            f"{path} has {had} seeds, and {len(lab.seeds)} would replace it. Choose another --out."
        )
    finding = claim.measure(lab)
    values = {name: finding.values[name] for name in claim.conditions}
    result = Result(
        name=claim.name,
        provenance=provenance() | {"command": command(claim, lab)},
        summary={
            "statement": claim.statement,
            "source": claim.source,
            "verdict": "rehearsal" if lab.tiny else claim.verdict(values),
            "conditions": {
                name: condition._asdict() | {"verdict": condition.verdict(values[name])}
                for name, condition in claim.conditions.items()
            },
            "minutes": round(sum(lab.spent.values()) / 60, 1),  # of training, in whatever sitting
            "details": finding.details,
        },
        runs=tuple(
            {"seed": seed} | dict(zip(values, numbers, strict=True))
            for seed, *numbers in zip(lab.seeds, *values.values(), strict=True)
        ),
        sittings=tuple(made for i, made in enumerate(lab.made) if made not in lab.made[:i]),
    )
    result.write(lab.out)
    if finding.picture is not None:
        finding.picture.save(lab.out / f"{claim.name}.png")
    return result


def seeds_in(path: Path) -> int:
    """How many a result has; none, if there is no result.

    Raises:
        UsageError: the file is damaged, or of an older version.
    """
    return len(Result.read(path).runs) if path.exists() else 0


def read_note(path: Path) -> JSON:
    """What was noted: found, seconds of each training, provenance, and those of notes within, if any.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        note = {"parts": []} | json.loads(path.read_text())
        return {word: note[word] for word in ("found", "seconds", "provenance", "parts")}
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"The note {path} is damaged. Delete it, and it is measured again.") from None


def marked(*options: Any) -> str:
    """A short mark of what defines a training: others get other folders."""
    text = "".join(option if isinstance(option, str) else repr(option) for option in options)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def command(claim: Claim, lab: Lab) -> str:
    """The words that would do the same again."""
    seeds = f" --seeds {len(lab.seeds)}" if len(lab.seeds) < len(claim.seeds) and not lab.tiny else ""
    return f"subitize reproduce {claim.name}{seeds}{' --tiny' * lab.tiny}"

"""`subitize val`: how good is a run on scenes that it has never seen?"""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from subitize.cli.parse import parse
from subitize.cli.progress import say
from subitize.core.bounds import check_bounds


@dataclasses.dataclass(frozen=True)
class Val:
    """Measure a run on held-out scenes.

    Args:
        run: folder of the run.
        max_objects: the most objects to look for in a scene; None as in training.
        passes: over each scene; those after the first refine what was found. For `dair`.
        scenes_n: how many scenes to draw.
        samples_n: how many pictures of a generative model to judge, beside as many that are held out; 0 for
            none. It takes a network that tells digits apart, trained once.
        seed: of the scenes.
        json: print one JSON object instead of a table.
        debug: show the traceback of an error.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    max_objects: int | None = None
    passes: int = 1
    scenes_n: int = 2000
    samples_n: int = 2000
    seed: int = 0
    json: bool = False
    debug: bool = False

    def __post_init__(self):
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Val, "val", words)
    from subitize.core.interfaces import Counter
    from subitize.evaluation.held_out import evaluate
    from subitize.evaluation.samples import generative_scores, unready
    from subitize.training import open_run

    run = open_run(options.run, options.max_objects, options.passes)
    if options.samples_n and (told := unready(run)):
        say(told)
    counts = isinstance(run.learner, Counter)
    found: dict[str, Any] = (
        evaluate(run, options.scenes_n, options.seed)
        if counts
        else generative_scores(run, options.scenes_n, options.samples_n, options.seed)
    )
    found = {name: finite(value) for name, value in found.items()}
    if options.json:
        found |= {"run": str(run.path.absolute()), "model_sha256": run.digest}
        print(json.dumps(found, allow_nan=False))
    else:
        lines = table(found) if counts else plain(found)
        print("\n".join([f"run: {run.path.absolute()}", *lines]))
    return 0


def finite(value: Any) -> Any:
    """The number, or None where there is none: JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(found: dict[str, Any]) -> list[str]:
    """The numbers as lines for people."""
    lines = [f"{found['n']} held-out scenes, seed {found['seed']}", ""]
    if found["count_accuracy"] is None:
        lines += ["  nobody knows the true counts", line("mean count", found["mean_count"], "")]
    else:
        lines += [line("counted right", found["count_accuracy"]), *by_count(found["accuracy_by_count"])]
        lines += ["", *grid(found["confusion"]), ""]
        lines.append(line("boxes, mean IoU", found["iou"], ""))
        lines.append(line("90 % interval covers", found["coverage_90"]))
        lines.append(line("calibration error", found["calibration_error"], ""))
    lines += [line("mean interval size", found["interval_size"], "counts")]
    return [*lines, line("bound", found["elbo"], "nats")]


def plain(found: dict[str, Any]) -> list[str]:
    """The likelihood if there is one, and each number, on a line of its own."""
    from subitize.evaluation.likelihood import likelihood_in_words

    told, rest = likelihood_in_words(found)
    numbers = {name: value for name, value in rest.items() if not isinstance(value, list)}
    return [f"  {told}"] * bool(told) + [line(name, value, "") for name, value in numbers.items()]


def line(name: str, value: float | None, unit: str = "%") -> str:
    """One number with its name."""
    if value is None:
        return f"  {name:<24}     -"
    return f"  {name:<24}{100 * value:8.2f} %" if unit == "%" else f"  {name:<24}{value:8.3f} {unit}".rstrip()


def by_count(shares: dict[str, float | None]) -> list[str]:
    """Accuracy for each true count that occurs."""
    return [line(f"  of scenes with {n}", share) for n, share in shares.items() if share is not None]


def grid(confusion: list[list[int]]) -> list[str]:
    """Confusion: a row for each true count, a column for each count given."""
    head = "  true \\ counted" + "".join(f"{n:7d}" for n in range(len(confusion[0])))
    return [head, *(f"{n:16d}" + "".join(f"{k:7d}" for k in row) for n, row in enumerate(confusion))]

"""The report: what was claimed, what was found."""

import statistics
from pathlib import Path

from subitize.core.errors import UsageError
from subitize.core.json import JSON
from subitize.core.results import Result

HEAD = "| measured | theirs | must be | ours, mean (every seed) | verdict |\n|---|---|---|---|---|"


def report(results: Path, pictures: Path, link: str = "") -> str:
    """A section of Markdown for every claim that was tested.

    Args:
        results: folder of their NAME.json.
        pictures: folder of their NAME.png, as far as there are any.
        link: what stands before NAME.png in a link to it.
    """
    sections = []
    for path in sorted(results.glob("*.json")):
        try:
            result = Result.read(path)
        except UsageError as error:  # damaged, or of an older version
            sections += [f"### {path.stem}", f"**Cannot be read.** {error}"]
            continue
        statement = result.summary["statement"]
        sections += [f"### {statement}", said_of(result), conditions(result)]
        if (pictures / f"{result.name}.png").exists():
            sections.append(f"![{statement}]({link}{result.name}.png)")
    return "\n\n".join(sections)


def said_of(result: Result) -> str:
    """The verdict, after whom it is, and how it was tested."""
    summary, seeds = result.summary, len(result.runs)
    unlike = len({(made["device"], made["cpu"]) for made in result.sittings}) > 1
    return (
        f"**{summary['verdict'].capitalize()}.** After: {summary['source']}. {seeds} seed{'s' * (seeds > 1)}"
        f", {summary['minutes']:g} minutes of training models in all{', on unlike machines' * unlike}; "
        f"{result.where()}."
    )


def conditions(result: Result) -> str:
    """A table with a row for each number that the claim stands on."""
    rehearsed = result.summary["verdict"] == "rehearsal"
    rows = [
        row(condition, result.values(name), "rehearsal" if rehearsed else condition["verdict"])
        for name, condition in result.summary["conditions"].items()
    ]
    return "\n".join([HEAD, *rows])


def row(condition: JSON, values: list, verdict: str) -> str:
    """One condition of a claim."""
    each = ", ".join(told(value, condition["bar"]) for value in values)
    cells = [
        condition["what"],
        condition["theirs"] or "-",
        f"{'≤' if condition['at_most'] else '≥'} {condition['bar']:g}",
        f"{told(statistics.mean(values), condition['bar'])} ({each})",
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def told(value: float | int, bar: float | int) -> str:
    """A number as closely as it must be known beside its bar."""
    return str(value) if isinstance(value, int) else f"{value:.{1 if abs(bar) >= 10 else 2}f}"

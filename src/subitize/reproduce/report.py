"""The report: what was claimed, what was found."""

import json
import statistics
from pathlib import Path

from subitize.core.json import JSON

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
        found = json.loads(path.read_text())
        sections += [f"### {found['statement']}", said_of(found), conditions(found)]
        if (pictures / f"{path.stem}.png").exists():
            sections.append(f"![{found['statement']}]({link}{path.stem}.png)")
    return "\n\n".join(sections)


def said_of(found: JSON) -> str:
    """The verdict, after whom it is, and how it was tested."""
    made, number = found["provenance"], len(found["seeds"])
    sittings = found.get("sittings") or [made]
    machines = len({(sitting["device"], sitting["cpu"]) for sitting in sittings})
    places = "; ".join(map(place, sittings))
    return (
        f"**{found['verdict'].capitalize()}.** After: {found['source']}. {number} seed{'s' * (number > 1)}, "
        f"{found['minutes']:g} minutes of training models in all{', on unlike machines' * (machines > 1)}; "
        f"`{made['command']}`, {places}."
    )


def place(made: JSON) -> str:
    """Hardware, day, version and commit."""
    version = made["versions"]["subitize"]  # None of what ran from its sources
    code = f"version {version}, " * bool(version) + f"commit {(made['commit'] or 'unknown')[:7]}"
    return f"{made['device']} {made['cpu']}, {made['date']}, {code}"


def conditions(found: JSON) -> str:
    """A table with a row for each number that the claim stands on."""
    return "\n".join([HEAD, *(row(found, condition) for condition in found["conditions"].values())])


def row(found: JSON, condition: JSON) -> str:
    """One condition of a claim."""
    values = condition["values"]
    each = ", ".join(told(value, condition["bar"]) for value in values)
    cells = [
        condition["what"],
        condition["theirs"] or "-",
        f"{'≤' if condition['at_most'] else '≥'} {condition['bar']:g}",
        f"{told(statistics.mean(values), condition['bar'])} ({each})",
        found["verdict"] if found["verdict"] == "rehearsal" else condition["verdict"],
    ]
    return f"| {' | '.join(cells)} |"


def told(value: float | int, bar: float | int) -> str:
    """A number as closely as it must be known beside its bar."""
    return str(value) if isinstance(value, int) else f"{value:.{1 if abs(bar) >= 10 else 2}f}"

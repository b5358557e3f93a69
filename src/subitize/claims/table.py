"""The table of claims: what was said, what was found."""

import json
import statistics
from pathlib import Path
from typing import Any

HEAD = (
    "| claim | source | theirs | must be | ours: mean (every seed) | minutes trained | where | verdict |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(folder: Path) -> str:
    """Rows of Markdown for every claim whose result lies in a folder; a row for each condition."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        first = (found["statement"], found["source"])
        for condition in found["conditions"].values():
            rows.append(row(found, condition, first))
            first = ("", "")
    return "\n".join([HEAD, *rows])


def row(found: dict[str, Any], condition: dict[str, Any], first: tuple[str, str]) -> str:
    """One condition of a claim."""
    values = condition["values"]
    each = ", ".join(f"{value:.1f}" for value in values)
    bar = f"{'≤' if condition['at_most'] else '≥'} {condition['bar']:g}"
    made = found["provenance"]
    verdict = found["verdict"] if found["verdict"] == "rehearsal" else condition["verdict"]
    cells = [
        first[0],
        first[1],
        f"{condition['what']}: {condition['theirs'] or '-'}",
        bar,
        f"{statistics.mean(values):.1f} ({each})",
        f"{found['minutes']:g}",
        f"{made['device']}, {made['versions']['subitize'] or made['commit'][:7]}",
        f"**{verdict}**",
    ]
    return f"| {' | '.join(cells)} |"

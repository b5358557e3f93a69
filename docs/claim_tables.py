"""Tables of the page of claims, from what `subitize reproduce` wrote."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from statistics import mean

import numpy as np

from subitize.core.results import Result

ROOT = Path(__file__).parent.parent
TESTED_CLAIMS = ROOT / "experiments" / "results" / "claims"


def tested(claim: str) -> Result | None:
    """What was found of a claim; None if it was not put to the test."""
    path = TESTED_CLAIMS / f"{claim}.json"
    return Result.read(path) if path.exists() else None


def of_claim(claim: str) -> Callable[[Callable[[Result], str]], Callable[[], str]]:
    """What is made of what was found of a claim; words that say so if it was not put to the test."""

    def named(tabulate: Callable[[Result], str]) -> Callable[[], str]:
        @wraps(tabulate)
        def filled() -> str:
            found = tested(claim)
            return tabulate(found) if found else f"Not yet run: `subitize reproduce {claim}`."

        return filled

    return named


def overview() -> str:
    """All claims, and how they stand."""
    from subitize.claims import CLAIMS

    rows = []
    for name, claim in CLAIMS.items():
        found = tested(name)
        stands = f"**{found.summary['verdict']}**" if found else "not yet tested"
        rows.append(f"| {claim.statement} | {stands} |")
    return "\n".join(["| claim | here it |\n|---|---|", *rows])


def verdicts() -> str:
    """The claims that were put to the test, and their pictures."""
    from subitize.reproduce.report import report

    return report(TESTED_CLAIMS, ROOT / "docs" / "claims", "claims/") or "None yet."


def untested() -> str:
    """The claims that were not, if any, and what would count as true."""
    from subitize.claims import CLAIMS

    rows = [
        f"| {claim.statement} | {claim.source} | "
        + "; ".join(f"{c.what} {'≤' if c.at_most else '≥'} {c.bar:g}" for c in claim.conditions.values())
        + f" | `subitize reproduce {name}`, about {claim.minutes} minutes on two cores |"
        for name, claim in CLAIMS.items()
        if not (TESTED_CLAIMS / f"{name}.json").exists()
    ]
    head = "## Not yet\n\n| claim | source | would be true if | command |\n|---|---|---|---|"
    return "\n".join([head, *rows]) if rows else ""


WAYS = {
    "dair": "DAIR",
    "dair, one pass": "DAIR, one pass",
    "air": "our AIR",
    "eslami2016": "the paper's AIR",
}


def right(table: list[list[int]], n: int) -> float:
    """How often scenes of n are told right, in per cent."""
    return few_right_many(table, n)[1]


def few_right_many(table: list[list[int]], n: int) -> tuple[float, float, float]:
    """How often scenes of n are told too few, right and too many, in per cent."""
    row = table[n]
    return 100 * sum(row[:n]) / sum(row), 100 * row[n] / sum(row), 100 * sum(row[n + 1 :]) / sum(row)


@of_claim("extrapolation")
def extrapolated(found: Result) -> str:
    """How often each model, trained on none, one and two, is right, and how often it never stops."""
    tables = found.summary["details"]["confusion"]
    counts = [n for n, own in enumerate(tables["dair"]) if sum(own)]
    rows = [f"| | {' | '.join(f'{n} right' for n in counts)} | of {counts[-1]}: all steps taken |"]
    rows.append(f"|{'---|' * (len(counts) + 2)}")
    for way, name in WAYS.items():
        last = tables[way][counts[-1]]
        endless = f"{100 * last[-1] / sum(last):.1f} %" if len(last) > counts[-1] + 1 else "-"
        rows.append(
            f"| {name} | {' | '.join(f'{right(tables[way], n):.1f} %' for n in counts)} | {endless} |"
        )
    return "\n".join(rows)


@of_claim("stopping")
def going_on(found: Result) -> str:
    """How likely each model goes on, by objects in the scene and step; and what it finds if made to go on."""
    answers = found.summary["details"]["answers"]
    steps = range(1, len(answers["eslami2016"][0]["go_on"][0]) + 1)
    head = f"| objects | model | {' | '.join(f'to step {t}' for t in steps)} | as many windows, one on each |"
    rows = [head, f"|{'---|' * (len(steps) + 3)}"]
    for i, n in enumerate(answers["eslami2016"][0]["all_found"]):
        for name, word in (("the paper's AIR", "eslami2016"), ("DAIR", "dair")):
            on = [mean(own["go_on"][i][t - 1] for own in answers[word]) for t in steps]
            all_found = mean(own["all_found"][n] for own in answers[word])
            rows.append(f"| {n} | {name} | {' | '.join(f'{x:.0f} %' for x in on)} | {all_found:.0f} % |")
    return "\n".join(rows)


@of_claim("stopping")
def patched_memories(found: Result) -> str:
    """Whether the paper's AIR goes on with another scene's state: rows are what is seen."""
    answers = found.summary["details"]["answers"]
    seen = list(answers["eslami2016"][0]["all_found"])
    kinds = {  # what is asked: which answers, and their suffix
        "goes on to a second": ("second", ""),
        "to a third, state after one step": ("third", ", one step"),
        "to a third, state after two": ("third", ", two steps"),
    }
    tables = []
    for title, (asked, suffix) in kinds.items():
        head = f"| seen | {' | '.join(f'state of a scene of {other}' for other in seen)} |"
        rows = [f"{title.capitalize()}:\n", head, f"|{'---|' * (len(seen) + 1)}"]
        for n in seen:
            words = [f"{n} after {other}{suffix}" for other in seen]
            on = [mean(own[asked][word] for own in answers["eslami2016"]) for word in words]
            rows.append(f"| {n} | {' | '.join(f'{x:.0f} %' for x in on)} |")
        tables.append("\n".join(rows))
    return "\n\n".join(tables)


@of_claim("interpolation")
def interpolated(found: Result) -> str:
    """What each model, trained on none, one and three, counts: less, right and more, over all seeds."""
    details = found.summary["details"]
    tables = {WAYS[way]: table for way, table in details["confusion"].items()}
    for seed, table in zip(found.values("seed"), details["confusion_by_seed"]["eslami2016"], strict=True):
        tables[f"{WAYS['eslami2016']}, seed {seed}"] = table
    counts = [n for n, row in enumerate(tables[WAYS["dair"]]) if sum(row)]
    rows = [f"| | {' | '.join(f'of {n}' for n in counts)} |", f"|{'---|' * (len(counts) + 1)}"]
    for way, table in tables.items():
        cells = [" / ".join(f"{share:.1f}" for share in few_right_many(table, n)) for n in counts]
        rows.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(rows)


@of_claim("draw_bound")
def draw_curve(found: Result) -> str:
    """DRAW's bound on test digits while it learns, for every seed, and how large it is."""
    from subitize.models.draw import DRAWSettings

    curves = [{row["step"]: row["test_nats"] for row in curve} for curve in found.summary["details"]["curve"]]
    steps = [step for step in curves[0] if step == 1000 or step % 3000 == 0]
    rows = [f"| step | {' | '.join(f'{step:,}' for step in steps)} |", f"|{'---|' * (len(steps) + 1)}"]
    for seed, curve in zip(found.values("seed"), curves, strict=True):
        rows.append(f"| seed {seed} | {' | '.join(f'{curve[step]:.1f}' for step in steps)} |")
    ours, theirs = found.summary["details"], DRAWSettings()
    sizes = f"Here it takes {ours['glimpses']} glimpses and reads {ours['read']}×{ours['read']} points"
    return "\n".join([*rows, "", f"{sizes}; in the paper {theirs.glimpses} and {theirs.read}×{theirs.read}."])


NAMES = {"air": "AIR", "draw": "DRAW", "vae": "an autoencoder", "cnn": "pixels", "nothing": "the commonest"}


@of_claim("downstream")
def read_off(found: Result) -> str:
    """Sums and orderings told, by labels and by what they are read off: mean, least and most of all seeds."""
    accuracy = found.summary["details"]["accuracy"]
    tables = (
        by_labels(task, {name: own[word] for word, name in NAMES.items()}) for task, own in accuracy.items()
    )
    return "\n\n".join(tables)


@of_claim("subitizing")
def number_read_off(found: Result) -> str:
    """The number told, by labels and by what it is read off: mean, least and most of all seeds."""
    table = found.summary["details"]["accuracy"]
    names = next(iter(table.values()))
    return by_labels("number", {name: {n: own[name] for n, own in table.items()} for name in names})


@of_claim("open_ended")
def opened(found: Result) -> str:
    """Held-out scenes told right, within one, and too few or too many, by prior and count."""
    from subitize.claims.open_ended import within
    from subitize.reproduce.counters import PRIORS

    details = found.summary["details"]
    counts = [n for n, row in enumerate(details["confusion"]["sticks"]) if sum(row)]

    def told(error: int) -> Callable[[str, int], str]:
        own = details["confusion_by_seed"]
        return lambda prior, n: spread([within(np.array(table), n, error) for table in own[prior]])

    def missed(prior: str, n: int) -> str:
        few, _, many = few_right_many(details["confusion"][prior], n)
        return f"{few:.0f} / {many:.0f}"

    tables = []
    for name, cell in {"right": told(0), "within one": told(1), "too few / too many": missed}.items():
        rows = [f"| {name}, of | {' | '.join(map(str, counts))} |", f"|{'---|' * (len(counts) + 1)}"]
        rows += [
            f"| `{PRIORS[p]}` | {' | '.join(cell(p, n) for n in counts)} |" for p in details["confusion"]
        ]
        tables.append("\n".join(rows))
    learned = ", ".join(f"{value:.2g}" for value in found.summary["details"]["concentration"])
    return "\n\n".join([*tables, f"The learned concentration became {learned}."])


@of_claim("glances")
def glanced(found: Result) -> str:
    """Right answers and milliseconds by number and by who tells: mean, least and most of all seeds."""
    details = found.summary["details"]
    tables = []
    for name, digits in (("right", 1), ("milliseconds", 2)):
        rows = [
            f"| {name} | {' | '.join(map(str, details['numbers']))} |",
            f"|{'---|' * (len(details['numbers']) + 1)}",
        ]
        for watcher, seeds in details[name].items():
            cells = [spread(own, digits) for own in zip(*seeds, strict=True)]
            rows.append(f"| {watcher} | {' | '.join(cells)} |")
        tables.append("\n".join(rows))
    return "\n\n".join(tables)


def by_labels(asked: str, told: dict[str, dict[str, list[float]]]) -> str:
    """Right answers in per cent: a row for each source, a column for each number of labels."""
    labels = list(next(iter(told.values())))
    rows = [
        f"| {asked}, labels | {' | '.join(f'{int(n):,}' for n in labels)} |",
        f"|{'---|' * (len(labels) + 1)}",
    ]
    rows += [f"| {name} | {' | '.join(spread(own[n]) for n in labels)} |" for name, own in told.items()]
    return "\n".join(rows)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean of all seeds, and the least and the most of them."""
    middle, least, most = (f"{value:.{digits}f}" for value in (mean(values), min(values), max(values)))
    return f"{middle} ({least} … {most})"


CLAIM_TABLES = (
    overview,
    verdicts,
    untested,
    extrapolated,
    going_on,
    patched_memories,
    interpolated,
    draw_curve,
    read_off,
    number_read_off,
    opened,
    glanced,
)

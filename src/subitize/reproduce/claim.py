"""What is a claim, and when does it hold?

A claim is a statement with a source, and conditions that numbers can meet. Every condition is measured once
per seed; with m the mean over s seeds and e = sd / √s its standard error, it

    agrees       if m ± 2e lies on the right side of the bar,
    disagrees    if m ± 2e lies on the wrong side,
    undecided    otherwise, and always with fewer than three seeds.

A claim agrees if all its conditions do, disagrees if any does, and is else undecided. Bars are set before
anything is measured.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

FEWEST_SEEDS = 3  # from which a standard error is worth something
VERDICTS = ("agrees", "undecided", "disagrees")


class Condition(NamedTuple):
    """One number that a claim stands on.

    Attributes:
        what: is measured, in words; its unit at the end, in brackets.
        theirs: what the source reports, "" if nothing.
        bar: what it must reach.
        at_most: whether the bar is to be kept below.
    """

    what: str
    theirs: str
    bar: float
    at_most: bool = False

    def verdict(self, values: Sequence[float | int]) -> str:
        """Does it hold, by what was measured with each seed?"""
        if len(values) < FEWEST_SEEDS or not all(map(math.isfinite, values)):
            return "undecided"
        error = statistics.stdev(values) / math.sqrt(len(values))
        low, high = statistics.mean(values) - 2 * error, statistics.mean(values) + 2 * error
        if self.at_most:
            low, high, bar = -high, -low, -self.bar
        else:
            bar = self.bar
        return "agrees" if low >= bar else "disagrees" if high < bar else "undecided"


class Claim(NamedTuple):
    """A statement that can be put to the test.

    Attributes:
        name: what `subitize reproduce` calls it.
        statement: one sentence that may be false.
        source: author, year, section.
        conditions: by their names.
        minutes: what the full test takes on two cores, about.
        seeds: of the full test.
        measure: (lab) -> Finding.
    """

    name: str
    statement: str
    source: str
    conditions: dict[str, Condition]
    minutes: int
    seeds: tuple[int, ...]
    measure: Callable[[Any], "Finding"]

    def verdict(self, values: dict[str, list]) -> str:
        """The worst of the conditions' verdicts."""
        found = [condition.verdict(values[name]) for name, condition in self.conditions.items()]
        return max(found, key=VERDICTS.index)


class Finding(NamedTuple):
    """What a test found.

    Attributes:
        values: for each condition, its number with each seed.
        details: whatever else is worth keeping, as JSON.
        picture: worth a look, or None.
    """

    values: dict[str, list]
    details: dict[str, Any]
    picture: Any = None

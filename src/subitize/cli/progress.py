"""How far is it? One bar on a terminal, one line every ten seconds elsewhere; always on standard error."""

import sys
import time
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from subitize.core.errors import printable
from subitize.core.json import JSON

EVERY = 10.0  # seconds between lines where there is no terminal


class Watch:
    """Shows rows of progress; a context manager, so that the terminal is left clean.

    Rows are dicts: step and steps, and what is known of steps_per_second, elbo, count_accuracy, attempt,
    event.

    Args:
        verb: what is done.
        things: what its steps are, where it is to say how many a second and how long the rest takes at that.
    """

    def __init__(self, verb: str, things: str | None = None):
        self.verb, self.last, self.shown, self.row = verb, time.monotonic(), False, {}
        self.things, self.begun = things, (0, 0.0)
        self.console = Console(file=sys.stderr)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=self.console)
        self.task = None

    def __enter__(self) -> "Watch":
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bar.stop()
        elif self.row and not self.shown:
            self.line(self.row)

    def __call__(self, row: JSON) -> None:
        """Show a row, or what happened."""
        if row.get("event"):
            event = printable(row["event"])  # it may hold names of files
            self.console.print(f"{self.verb}: {event}", markup=False, highlight=False, soft_wrap=True)
        if "step" not in row:
            return
        if self.things is not None:
            row = row | self.pace(row)
        self.row, self.shown = row, False
        if self.console.is_terminal:
            if self.task is None:
                self.task = self.bar.add_task(self.verb, text="")
            self.bar.update(self.task, completed=row["step"], total=row.get("steps"), text=described(row))
        elif time.monotonic() - self.last >= EVERY:
            self.line(row)

    def pace(self, row: JSON) -> JSON:
        """How many things a second were done since the first row, and how many seconds the rest takes."""
        now = time.monotonic()
        if not self.row:
            self.begun = row["step"], now
        first, begun = self.begun
        if row["step"] == first:
            return {}
        rate = (row["step"] - first) / (now - begun)
        left = (row["steps"] - row["step"]) / rate
        return {"pace": f"{rate:.1f} {self.things}/s", "left": f"{timedelta(seconds=round(left))} left"}

    def line(self, row: JSON) -> None:
        """One line for a log; on a terminal the bar tells the time that is left."""
        self.last, self.shown = time.monotonic(), True
        text = "  ".join([described(row), *([row["left"]] if "left" in row else [])])
        self.console.print(f"{self.verb}: {text}", markup=False, highlight=False, soft_wrap=True)


def described(row: JSON) -> str:
    """The figures people look for, those that are known."""
    parts = [f"{row['step']}/{row['steps']}"]
    if row.get("steps_per_second") is not None:
        parts.append(f"{row['steps_per_second']:.1f} steps/s")
    if "pace" in row:
        parts.append(row["pace"])
    if row.get("elbo") is not None:
        parts.append(f"bound {row['elbo']:.1f} nats")
    if row.get("count_accuracy") is not None:
        parts.append(f"{100 * row['count_accuracy']:.1f} % counted right")
    if row.get("attempt"):
        parts.append(f"attempt {row['attempt'] + 1}")
    return "  ".join(parts)


def say(sentence: str) -> None:
    """A line for people, of what is not as they may think."""
    print(f"subitize: {sentence}", file=sys.stderr)

"""`subitize compare`: how do runs of generative models compare?"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from subitize.cli.parse import parse
from subitize.cli.progress import say
from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError
from subitize.core.files import write_atomically


@dataclasses.dataclass(frozen=True)
class Compare:
    """Compare runs of generative models: their numbers in one table, their samples on one sheet.

    Args:
        runs: folders of the runs.
        out: folder for comparison.csv and samples.png; it must not hold them yet.
        n: images of each run on the sheet.
        scenes_n: held-out pictures.
        samples_n: pictures of each run to judge, beside as many that are held out; 0 for none.
        seed: of all that is random.
        debug: show the traceback of an error.
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN...")] = ()
    out: Path = Path("comparison")
    n: int = 10
    scenes_n: int = 1000
    samples_n: int = 1000
    seed: int = 0
    debug: bool = False

    def __post_init__(self):
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Compare, "compare", words)
    if not options.runs:
        raise UsageError("Comparing needs runs. Write `subitize compare RUN RUN --out DIR`.")
    names = [str(path) for path in options.runs]
    if len(set(names)) < len(names):
        raise UsageError(f"A run is named twice among {', '.join(names)}.")
    table, picture = options.out / "comparison.csv", options.out / "samples.png"
    for path in (table, picture):
        if path.exists():
            raise UsageError(f"{path} exists; nothing is overwritten. Give another --out.")
    from subitize.evaluation.samples import unready
    from subitize.figures.comparison import as_csv, compared, sheet
    from subitize.training import open_run

    runs = {name: open_run(path) for name, path in zip(names, options.runs, strict=True)}
    if options.samples_n and (told := next(filter(None, map(unready, runs.values())), None)):
        say(told)
    rows = [
        compared(run, name, options.scenes_n, options.samples_n, options.seed) for name, run in runs.items()
    ]
    shown = sheet(runs, options.n, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomically(table, as_csv(rows).encode())
    shown.save(picture)
    lines = [f"{row['run']} ({row['model']}): {', '.join(said(row))}" for row in rows]
    print("\n".join([*lines, f"table: {table.absolute()}", f"picture: {picture.absolute()}"]))
    return 0


def said(row: dict) -> list[str]:
    """The numbers of a row that people ask for first."""
    from subitize.evaluation.likelihood import likelihood_in_words

    words = [likelihood_in_words(row)[0]]
    if row["fd"] is not None:
        words.append(f"fd {row['fd']:.2f}, coverage {row['coverage']:.2f}, {row['classes']} classes")
    return words

"""`subitize sample`: what does a run believe the world looks like?"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from subitize.cli.parse import parse
from subitize.core.bounds import check_bounds
from subitize.core.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Sample:
    """Sample scenes from a run's priors, each with its count.

    Args:
        run: folder of the run.
        n: how many.
        seed: of the samples.
        count_prior: uniform, binomial(p=…), geometric(rate=…) or sticks(concentration=…). The one used in
            training is strict on purpose, and would sample next to nothing.
        out: picture to write, a new file; the first unused pictures/samples.png, samples-2.png … in the run
            if not given.
        debug: show the traceback of an error.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    n: int = 16
    seed: int = 0
    count_prior: str = "uniform"
    out: Path | None = None
    debug: bool = False

    def __post_init__(self):
        check_bounds(self)


def main(words: Sequence[str]) -> int:
    """Parse, call, print."""
    options = parse(Sample, "sample", words)
    out = new_picture(options.out)
    from subitize.training import open_run
    from subitize.verbs import sample

    run = open_run(options.run)
    picture = sample(run, options.n, options.seed, options.count_prior)
    out = out or unused(run.path / "pictures" / "samples.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(out)
    print(f"picture: {out.absolute()}")
    return 0


def new_picture(out: Path | None) -> Path | None:
    """The path, if it is one of a picture that does not exist yet."""
    if out is None:
        return None
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"--out is a picture, such as {out.with_suffix('.png')}; got {out}.")
    if out.exists():
        raise UsageError(f"{out} exists; nothing is overwritten. Use --out {unused(out)}.")
    return out


def unused(path: Path) -> Path:
    """The path, or the first of its kind with a number that does not exist yet."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], numbered) if not name.exists())

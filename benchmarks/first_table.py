"""How long does it take from the command to the table, and how long for each picture after that?

Ten drawn pictures of 0.4 megapixels are learned from and counted by one command, nothing compiled before.
Then ten and twenty are counted by what it learned: the difference is the time for ten, without the start.

    python benchmarks/first_table.py
"""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from common import arguments, options, publish, seconds_of_last, subitize

EXAMPLE = Path(__file__).parents[1] / "examples" / "write_fields.py"
SIDE, FEW, MANY = 632, 10, 20  # pixels, and pictures
UNTRUSTED = 8  # exit code of a count by a run that failed, as after a few steps


def main() -> None:
    """Measure both, and write the result."""
    args = arguments(__doc__, kind="touching", seed=3)
    side, few, many = (192, 2, 3) if args.tiny else (SIDE, FEW, MANY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in (few, many):
            draw = runpy.run_path(str(EXAMPLE))["write"]
            draw(folder / str(number), args.kind, number, seed=args.seed, side=side)
        publish(args.out, "first_table", measured(folder, few, many, side, tiny=args.tiny))


def measured(folder: Path, few: int, many: int, side: int, *, tiny: bool) -> dict[str, Any]:
    """What is published."""
    own, allowed = folder / "counts", (0, UNTRUSTED)
    if tiny:
        subitize("train", *options(scenes=folder / str(few), steps=4, steps_per_call=2, out=folder / "run"))
        first, run = 0.0, folder / "run"
    else:
        cold = folder / "cold"
        first, _ = subitize("count", str(folder / str(few)), *options(out=own), cache=cold, allowed=allowed)
        run = own / "model"
    again = options(model=run, out=folder / "again")
    warm = {
        number: seconds_of_last(
            *(2, folder / "again", "count", str(folder / str(number)), *again),
            cache=folder / "cache",
            allowed=allowed,
        )
        for number in (few, many)
    }
    more = (many - few) * side**2 / 1e6
    return {
        "pictures": few,
        "megapixels_each": side**2 / 1e6,
        "seconds_from_command_to_table": round(first, 1),
        "seconds_a_megapixel_after_that": round((warm[many] - warm[few]) / more, 2),
    }


if __name__ == "__main__":
    main()

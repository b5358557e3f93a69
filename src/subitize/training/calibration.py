"""By how much are a run's intervals too narrow or too wide, as somebody found who counted by eye?

`subitize verify` finds it (`subitize.evaluation.conformal`) and keeps it as `calibration.json` in the folder
of the run. Every count with the run is corrected by it from then on. It belongs to the weights that made the
counts and to the options that they were made with, and is never used with others.
"""

import dataclasses
import math
import re
from pathlib import Path

from subitize.core.errors import CheckpointError, printable
from subitize.core.files import write_atomically
from subitize.core.sealed import seal, unseal
from subitize.core.specs import FORMER_OPTIONS
from subitize.core.typed import typed

CALIBRATION = "calibration.json"  # in a run folder


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The factor on the half width of every interval, and where it comes from.

    Attributes:
        model_sha256: of the weights whose intervals it corrects.
        factor: on their half widths; from 0 on.
        pictures: a random sample of so many, counted by eye.
        options: how the model looked at them, such as edge=count.
    """

    model_sha256: str
    factor: float
    pictures: int
    options: str

    def __post_init__(self):
        if not (math.isfinite(self.factor) and self.factor >= 0):
            raise ValueError(f"the factor on half widths is a number from 0 on; got {self.factor}")


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Keep a calibration in the folder of its run; one that is there is replaced."""
    write_atomically(folder / CALIBRATION, seal(dataclasses.asdict(calibration)))


def read_calibration(folder: Path, model_sha256: str) -> Calibration | None:
    """The calibration of the run in a folder; None if nobody verified a count of it.

    Args:
        folder: of the run.
        model_sha256: of its weights.

    Raises:
        CheckpointError: it is damaged, or of other weights.
    """
    path = folder / CALIBRATION
    if not path.exists():
        return None
    try:
        found = typed(Calibration, unseal(path.read_bytes()))
    except (CheckpointError, TypeError, ValueError) as error:
        raise CheckpointError(f"{printable(path)} cannot be trusted. {error} {WHAT_TO_DO}") from None
    if found.model_sha256 != model_sha256:
        raise CheckpointError(f"{printable(path)} is of other weights than the run's. {WHAT_TO_DO}")
    options = found.options
    for before, now in FORMER_OPTIONS.items():
        options = re.sub(rf"\b{before}=", f"{now}=", options)
    return dataclasses.replace(found, options=options)


WHAT_TO_DO = "Verify a count of this run again by `subitize verify`, or delete the file."

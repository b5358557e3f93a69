"""Answers that depend on the name of a picture alone, for tests in which no model looks."""

import numpy as np

from subitize.evaluation.pictures import Counted, scores_of


def counted(name: str) -> Counted:
    """The answer for a picture; it has failed if its name is bad."""
    if "bad" in name:
        return Counted(name, "empty", f"{name}: the file has 0 bytes.")
    number = len(name) % 3
    posterior = np.full(3, 0.05)
    posterior[number] = 0.9
    boxes = np.arange(4.0 * number).reshape(number, 4) / len(name)
    seen = {"posterior": posterior, "boxes": boxes, "scores": scores_of(posterior)}
    return Counted(name, picture=np.zeros((9, 9, 3)), **seen, ms=float(len(name)))

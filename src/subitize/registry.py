"""Registry: everything that can be trained, by its name.

A name stands for a frozen dataclass, `subitize.core.interfaces.Trainable`: all that defines a model and how
it learns. `train --model "dair(max_objects=5)"` builds it, recipes and weights name it, and what it can do
besides is read off the protocols of its learner. To add one, write one file and one line here; what is
listed is held to the laws of `tests/laws/test_learners.py`.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from subitize.core.words import spoken

if TYPE_CHECKING:
    from subitize.core.interfaces import Trainable
else:
    Trainable = Any  # a command that only reads options loads no JAX

HOMES = {
    "air": "subitize.counter.options:AIROptions",
    "dair": "subitize.counter.options:DAIROptions",
    "published": "subitize.counter.options:PublishedOptions",
    "draw": "subitize.zoo.draw:DRAWOptions",
    "subitizing_vae": "subitize.zoo.subitizing_vae:SubitizingVAEOptions",
    "sbn": "subitize.zoo.sbn:SBNOptions",
    "count_classifier": "subitize.zoo.count_classifier:CountClassifierOptions",
}


class Registry(Mapping[str, type]):
    """Classes by name, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type:
        module, _, attribute = HOMES[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


LEARNERS = Registry()


def trainable(spec: str) -> Trainable:
    """The settings that a name with options stands for, such as "dair(max_objects=5)".

    Raises:
        UsageError: there is no such name, or it has no such option.
    """
    return spoken(spec, LEARNERS, "model")


def name_of(settings: Trainable) -> str:
    """The name of settings in the registry."""
    return next(name for name in LEARNERS if LEARNERS[name] is type(settings))

"""Registry: everything that can be trained, by its name.

A name stands for a frozen dataclass, `subitize.core.interfaces.Trainable`: all that defines a model and how
it learns. `train --model "dair(max_objects=5)"` builds it, recipes and weights name it, and what it can do
besides is read off the protocols of its learner. To add one, write one file and one line here, as
`docs/extending.md` shows; what is listed is held to the laws of `tests/laws/test_learners.py`.
"""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from subitize.core.errors import UsageError
from subitize.core.specs import looked_up
from subitize.core.typed import typed

if TYPE_CHECKING:
    from subitize.core.interfaces import Trainable
else:
    Trainable = Any  # a command that only reads options loads no JAX

HOMES = {
    "air": "subitize.counter.options:AIROptions",
    "dair": "subitize.counter.options:DAIROptions",
    "catalogue": "subitize.counter.catalogue:CatalogueOptions",
    "eslami2016": "subitize.counter.options:Eslami2016Options",
    "draw": "subitize.zoo.draw:DRAWOptions",
    "subitizing_vae": "subitize.zoo.subitizing_vae:SubitizingVAEOptions",
    "sbn": "subitize.zoo.sbn:SBNOptions",
    "dae": "subitize.zoo.dae:DAEOptions",
    "gsn": "subitize.zoo.gsn:GSNOptions",
    "infusion": "subitize.zoo.infusion:InfusionOptions",
    "walkback": "subitize.zoo.walkback:WalkbackOptions",
    "diffusion": "subitize.zoo.diffusion:DiffusionOptions",
    "gaussian_diffusion": "subitize.zoo.gaussian_diffusion:GaussianDiffusionOptions",
    "vae": "subitize.zoo.vae:VAEOptions",
    "iwae": "subitize.zoo.iwae:IWAEOptions",
    "gan": "subitize.zoo.gan:GANOptions",
    "stacked_gan": "subitize.zoo.stacked_gan:StackedGANOptions",
    "glo": "subitize.zoo.glo:GLOOptions",
    "rbm": "subitize.zoo.rbm:RBMOptions",
    "boltzmann_machine": "subitize.zoo.boltzmann_machine:BoltzmannMachineOptions",
    "dbm": "subitize.zoo.dbm:DBMOptions",
    "hopfield": "subitize.zoo.hopfield:HopfieldOptions",
    "count_classifier": "subitize.zoo.count_classifier:CountClassifierOptions",
}
FORMER_NAMES = {"published": "eslami2016"}  # of models, which old runs and commands may use


class Registry(Mapping[str, type]):
    """Classes by name, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type:
        name = FORMER_NAMES.get(name, name)
        module, _, attribute = HOMES[name].partition(":")
        kind = getattr(importlib.import_module(module), attribute)
        if lacking := what_lacks(kind):
            raise UsageError(
                f"A model is a frozen dataclass with a method `learner` and a default for every setting. "
                f"{HOMES[name]} {lacking}. docs/extending.md shows one."
            )
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


LEARNERS = Registry()


def trainable(spec: str) -> Trainable:
    """The settings that a name with options stands for, such as "dair(max_objects=5)".

    Raises:
        UsageError: there is no such name, it has no such option, or an option is of another type.
    """
    kind, options = looked_up(spec, LEARNERS, "model")
    try:
        return typed(kind, options)
    except TypeError as error:
        raise UsageError(f"The model {spec!r} cannot be built: {error}.") from None


def name_of(settings: Trainable) -> str:
    """The name of settings in the registry.

    Raises:
        UsageError: their class is not listed.
    """
    for name in LEARNERS:
        if LEARNERS[name] is type(settings):
            return name
    raise UsageError(
        f"Recipes and weights name their model, so its class must be listed; {type(settings).__name__} is "
        "not. Add a line to `HOMES` in subitize/registry.py."
    )


def what_lacks(kind: type) -> str | None:
    """What a class lacks to be a model of the registry, as the end of a sentence; None if nothing."""
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # pyright: ignore
        return "is no frozen dataclass"
    if not hasattr(kind, "learner"):
        return "has no `learner`"
    empty = [each.name for each in dataclasses.fields(kind) if each.init and not has_default(each)]
    return f"has no default for `{empty[0]}`" if empty else None


def has_default(field: dataclasses.Field) -> bool:
    """Whether a field of a dataclass may be left out."""
    return not (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)

"""Specs: choices spelled as text, such as "rloo(k=8)", on a command line or in a recipe."""

import ast
import inspect
from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

from subitize.core.errors import UsageError, did_you_mean
from subitize.core.json import JSON

FORMER_OPTIONS = {  # names of options in commands, recipes and files of the last release, and those of today
    "batch": "batch_size",
    "chunk": "steps_per_call",
    "clip": "grad_clip_norm",
    "contrast": "nce_weight",
    "hold": "lr_hold_fraction",
    "look_at": "eval_size",
    "look_every": "eval_every",
    "looks": "passes",
    "sharpen_steps": "count_warmup_steps",
    "sums": "sum_scenes",
    "what": "what_dim",
}
T = TypeVar("T")  # what a registry has names for
Build = TypeVar("Build", bound=Callable)  # how it is built


def present_name(name: str, known: Container[str]) -> str:
    """An option's name as this release has it, where it is known by another one than before."""
    now = FORMER_OPTIONS.get(name)
    return now if now is not None and name not in known and now in known else name


def present_names(options: Mapping[str, Any], known: Container[str]) -> JSON:
    """Options by the names of this release."""
    return {present_name(str(name), known): value for name, value in options.items()}


def name_and_options(spec: str, kind: str) -> tuple[str, JSON]:
    """The name and the options of a spec such as "rloo(k=8)".

    Raises:
        UsageError: it is not so written.
    """
    try:
        tree = ast.parse(spec.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(func=tree, args=[], keywords=[])
        if call.args:
            raise ValueError("options must be named")
        name = ast.unparse(call.func).strip()
        return name, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise UsageError(
            f"Write {kind} as a name with named options, like 'rloo(k=8)'; got {spec!r}."
        ) from None


def looked_up(spec: str, registry: Mapping[str, Build], kind: str) -> tuple[Build, JSON]:
    """What a spec such as "rloo(k=8)" names, and the options to call it with.

    Raises:
        UsageError: the spec is not in the registry, or has no such option.
    """
    name, options = name_and_options(spec, kind)
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise UsageError(f"There is no {kind} {name!r}.{did_you_mean(name, registry)} Known: {known}.")
    takes = inspect.signature(registry[name]).parameters
    options = present_names(options, takes)
    for option in options:
        if option not in takes:
            hint, all_of_them = did_you_mean(option, takes), ", ".join(takes) or "none"
            raise UsageError(f"The {kind} {name!r} has no option `{option}`.{hint} It takes: {all_of_them}.")
    return registry[name], options


def from_spec(spec: str, registry: Mapping[str, Callable[..., T]], kind: str) -> T:
    """Build what a spec such as "rloo(k=8)" names.

    Raises:
        UsageError: the spec is not in the registry, or its options do not fit.
    """
    build, options = looked_up(spec, registry, kind)
    try:
        return build(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The {kind} {spec!r} cannot be built: {error}") from None


def check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a value that an option does not know."""
    if value not in known:
        raise UsageError(
            f"`{option}` is one of {', '.join(known)}; got {value!r}.{did_you_mean(str(value), known)}"
        )

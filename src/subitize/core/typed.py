"""Typed: what JSON holds, as the dataclass that it was made of, every value of the declared type.

Python does not ask whether a field holds what it declares. What comes from a file is asked here.
"""

import dataclasses
import reprlib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

T = TypeVar("T")


@runtime_checkable
class Dataclass(Protocol):
    """An object of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field]]


def typed(kind: type[T], value: object, name: str = "it") -> T:
    """The value as one of a type: an object of JSON as a dataclass, a list as a tuple, others as they are.

    A whole number is a float too; a truth value is no number.

    Args:
        kind: a dataclass, or a plain type.
        value: what JSON holds.
        name: of the field, for people.

    Raises:
        TypeError: it is of another type; says which field, and what arrived.
    """
    return value_of(kind, value, name)


def value_of(kind: object, value: object, name: str) -> Any:
    """As `typed`, of whatever may be written as a type, a union or a literal too."""
    inner = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return one_of(inner, value, name)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return from_fields(kind, value)
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        several = len(inner) == 2 and inner[1] is Ellipsis
        kinds = inner[:1] * len(value) if several else inner
        if len(kinds) == len(value):
            return tuple(value_of(each, part, name) for each, part in zip(kinds, value, strict=True))
    if get_origin(kind) is dict and inner[1] is Any and isinstance(value, dict):
        return value
    if get_origin(kind) is Literal and any(type(value) is type(word) and value == word for word in inner):
        return value
    if kind is float and type(value) in (int, float):
        return value
    if isinstance(kind, type) and not inner and type(value) is kind:
        return value
    raise TypeError(f"`{name}` is {spelled(kind)}; got {reprlib.repr(value)}")


def one_of(kinds: Iterable[object], value: object, name: str) -> Any:
    """The value as one of the first type that it is of."""
    for kind in kinds:
        try:
            return value_of(kind, value, name)
        except TypeError:
            continue
    raise TypeError(f"`{name}` is {' or '.join(map(spelled, kinds))}; got {reprlib.repr(value)}")


def from_fields(kind: type[T], values: Mapping[str, object]) -> T:
    """A dataclass of its fields' values; those that are missing take their defaults."""
    known = kinds_of_fields(kind)
    for name in values:
        if name not in known:
            raise TypeError(f"{kind.__name__} has no field {name!r}")
    return kind(**{name: value_of(known[name], value, name) for name, value in values.items()})


def kinds_of_fields(kind: type) -> dict[str, object]:
    """The type of each field that a dataclass is made of."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def spelled(kind: object) -> str:
    """A type as it is written in the source."""
    if kind is type(None):
        return "None"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)

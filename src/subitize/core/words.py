"""Words: choices spelled as text, such as "rloo(k=8)", on a command line or in a recipe."""

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from subitize.core.errors import UsageError, did_you_mean
from subitize.core.json import JSON

FORMER_OPTIONS = {"looks": "passes"}  # options of a count, in commands and files of earlier releases
T = TypeVar("T")  # what a vocabulary has words for
Build = TypeVar("Build", bound=Callable)  # how it is built


def name_and_options(word: str, kind: str) -> tuple[str, JSON]:
    """The name and the options in a word such as "rloo(k=8)".

    Raises:
        UsageError: it is not so written.
    """
    try:
        tree = ast.parse(word.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(func=tree, args=[], keywords=[])
        if call.args:
            raise ValueError("options must be named")
        name = ast.unparse(call.func).strip()
        return name, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise UsageError(
            f"Write {kind} as a name with named options, like 'rloo(k=8)'; got {word!r}."
        ) from None


def looked_up(word: str, vocabulary: Mapping[str, Build], kind: str) -> tuple[Build, JSON]:
    """What a word such as "rloo(k=8)" names, and the options to call it with.

    Raises:
        UsageError: the word is not in the vocabulary, or has no such option.
    """
    name, options = name_and_options(word, kind)
    if name not in vocabulary:
        known = ", ".join(sorted(vocabulary))
        raise UsageError(f"There is no {kind} {name!r}.{did_you_mean(name, vocabulary)} Known: {known}.")
    takes = inspect.signature(vocabulary[name]).parameters
    for option in options:
        if option not in takes:
            hint, all_of_them = did_you_mean(option, takes), ", ".join(takes) or "none"
            raise UsageError(f"The {kind} {name!r} has no option `{option}`.{hint} It takes: {all_of_them}.")
    return vocabulary[name], options


def from_spec(word: str, vocabulary: Mapping[str, Callable[..., T]], kind: str) -> T:
    """Build what a word such as "rloo(k=8)" names.

    Raises:
        UsageError: the word is not in the vocabulary, or its options do not fit.
    """
    build, options = looked_up(word, vocabulary, kind)
    try:
        return build(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The {kind} {word!r} cannot be built: {error}") from None


def check_word(option: str, word: str, known: tuple[str, ...]) -> None:
    """Refuse a word that an option does not know."""
    if word not in known:
        raise UsageError(
            f"`{option}` is one of {', '.join(known)}; got {word!r}.{did_you_mean(str(word), known)}"
        )

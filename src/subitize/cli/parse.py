"""How do words on a command line become one dataclass?

tyro reads the dataclass and does the work. Around it: `steps=10` is understood as `--steps 10` and `0,1,2` as
`0 1 2`, a misspelt option gets a did-you-mean, and every complaint is one `UsageError`.
"""

import contextlib
import dataclasses
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_type_hints

import tyro

from subitize.core.errors import UsageError, did_you_mean
from subitize.core.specs import present_name

Options = TypeVar("Options")
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse(options: type[Options], verb: str, words: Sequence[str]) -> Options:
    """Read the words after a verb.

    Raises:
        UsageError: an option is misspelt, or its value is of the wrong kind.
    """
    kinds = dict(fields(options))
    positional = any("Positional" in str(kind) for kind in kinds.values())
    words = [word for given in words for word in spelled_out(renamed(given, kinds), kinds)]
    check_said(verb, words)
    check_names(verb, words, kinds, positional=positional)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            return tyro.cli(options, prog=f"subitize {verb}", args=words, config=CONFIG)
        except SystemExit as end:
            if not end.code:
                raise
    raise UsageError(f"{complaint(said.getvalue())} See `subitize {verb} --help`.")


def value_of(option: str, words: Sequence[str]) -> str | None:
    """What is given for an option, before all options are known; the last one counts."""
    pairs = zip(words, [*words[1:], None], strict=False)
    spelled = ((word.lstrip("-").partition("="), word, after) for word, after in pairs)
    given = [
        value if equals else after
        for (name, equals, value), word, after in spelled
        if name == option and (equals or word.startswith("--"))
    ]
    return given[-1] if given else None


def is_on(flag: str, words: Sequence[str]) -> bool:
    """Whether a flag is given, before all options are known."""
    given = (word.lstrip("-").partition("=") for word in words if word.startswith("--") or "=" in word)
    return any(name == flag and (not equals or value.lower() in YES) for name, equals, value in given)


def fields(options: Any) -> Iterator[tuple[str, Any]]:
    """Names and types of all options, those of a dataclass inside it included."""
    for name, kind in get_type_hints(options, include_extras=True).items():
        plain = getattr(kind, "__origin__", kind)  # without its Annotated
        if dataclasses.is_dataclass(plain):
            yield from fields(plain)
        else:
            yield name, kind


def renamed(word: str, kinds: dict[str, Any]) -> str:
    """A word whose option, if it is one and the verb has it, has its present name."""
    name, equals, value = word.partition("=")
    given = name.lstrip("-").replace("-", "_")
    now = present_name(given, kinds)
    if now == given or not (name.startswith("--") or (equals and not os.path.exists(word))):
        return word
    return f"--{now}{equals}{value}"


def spelled_out(word: str, kinds: dict[str, Any]) -> list[str]:
    """`steps=10` as `--steps 10`, `counts=0,1,2` as `--counts 0 1 2`, `json=true` as `--json`."""
    name, equals, value = word.partition("=")
    key = name.lstrip("-").replace("-", "_")
    if not equals or key not in kinds or (not name.startswith("--") and os.path.exists(word)):
        return [word] if not re.fullmatch(r"\d+(,\d+)+", word) else word.split(",")
    option = "--" + key.replace("_", "-")
    if kinds[key] is bool:
        if value.lower() not in YES + NO:
            raise UsageError(f"`{option}` is on or off; got {value!r}. Write `{option}` for on, or nothing.")
        return [option] if value.lower() in YES else []
    return [option, *(value.split(",") if "tuple" in str(kinds[key]) else [value])]


def check_names(verb: str, words: Sequence[str], kinds: dict[str, Any], *, positional: bool) -> None:
    """Refuse options that do not exist, before anything is made of them."""
    known = ["--" + name.replace("_", "-") for name, kind in kinds.items() if "Positional" not in str(kind)]
    for word in words:
        if positional and word.startswith("-") and word not in known and os.path.lexists(word):
            raise UsageError(f"{word} reads as an option. To name the file, write ./{word}.")
        name, equals, _ = word.partition("=")
        if name.startswith("--"):
            option = "--" + name[2:].replace("_", "-")
        elif equals and not positional and re.fullmatch(r"[\w-]+", name):  # not rloo(k=8), which is a value
            option = "--" + name.replace("_", "-")
        else:
            continue
        if option not in (*known, "--help"):
            hint = did_you_mean(option, known)
            raise UsageError(f"`subitize {verb}` has no option {option}.{hint} See `subitize {verb} --help`.")


def check_said(verb: str, words: Sequence[str]) -> None:
    """Refuse empty words: as a path one would mean the current folder, which nobody asked for."""
    for before, word in zip(("", *words), words, strict=False):
        if not word:
            where = f" after {before}" if before.startswith("--") else ""
            raise UsageError(
                f"A word of `subitize {verb}` is empty{where}. Say what it shall be, or leave it out; "
                "the current folder is '.'."
            )


def complaint(said: str) -> str:
    """The first paragraph inside the frame that tyro draws around an error."""
    found: list[str] = []
    for line in said.splitlines()[1:]:  # after the title
        text = line.strip("│| ")
        if re.fullmatch("[-─+╭╮╰╯ ]*", text):  # a rule
            if found:
                break
        else:
            found.append(text)
    text = " ".join(found) or "The options cannot be read."
    text = re.sub(r"^Error parsing \w+: ", "", text)  # what the options themselves refuse is said as it is
    return text if text.endswith(".") else f"{text}."

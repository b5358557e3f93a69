"""What JSON holds: an object of it, before anybody has looked at what is in it."""

from typing import Any, TypeAlias

JSON: TypeAlias = dict[str, Any]  # the only Any that stands for many things at once

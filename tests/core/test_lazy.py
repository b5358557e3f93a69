"""Names that are loaded when they are asked for."""

import pytest

from subitize.core import errors
from subitize.core.lazy import lazily


def test_a_name_is_what_its_module_calls_so_or_the_module_itself():
    load = lazily("subitize.core", {"UsageError": "errors", "errors": None})
    assert load("UsageError") is errors.UsageError
    assert load("errors") is errors
    with pytest.raises(AttributeError, match=r"'subitize\.core' has no attribute 'bounds'"):
        load("bounds")

"""What was sealed is read as it was written, or not at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subitize.core.errors import CheckpointError
from subitize.core.sealed import DIGEST, seal, unseal

numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(numbers, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8)
contents = st.dictionaries(st.text().filter(lambda key: key != DIGEST), json_values)
CONTENT = {"attempt": 0, "best": 0.25, "name": None, "files": {"a/b": "0f"}, "yes": True}


@given(contents)
def test_what_was_sealed_comes_back(content):
    assert unseal(seal(content)) == content


def test_people_can_read_it_and_set_it_out_anew():
    text = seal(CONTENT).decode()
    assert '  "attempt": 0,\n' in text
    assert unseal(json.dumps(json.loads(text))) == CONTENT


@pytest.mark.parametrize(
    "change", [{"attempt": 1}, {"attempt": False}, {"attempt": 0.0}, {"best": 0.5}, {"more": 0}], ids=str
)
def test_what_says_something_else_is_refused(change):
    with pytest.raises(CheckpointError, match="altered"):
        unseal(json.dumps(json.loads(seal(CONTENT)) | change))


def test_an_entry_less_is_refused():
    for key in (*CONTENT, DIGEST):
        rest = {k: v for k, v in json.loads(seal(CONTENT)).items() if k != key}
        with pytest.raises(CheckpointError, match="altered"):
            unseal(json.dumps(rest))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b"null", b'"digest"', b"\xff\xfe{}", b"[" * 5000, b'{"a":' * 5000, b"9" * 5000],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_something_else_is_refused(data):
    with pytest.raises(CheckpointError):
        unseal(data)
    with pytest.raises(CheckpointError):
        unseal(data, unsealed=["attempt"])


def test_without_a_digest_only_the_very_keys_of_old_files_pass():
    old = {"files": {}, "notes": {"records": 3}}
    assert unseal(json.dumps(old), unsealed=old) == old
    for other in ({"files": {}}, old | {"digesu": "0f"}, old | {DIGEST: "0f"}):
        with pytest.raises(CheckpointError):
            unseal(json.dumps(other), unsealed=old)

"""Sealed: JSON that people can read, and that tells when it was altered.

The digest is taken over what the text says and not over its bytes: other blanks break no seal, another
number does.
"""

import hashlib
import json
from collections.abc import Collection, Mapping

from subitize.core.errors import CheckpointError
from subitize.core.json import JSON

DIGEST = "digest"  # the key that a seal adds


def seal(content: Mapping[str, object]) -> bytes:
    """The content as indented JSON, with the digest of all that it says as its last entry.

    Args:
        content: what JSON can hold; without an entry `digest`.
    """
    assert DIGEST not in content
    return (json.dumps({**content, DIGEST: digest_of(content)}, indent=2) + "\n").encode()


def unseal(data: bytes | str, unsealed: Collection[str] = ()) -> JSON:
    """The content that `seal` was given.

    Args:
        data: what `seal` made of it.
        unsealed: the keys of files from before there were seals. Such a file has these very keys and no
            others. So a seal whose own key is damaged does not pass for one.

    Raises:
        CheckpointError: it was altered, or is something else.
    """
    try:
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("it is no object")
        if unsealed and set(content) == set(unsealed):
            return content
        whole = content.pop(DIGEST, None) == digest_of(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"It is not JSON that this program wrote: {error}.") from None
    if not whole:
        raise CheckpointError("It does not match its own digest: it was altered after it was written.")
    return content


def digest_of(content: Mapping[str, object]) -> str:
    """SHA-256 of the one text that JSON of equal content has."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

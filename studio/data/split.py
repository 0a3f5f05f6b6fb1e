"""Which rows are held back for testing: by hash, so that the same row is on the same side, always."""

import hashlib

_WHOLE = 2**64


def position(key: str) -> float:
    """Where a row lies between 0 and 1; it depends on nothing but its content's key."""
    digest = hashlib.blake2b(key.encode("utf-8"), digest_size=8, person=b"held-back").digest()
    return int.from_bytes(digest, "big") / _WHOLE


def is_held_back(key: str, share: float) -> bool:
    """Whether a row is kept aside for testing.

    A row that is held back at 10 % is also held back at 20 %, in any file, in any order, in every version.

    Args:
        key: `Record.key`.
        share: From 0 (none) to 1 (all).
    """
    return position(key) < share

"""A weighted mix of files, as real rows on the disk: how often each row of a file is written.

The same row is written equally often in any order and in every version: its content's key decides, as with the rows
that are held back, but independently of them.
"""

import hashlib
import math

from studio.contract.errors import StudioError
from studio.data.wording import count

MAX_WEIGHT = 100
_WHOLE = 2**64


def copies(key: str, weight: float) -> int:
    """How often a row is written: 2 times at 2.0; at 2.5 half of the rows 2 and half of them 3 times.

    Args:
        key: `Record.key`.
        weight: Above 0.
    """
    whole = math.floor(weight)
    if whole == weight:
        return whole
    digest = hashlib.blake2b(key.encode("utf-8"), digest_size=8, person=b"weight").digest()
    return whole + (int.from_bytes(digest, "big") / _WHOLE < weight - whole)


def check(weights: tuple[float, ...], files: int) -> None:
    """Make sure that there is none, or one sensible weight for each file.

    Raises:
        StudioError: `data.weights`.
    """
    if weights and len(weights) != files:
        raise StudioError(
            "data.weights",
            f"There are {count(len(weights), 'weight')} for {count(files, 'file')}.",
            fix="Give one weight for each file, or none.",
        )
    for weight in weights:
        if not 0 < weight <= MAX_WEIGHT:  # NaN, too
            raise StudioError(
                "data.weights",
                f"The weight {weight:g} is out of range.",
                "A weight says how often the rows of a file are learned from.",
                f"Choose a number above 0 and up to {MAX_WEIGHT}.",
            )

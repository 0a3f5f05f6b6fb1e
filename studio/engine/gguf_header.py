"""The header of a GGUF file, read in Python alone: whether its counts and offsets can be true.

Native parsers have been broken by forged counts (CVE-2026-27940, CVE-2026-33298), so this looks first, and believes
nothing that the file's own size contradicts. Layout: the ggml project's gguf.md, versions 2 and 3, little-endian.
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

import msgspec

from studio.contract.errors import Problem
from studio.engine.model_faults import lfs_pointer
from studio.engine.weights_file import LFS, Damaged

MAGIC = b"GGUF"
MOST_KEYS = 100_000
MOST_TENSORS = 100_000
LONGEST_KEY = 65_535
LONGEST_TEXT = 64_000_000
"""Bytes of one text; the longest chat templates have some ten thousand."""
MOST_DIMENSIONS = 4
DEEPEST_LIST = 4
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Kind of a plain value -> bytes."""
TEXT, LIST = 8, 9
LEAST_TEXT_BYTES = 8


class Header(msgspec.Struct, frozen=True):
    """What a GGUF file says of itself.

    Attributes:
        version: Of the layout.
        tensors: How many there are.
        architecture: `general.architecture`, "" where it is not said.
    """

    version: int
    tensors: int
    architecture: str


class _Reader:
    """Reads forward, never more than the file has."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._name = file, size, name

    def fault(self, why: str) -> Damaged:
        return Damaged(
            Problem(
                code="model.gguf_damaged",
                where=self._name,
                what=f"The GGUF file {self._name} is damaged, or was made to harm.",
                why=why,
                fix="Get it again from a source you trust.",
            )
        )

    @property
    def left(self) -> int:
        return self._size - self._file.tell()

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.fault(f"It claims {count:,} bytes where {self.left:,} are left.")
        return self._file.read(count)

    def skip(self, count: int) -> None:
        if count > self.left:
            raise self.fault(f"It claims {count:,} bytes where {self.left:,} are left.")
        self._file.seek(count, 1)

    def number(self, form: str) -> int:
        (value,) = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))
        return int(value)

    def count(self, what: str, most: int, least_bytes: int) -> int:
        """A count that is believed only where so many things can lie in the rest of the file."""
        told = self.number("Q")
        if told > most or told * least_bytes > self.left:
            raise self.fault(f"It claims {told:,} {what}; that cannot be in a file of {self._size:,} bytes.")
        return told

    def text(self, most: int) -> str:
        return self.take(self.count("bytes of text", most, 1)).decode("utf-8", errors="replace")


def read_header(path: Path) -> Header:
    """Check a GGUF file's header against its size; no number in it is trusted to ask for memory.

    Raises:
        Damaged: It is no GGUF file, or its header cannot be true.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = _Reader(file, size, path.name)
        if file.read(len(LFS)).startswith(LFS):
            raise Damaged(lfs_pointer(path.name))
        file.seek(0)
        if reader.take(4) != MAGIC:
            raise reader.fault("It does not begin with GGUF.")
        version = reader.number("I")
        if version not in (2, 3):
            raise reader.fault(f"Its layout is of version {version}; known are 2 and 3.")
        tensors = reader.count("tensors", MOST_TENSORS, 24)
        keys = reader.count("keys", MOST_KEYS, 13)
        values = {}
        for _ in range(keys):
            name = reader.text(LONGEST_KEY)
            values[name] = _value(reader, reader.number("I"), 0, keep=name.startswith("general."))
        _check_tensors(reader, tensors, _alignment(reader, values))
    return Header(version, tensors, str(values.get("general.architecture") or ""))


def _value(reader: _Reader, kind: int, depth: int, keep: bool) -> object:
    if kind == TEXT:
        told = reader.text(LONGEST_TEXT)
        return told if keep else None
    if kind == LIST:
        if depth == DEEPEST_LIST:
            raise reader.fault("Its lists lie too deeply inside each other.")
        inner = reader.number("I")
        count = reader.count("values", 2**40, SIZES.get(inner, LEAST_TEXT_BYTES))
        if inner in SIZES:
            reader.skip(count * SIZES[inner])
            return None
        for _ in range(count):
            _value(reader, inner, depth + 1, keep=False)
        return None
    if kind not in SIZES:
        raise reader.fault(f"It holds a value of the unknown kind {kind}.")
    data = reader.take(SIZES[kind])
    return int.from_bytes(data, "little") if keep else None


def _alignment(reader: _Reader, values: dict[str, object]) -> int:
    told = values.get("general.alignment", 32)
    if not isinstance(told, int) or not 8 <= told <= 65_536 or told % 8:
        raise reader.fault(f"Its tensors are said to lie at multiples of {str(told)[:20]}.")
    return told


def _check_tensors(reader: _Reader, count: int, alignment: int) -> None:
    offsets = []
    for _ in range(count):
        name = reader.text(LONGEST_KEY)
        dimensions = reader.number("I")
        if dimensions > MOST_DIMENSIONS:
            raise reader.fault(f"Its tensor {name[:100]} has {dimensions:,} dimensions.")
        numbers = math.prod(reader.number("Q") for _ in range(dimensions))
        reader.skip(4)  # its number format: the least any of them takes is an eighth of a byte a number
        offsets.append((name, numbers // 8, reader.number("Q")))
    data = reader.left
    for name, least_bytes, offset in offsets:
        if offset % alignment or offset + least_bytes > data:
            raise reader.fault(f"Its tensor {name[:100]} cannot lie where the header says.")

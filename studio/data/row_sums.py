"""Checksums of a dataset's rows, one for the bytes of each record batch: one wrong bit on the disk is seen.

They lie beside the rows (`rows.sums`). Where they are missing, as with datasets of older versions, or are damaged
themselves, the rows are looked at instead (see data/stored_rows.py).
"""

from pathlib import Path

import msgspec
import xxhash

from studio.contract.whole_file import write_whole
from studio.data.settled_file import SettledFile

SUFFIX = ".sums"


class Sums(msgspec.Struct, frozen=True):
    """Checksums of a file's stretches, which follow each other from its first byte to its last.

    Attributes:
        ends: Bytes of the file up to the end of each stretch: what stands before the rows goes with the first batch,
            and a stretch of its own behind the last batch is the mark of the end.
        digests: xxh3_64 of each stretch, as 16 digits.
    """

    ends: tuple[int, ...]
    digests: tuple[str, ...]
    version: int = 1


class SummedFile:
    """A file that is written, with a checksum for each stretch of it. What pyarrow needs of a file, no more."""

    def __init__(self, file: SettledFile) -> None:
        self._file = file
        self._hash = xxhash.xxh3_64()
        self._written = 0
        self._ends: list[int] = []
        self._digests: list[str] = []

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Append to the present stretch."""
        self._hash.update(data)
        self._written += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._written

    def flush(self) -> None:
        """Hand over to the system what is written."""
        self._file.flush()

    def end_stretch(self) -> None:
        """What is written from now on belongs to the next stretch."""
        self._ends.append(self._written)
        self._digests.append(self._hash.hexdigest())
        self._hash.reset()

    def sums(self) -> Sums:
        """Those of the stretches that are ended."""
        return Sums(tuple(self._ends), tuple(self._digests))


def write_sums(rows: Path, sums: Sums) -> None:
    """Keep the checksums of a file of rows beside it.

    Raises:
        OSError: They cannot be written.
    """
    content = msgspec.json.encode(sums)
    write_whole(rows.with_suffix(SUFFIX), content + b"\n" + digest(content).encode() + b"\n")


def read_sums(rows: Path) -> Sums | None:
    """The checksums of a file of rows; None where there are none that can be trusted."""
    try:
        content, own, rest = rows.with_suffix(SUFFIX).read_bytes().split(b"\n")
        if rest or own.decode() != digest(content):
            return None
        return msgspec.json.decode(content, type=Sums)
    except (OSError, ValueError, msgspec.DecodeError):  # lines and letters that are none of ours are ValueErrors, too
        return None


def digest(stretch: object) -> str:
    """The checksum of anything that lends its bytes."""
    return xxhash.xxh3_64_hexdigest(stretch)  # type: ignore[arg-type]

"""Streams between a file as it lies and the text that is read: hashed, unpacked within limits, as UTF-8."""

import gzip
import hashlib
import io
import tempfile
import threading
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from studio.contract.errors import StudioError

MAX_UNPACKED_BYTES = 10 * 1024**3
MAX_RATIO = 100
"""Text packs to a tenth; very repetitive text to a hundredth. Bombs reach a thousandth and more."""
_FREE_BYTES = 1024 * 1024
"""Unpacked bytes for which the ratio does not matter: any small file is harmless."""
_PIECE = 64 * 1024
_CHUNK = 1024 * 1024
_LOCAL_HEADER_BYTES = 30
STORED, DEFLATED = 0, 8


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a ZIP archive, as the archive's directory describes it.

    Attributes:
        name: With "/" between folders.
        offset: Byte of the archive where it begins.
        packed_bytes, bytes: Its size in the archive, and unpacked.
        method: STORED or DEFLATED.
        crc: Checksum of the unpacked bytes.
    """

    name: str
    offset: int
    packed_bytes: int
    bytes: int
    method: int
    crc: int


class HashingFile(io.FileIO):
    """Takes the SHA-256 and the position of what passes through; never seeks back."""

    def __init__(self, descriptor: int, hashed: bool = True) -> None:
        super().__init__(descriptor, "rb")
        self.digest = hashlib.sha256()
        self._hashed = hashed
        self.position = 0
        self._rest: threading.Thread | None = None
        self._fault: OSError | None = None
        self._left = False

    def readinto(self, buffer: Any, /) -> int:
        number = super().readinto(buffer) or 0
        if self._hashed:
            self.digest.update(memoryview(buffer)[:number])
        self.position += number
        return number

    def begin_rest(self) -> None:
        """Take all that was not read yet into the hash, in a thread: nothing else reads here any more."""
        if self._rest is None:
            self._rest = threading.Thread(target=self._read_rest, name="hash")
            self._rest.start()

    def hash_rest(self) -> None:
        """The same, and wait for its end.

        Raises:
            OSError: The file could not be read to its end.
        """
        self.begin_rest()
        assert self._rest is not None
        self._rest.join()
        if self._fault is not None:
            raise self._fault

    def close(self) -> None:
        """Close the file, and end the thread before."""
        self._left = True
        if self._rest is not None:
            self._rest.join()
        super().close()

    def _read_rest(self) -> None:
        chunk = bytearray(_CHUNK)
        try:
            while not self._left and self.readinto(chunk):
                pass
        except OSError as error:
            self._fault = error


class Transcoder(io.RawIOBase):
    """UTF-16 or UTF-32 as a stream of UTF-8 bytes."""

    def __init__(self, text: io.TextIOBase) -> None:
        super().__init__()
        self._text = text
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._rest or self._text.read(max(1, len(buffer) // 4)).encode("utf-8")
        number = min(len(data), len(buffer))
        buffer[:number] = data[:number]
        self._rest = data[number:]
        return number


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a gzip or Zstandard file or of a ZIP's member, as far as the limits allow.

    Raises:
        StudioError: While reading: more than 10 GB or 100 times the packed size come out, or it is damaged.
    """

    def __init__(self, read: Callable[[int], bytes], packed: Callable[[], int], kind: str, name: str) -> None:
        """Nothing is read yet.

        Args:
            read: Gives at most so many unpacked bytes; none at the end.
            packed: How many packed bytes went in.
            kind, name: For sentences: "gzip", "ZIP"; the file's name.
        """
        super().__init__()
        self._read = read
        self._packed = packed
        self._kind = kind
        self._name = name
        self._unpacked = 0

    @property
    def position(self) -> int:
        """Packed bytes read so far."""
        return self._packed()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._read(min(len(buffer), _PIECE))
        except (EOFError, zlib.error, OSError, ValueError) as error:
            raise _damaged(self._kind, self._name, error) from error
        self._unpacked += len(data)
        check_ratio(self._unpacked, self._packed(), self._name)
        buffer[: len(data)] = data
        return len(data)


def check_ratio(unpacked: int, packed: int, name: str) -> None:
    """Refuse what unpacks to far more than any text does.

    Raises:
        StudioError: `data.archive_bomb`.
    """
    if unpacked > MAX_UNPACKED_BYTES:
        what = f"It unpacks to more than {MAX_UNPACKED_BYTES // 1024**3} GB, the size limit."
    elif unpacked > _FREE_BYTES + MAX_RATIO * packed:
        what = f"It unpacks to more than {MAX_RATIO} times its size, the ratio limit."
    else:
        return
    raise StudioError(
        "data.archive_bomb",
        what,
        "No real text packs so tightly: it may be made to fill the memory or the disk.",
        "If you trust it, unpack it with another program and choose the files inside.",
        where=name,
    )


def unpack(file: HashingFile | Unpacked, kind: str, name: str) -> Unpacked:
    """The content of a packed file.

    Args:
        file: At its beginning; or the content of a ZIP's member, which is packed once more.
        kind: "gzip" or "zstd".
        name: For sentences.
    """
    packed = io.BufferedReader(file, _PIECE)  # it asks by `readinto`, which is what counts and hashes
    if kind == "gzip":
        stream: Any = gzip.GzipFile(fileobj=packed, mode="rb")
    else:
        import pyarrow as pa

        stream = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
    return Unpacked(stream.read, lambda: file.position, kind, name)


def open_member(file: io.BufferedIOBase, member: Member, name: str) -> Unpacked:
    """The content of a member of a ZIP archive.

    Args:
        file: The archive; nobody else moves in it.
        member: From `archive.read_directory`.
        name: For sentences.
    """
    reader = _MemberReader(file, member)
    return Unpacked(reader.read, lambda: reader.position, "ZIP", name)


class _MemberReader:
    """Inflates one member; its directory's claims are checked, not believed."""

    def __init__(self, file: io.BufferedIOBase, member: Member) -> None:
        self._file = file
        self._member = member
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = 0
        self._unpacked = 0
        self._started = False
        self.position = 0

    def read(self, number: int) -> bytes:
        if not self._started:
            self._skip_header()
        data = self._stored(number) if self._member.method == STORED else self._inflated(number)
        self._crc = zlib.crc32(data, self._crc)
        self._unpacked += len(data)
        if self._unpacked > self._member.bytes:
            raise ValueError("It is longer than the archive's directory says.")
        if not data and (self._unpacked != self._member.bytes or self._crc != self._member.crc):
            raise ValueError("Its checksum does not match.")
        return data

    def _skip_header(self) -> None:
        self._started = True
        self._file.seek(self._member.offset)
        header = self._file.read(_LOCAL_HEADER_BYTES)
        if len(header) < _LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
            raise EOFError("A member does not begin where the archive's directory says.")
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        self._file.read(names)

    def _packed(self, number: int) -> bytes:
        data = self._file.read(min(number, self._member.packed_bytes - self.position))
        self.position += len(data)
        return data

    def _stored(self, number: int) -> bytes:
        return self._packed(number)

    def _inflated(self, number: int) -> bytes:
        while not self._inflater.eof:
            rest = self._inflater.unconsumed_tail or self._packed(_PIECE)
            data = self._inflater.decompress(rest, number)
            if data:
                return data
            if not rest:
                raise EOFError("It ends in the middle.")
        return b""


class Again(io.BufferedReader):
    """Unpacked content that closes the packed file with itself."""

    def __init__(self, stream: Unpacked, file: HashingFile) -> None:
        super().__init__(stream, _CHUNK)
        self._under = file

    def close(self) -> None:
        super().close()
        self._under.close()


def spooled(file: io.BufferedIOBase) -> io.BufferedIOBase:
    """A copy that can seek; it has no name on the disk, so nothing is left behind whatever happens."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        while chunk := file.read(_CHUNK):
            copy.write(chunk)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def _damaged(kind: str, name: str, error: Exception) -> StudioError:
    reason = str(error).splitlines()[0][:300] if str(error) else ""
    return StudioError(
        "data.damaged_archive",
        f"This {kind} archive is cut off or damaged.",
        f"{reason.rstrip('.')}." if reason else "",
        "Get it or pack it again.",
        where=name,
    )

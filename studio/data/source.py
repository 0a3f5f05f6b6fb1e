"""One file from outside, opened once: what it is, in which encoding, how far it was read, whether it changed.

Every file is hostile until looked at: only regular files are read, and what is no text is named.
"""

import codecs
import hashlib
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from studio.contract.errors import Problem, StudioError
from studio.data.wording import shown

MAX_LINE_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 256 * 1024
KINDS = "JSON, JSONL, CSV, Parquet or Arrow"
_CHUNK = 1024 * 1024

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel_file", "an old Excel or Word file"),
    (b"SQLite format 3\x00", "binary", "an SQLite database"),
    (b"\x1f\x8b", "archive", "a gzip archive"),
    (b"BZh", "archive", "a bzip2 archive"),
    (b"\xfd7zXZ", "archive", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "archive", "a Zstandard archive"),
    (b"%PDF-", "binary", "a PDF document"),
    (b"GGUF", "binary", "a GGUF model"),
)
_TABLES: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # an IPC stream: `datasets` writes them
)
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CP1252_PLAIN = bytes(
    byte
    for byte in range(256)
    if byte in b"\t\r\n" or 0x20 <= byte < 0x7F or (byte >= 0x80 and byte not in b"\x81\x8d\x8f\x90\x9d\xfe\xff")
)
"""Bytes that Western European text saved by an old program is made of."""


class _HashingFile(io.FileIO):
    """Takes the SHA-256 and the position of what passes through; never seeks back."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "rb")
        self.digest = hashlib.sha256()
        self.position = 0

    def readinto(self, buffer: Any, /) -> int:
        number = super().readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:number])
        self.position += number
        return number


class _Transcoder(io.RawIOBase):
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


class Source:
    """A regular file, open for one reading from top to bottom. Use as a context manager.

    Attributes:
        path, name: Where it is; the name is fit for a sentence.
        size: Bytes when it was opened.
        table: The format of a table that is no text (a key of FORMATS), else "".
        encoding: "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32" or "cp1252"; "" for a table.
        head: The first 256 KiB, decoded as well as possible; for detection only.
        notes: What the user should know about how the file was read.
        signature: Changes when the file does.
    """

    def __init__(self, path: Path, on_fault: Callable[[Problem], None] | None = None) -> None:
        """Open and look at the first bytes.

        Args:
            path: The file.
            on_fault: Gets each damaged line, which is then left out; None: the first one ends the reading.

        Raises:
            StudioError: Missing, unreadable, no regular file, empty, or no text.
        """
        self.path = path
        self.name = shown(path.name, 120)
        self.notes: list[Problem] = []
        self.table = ""
        self._on_fault = on_fault
        descriptor = self._open()
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._not_a_file()
            self.size = status.st_size
            self.signature = _signature(status)
            start = _read_head(descriptor)
            self.encoding = self._look(start)
        except BaseException:
            os.close(descriptor)
            raise
        self._file = _HashingFile(descriptor)
        self._readers: list[io.IOBase] = []  # kept: a reader that is garbage collected closes the file under it
        self.head = start.decode(self.encoding, "ignore") if self.encoding else ""
        self.head_is_whole = len(start) == self.size
        if not self.table and not self.head.strip():
            self._file.close()
            blank = "the file is blank" if self.head_is_whole else "the file begins with 256 KB of blanks"
            raise StudioError("data.empty_file", f"There are no records: {blank}.", where=self.name)

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.table:
            for reader in self._readers:
                reader.close()

    @property
    def bytes_read(self) -> int:
        """How far the reading is."""
        return self._file.position

    @property
    def sha256(self) -> str:
        """Of all bytes read so far: of the file, once it was read to its end."""
        return self._file.digest.hexdigest()

    def fault(self, problem: Problem, line: int = 0) -> None:
        """Report a damaged line: raises, or notes it where damaged lines are left out."""
        located = self.at(problem, line)
        if self._on_fault is None:
            raise StudioError.of(located)
        self._on_fault(located)

    def at(self, problem: Problem, line: int = 0) -> Problem:
        """The problem with its place, `file:line`."""
        where = f"{self.name}:{line}" if line else self.name
        return Problem(
            code=problem.code, what=problem.what, why=problem.why, fix=problem.fix, where=where, details=problem.details
        )

    def error(self, code: str, what: str, why: str = "", fix: str = "", line: int = 0) -> StudioError:
        """An error that ends the reading."""
        return StudioError.of(self.at(Problem(code=f"data.{code}", what=what, why=why, fix=fix), line))

    def open_utf8(self) -> io.BufferedIOBase:
        """The file's bytes as UTF-8 without a byte order mark, whatever its encoding; bytes are not checked."""
        if self.encoding in ("utf-8", "utf-8-sig"):
            file: io.BufferedIOBase = io.BufferedReader(self._file, _CHUNK)
            if self.encoding == "utf-8-sig":
                file.read(len(codecs.BOM_UTF8))
        else:
            file = io.BufferedReader(_Transcoder(self.open_text()), _CHUNK)
        self._readers.append(file)
        return file

    def open_text(self) -> io.TextIOWrapper:
        """The file as text, line ends as they are.

        Raises:
            UnicodeDecodeError: While reading, where bytes do not fit the encoding; pass it to `encoding_error`.
        """
        text = io.TextIOWrapper(io.BufferedReader(self._file, _CHUNK), encoding=self.encoding, newline="")
        self._readers.append(text)
        return text

    def open_table(self) -> io.BufferedIOBase:
        """The file for reading here and there, as tables want it; its hash is taken before."""
        chunk = bytearray(_CHUNK)
        while self._file.readinto(chunk):
            pass
        self._file.position = 0
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        self._readers.append(file)
        return file

    def reached(self, position: int) -> None:
        """How far a table was read, in bytes of the file."""
        self._file.position = position

    def settle_encoding(self) -> None:
        """Read the file once to make sure of its encoding: UTF-8, else Windows-1252 where all of it looks so.

        Raises:
            StudioError: Neither; the first bad byte is named.
        """
        if self.encoding not in ("utf-8", "utf-8-sig"):
            return
        with self.path.open("rb") as file:
            found = _first_bad_byte(file)
            if found is None:
                return
            offset, line, had_utf8 = found
            file.seek(0)
            if had_utf8 or not _looks_like_cp1252(file):
                raise self.invalid_utf8(offset, line)
        self.encoding = "cp1252"
        self.notes.append(
            self.at(
                Problem(
                    code="data.read_as_cp1252",
                    what="The file is not UTF-8; it was read as Windows-1252 (Western European).",
                    fix="If letters such as ä, é or ñ look wrong, save it as UTF-8 and import it again.",
                )
            )
        )

    def invalid_utf8(self, offset: int, line: int = 0) -> StudioError:
        """The file is no UTF-8 at this byte, counted from 0."""
        return self.error(
            "invalid_utf8",
            f"The text is not valid UTF-8 at byte {offset:,}.",
            "It was saved in another encoding, or is damaged there.",
            "Open it in the program it came from and save it as UTF-8.",
            line,
        )

    def encoding_error(self, error: UnicodeDecodeError) -> StudioError:
        """The bytes do not fit the detected encoding."""
        return self.error(
            "invalid_encoding",
            f"The file begins as {self.encoding.upper()} text but is damaged further on.",
            error.reason,
            "Save it as UTF-8 and import it again.",
        )

    def check_unchanged(self) -> None:
        """Make sure that what was read is still what lies there.

        Raises:
            StudioError: The file changed, was replaced or was deleted meanwhile.
        """
        try:
            now = {_signature(os.fstat(self._file.fileno())), _signature(self.path.stat())}
        except OSError:
            now = set()
        if now != {self.signature}:
            raise self.error(
                "changed",
                "The file changed while it was being read.",
                "Another program is writing to it.",
                "Wait until that is done, then import it again.",
            )

    def _open(self) -> int:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            if self.path.is_dir():
                raise self._not_a_file()
            return os.open(self.path, flags)
        except FileNotFoundError as error:
            raise StudioError("data.missing", "There is no such file.", where=self.name) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StudioError(
                "data.unreadable",
                "The file cannot be opened.",
                str(reason),
                "Check that you may read it.",
                where=self.name,
            ) from error

    def _not_a_file(self) -> StudioError:
        return StudioError(
            "data.not_a_file",
            "This is not a regular file.",
            "It is a folder, a pipe or a device.",
            f"Choose a {KINDS} file.",
            where=self.name,
        )

    def _look(self, start: bytes) -> str:
        if not start:
            raise StudioError("data.empty_file", "There are no records: the file is empty.", where=self.name)
        if self.path.suffix.lower() in (".py", ".pyc", ".sh", ".bat", ".ps1", ".js"):
            raise self.error(
                "script",
                "This is a program, not data.",
                "Scripts that come with data sets are never run.",
                f"Choose the data file itself: {KINDS}.",
            )
        if start.startswith(b"PK\x03\x04"):
            raise self._zip(start)
        for magic, table in _TABLES:
            if start.startswith(magic):
                self.table = table
                return ""
        for magic, code, kind in _MAGIC:
            if start.startswith(magic):
                raise self._binary(code, kind)
        for mark, encoding in _BOMS:
            if start.startswith(mark):
                return encoding
        if b"\x00" in start:
            encoding = _utf16_without_mark(start)
            if not encoding:
                raise self._binary("binary", "no text: it holds zero bytes")
            return encoding
        return "utf-8"

    def _zip(self, start: bytes) -> StudioError:
        if b"xl/" in start or b"[Content_Types].xml" in start:
            return self._binary("excel_file", "an Excel or Office file")
        return self._binary("archive", "a ZIP archive")

    def _binary(self, code: str, kind: str) -> StudioError:
        fixes = {
            "excel_file": "In your spreadsheet program, save the sheet as CSV (UTF-8) and choose that file.",
            "archive": "Unpack it and choose the file inside.",
        }
        return self.error(
            code,
            f"This is {kind}.",
            "Its content decides, not its name." if self.path.suffix else "",
            fixes.get(code, f"Choose a {KINDS} file."),
        )


def _read_head(descriptor: int) -> bytes:
    data = bytearray()
    while len(data) < HEAD_BYTES and (piece := os.read(descriptor, HEAD_BYTES - len(data))):
        data += piece
    os.lseek(descriptor, 0, os.SEEK_SET)
    return bytes(data)


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _utf16_without_mark(start: bytes) -> str:
    """Mostly Latin text in UTF-16 has a zero in every other byte, and only there."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = max(1, len(start) // 2)
    encoding = ""
    if odd > 0.4 * half and even < 0.05 * half:
        encoding = "utf-16-le"
    elif even > 0.4 * half and odd < 0.05 * half:
        encoding = "utf-16-be"
    if encoding and any(char < " " and char not in "\t\r\n" for char in start.decode(encoding, "ignore")):
        return ""
    return encoding


def _first_bad_byte(file: io.BufferedReader) -> tuple[int, int, bool] | None:
    """Offset (from 0) and line (from 1) of the first byte that is no UTF-8; whether UTF-8 letters came before."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read, line, had_utf8 = 0, 1, False
    while True:
        chunk = file.read(_CHUNK)
        read += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            good = error.object[: error.start]
            offset = read - len(error.object) + error.start
            return offset, line + good.count(b"\n"), had_utf8 or not good.isascii()
        line += text.count("\n")
        had_utf8 = had_utf8 or not text.isascii()
        if not chunk:
            return None


def _looks_like_cp1252(file: io.BufferedReader) -> bool:
    while chunk := file.read(_CHUNK):
        if chunk.translate(None, _CP1252_PLAIN):
            return False
    return True

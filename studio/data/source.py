"""One file from outside, opened once: what it is, in which encoding, how far it was read, whether it changed.

Every file is hostile until looked at: only regular files are read, what is packed unpacks within limits, and what is
no text is named.
"""

import codecs
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.data import archive, kinds
from studio.data.kinds import KINDS as KINDS
from studio.data.part import Part
from studio.data.streams import Again, HashingFile, Member, Transcoder, Unpacked, open_member, spooled, unpack
from studio.data.wording import shown

MAX_LINE_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 256 * 1024
_CHUNK = 1024 * 1024
_MEMBER_BYTES = 64 * 1024
_MAGIC_BYTES = 8
_UTF8 = ("utf-8", "utf-8-sig")
SKIPPED = ", or leave damaged lines out"
"""Offered where it helps, and only there: window and command line offer it by these words."""
_MOST_SETTLED = 10_000
_settled: dict[tuple[Path, Member | None, tuple[int, int, int]], str] = {}
"""Encodings that only a whole reading tells, so that a file is looked at and then read without a second one."""
_ZIP_KINDS = {
    "zip": ("archive", "a ZIP archive"),
    "ods": ("excel_file", "an OpenDocument spreadsheet (.ods)"),
    "xlsb": ("excel_file", "a binary Excel workbook (.xlsb)"),
    "office": ("binary", "an Office document, not a workbook"),
}


class Source:
    """A regular file, or a member of a ZIP archive, open for one reading from top to bottom. Use as a context manager.

    Attributes:
        path, name: Where it is; the name is fit for a sentence.
        suffix: The name's ending in small letters, without ".gz" and the like.
        size: Packed bytes when it was opened (of the member, where it is one).
        table: The format of a table that is no text (a key of FORMATS), else "".
        encoding: "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32" or "cp1252"; "" for a table.
        head: The first 256 KiB, unpacked and decoded as well as possible; for detection only.
        reading: What the user chose about sheets and documents.
        notes: What the user should know about how the file was read.
        choices: Sheets that can be chosen, filled in while reading.
        signature: Changes when the file does.
        wanted: So many bytes of the content will be read at most; None: all of them.
    """

    def __init__(self, file: Path | Part, on_fault: Callable[[Problem], None] | None = None) -> None:
        """Open and look at the first bytes.

        Args:
            file: The file, or a part of what the user chose.
            on_fault: Gets each damaged line, which is then left out; None: the first one ends the reading.

        Raises:
            StudioError: Missing, unreadable, no regular file, empty, damaged, or no text.
        """
        part = file if isinstance(file, Part) else Part(path=file)
        member = part.member
        self.path = part.path
        self.name = shown(part.name or part.path.name, 120)
        self.suffix = kinds.suffix_of(Path(member.name if member else part.path.name))
        self.reading = part.reading
        self.notes: list[Problem] = []
        self.choices: tuple[str, ...] = ()
        self.table = ""
        self._member = member
        self._on_fault = on_fault
        self._readers: list[io.IOBase] = []  # kept: a reader that is garbage collected closes the file under it
        self._reached: int | None = None
        self.wanted: int | None = None
        self._file = self._open()
        try:
            status = os.fstat(self._file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise self._not_a_file()
            self.size = member.packed_bytes if member else status.st_size
            self.signature = _signature(status)
            start = self._read_head()
            self.encoding = self._look(start)
            self.head = start.decode(self.encoding, "ignore") if self.encoding else ""
            self._odd_start = start if self.encoding in _UTF8 and not kinds.begins_as_utf8(start) else b""
            if not self.table and not self.head.strip():
                blank = "the file is blank" if self.head_is_whole else "the file begins with 256 KB of blanks"
                raise StudioError("data.empty_file", f"There are no records: {blank}.", where=self.name)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._file.close()
        if self.table:
            for reader in self._readers:
                reader.close()

    @property
    def bytes_read(self) -> int:
        """How far the reading is, in packed bytes."""
        return self._stream.position if self._reached is None else self._reached

    @property
    def sha256(self) -> str:
        """Of all bytes read so far: of the file as it lies, once it was read to its end; "" for a ZIP's member."""
        return "" if self._member else self._file.digest.hexdigest()

    def fault(self, problem: Problem, line: int = 0) -> None:
        """Report a damaged line: raises, or notes it where damaged lines are left out."""
        located = self.at(problem, line)
        if self._on_fault is None:
            offered = "" if SKIPPED in located.fix else " Or leave damaged lines out."
            raise StudioError.of(msgspec.structs.replace(located, fix=located.fix + offered))
        self._on_fault(located)

    def note(self, code: str, what: str, fix: str = "", line: int = 0) -> None:
        """Say how the file was read."""
        self.notes.append(self.at(Problem(code=f"data.{code}", what=what, fix=fix), line))

    def at(self, problem: Problem, line: int = 0) -> Problem:
        """The problem with its place, `file:line`."""
        where = f"{self.name}:{line}" if line else self.name
        fix = problem.fix if self._on_fault is None else problem.fix.replace(SKIPPED, "")  # they are left out already
        return Problem(
            code=problem.code, what=problem.what, why=problem.why, fix=fix, where=where, details=problem.details
        )

    def error(self, code: str, what: str, why: str = "", fix: str = "", line: int = 0) -> StudioError:
        """An error that ends the reading."""
        return StudioError.of(self.at(Problem(code=f"data.{code}", what=what, why=why, fix=fix), line))

    def open_utf8(self) -> io.BufferedIOBase:
        """The file's bytes as UTF-8 without a byte order mark, whatever its encoding; bytes are not checked."""
        if self.encoding in _UTF8:
            file: io.BufferedIOBase = io.BufferedReader(self._stream, _CHUNK)
            if self.encoding == "utf-8-sig":
                file.read(len(codecs.BOM_UTF8))
        else:
            file = io.BufferedReader(Transcoder(self.open_text()), _CHUNK)
        self._readers.append(file)
        return file

    def open_text(self, newline: str | None = "") -> io.TextIOWrapper:
        """The file as text, line ends as they are; with `newline` None all of them become line feeds.

        Raises:
            UnicodeDecodeError: While reading, where bytes do not fit the encoding; pass it to `encoding_error`.
        """
        text = io.TextIOWrapper(io.BufferedReader(self._stream, _CHUNK), encoding=self.encoding, newline=newline)
        self._readers.append(text)
        return text

    def open_table(self) -> io.BufferedIOBase:
        """The file for reading here and there, as tables want it; its hash is taken meanwhile."""
        if isinstance(self._stream, Unpacked):
            file = spooled(io.BufferedReader(self._stream, _CHUNK))
        else:
            with self._open(hashed=False) as again:  # a copy of the first descriptor would share its place in the file
                file = os.fdopen(os.dup(again.fileno()), "rb")
            if not self._member:
                self._file.begin_rest()
        self._reached = 0
        self._readers.append(file)
        return file

    def reached(self, done: int, whole: int) -> None:
        """How far a table was read: so many of all its bytes or rows."""
        self._reached = self.size * min(done, whole) // max(1, whole)

    def read_to_end(self) -> None:
        """Take what nobody wanted to read into the hash."""
        if not self._member:
            self._file.hash_rest()

    def settle_encoding(self) -> None:
        """Read ahead, as far as it is wanted, to make sure of the encoding: UTF-8, else Windows-1252 where the whole
        file looks so. Where rows were read before it and this gives Windows-1252, they were ASCII: they stay right.

        Raises:
            StudioError: Neither; the first bad byte is named.
        """
        if self.encoding not in _UTF8:
            return
        found = _settled.get(self._content) or self._read_encoding()
        if found == "cp1252" or self._looked_at is None:
            if len(_settled) >= _MOST_SETTLED:
                _settled.clear()
            _settled[self._content] = found
        if found == "cp1252":
            self._take_for_cp1252()

    def settle_start(self) -> None:
        """The same where whoever reads on checks each byte: ahead is read only where the start is odd.

        Raises:
            StudioError: As `settle_encoding` does.
        """
        if self._odd_start or self._content in _settled:
            self.settle_encoding()

    def settle_json(self) -> None:
        """The same where what is damaged is left to the rows."""
        try:
            self.settle_start()
        except StudioError as error:
            if error.problem.code != "data.invalid_utf8":
                raise

    @property
    def _looked_at(self) -> int | None:
        """So many bytes are read ahead; None: all of them."""
        is_all = self._packing or self._member or self.wanted is None or self.size <= self.wanted
        return None if is_all else self.wanted

    @property
    def _content(self) -> tuple[Path, Member | None, tuple[int, int, int]]:
        return self.path, self._member, self.signature

    def _take_for_cp1252(self) -> None:
        self.encoding = "cp1252"
        self.head = self._odd_start.decode("cp1252", "ignore") or self.head
        self._odd_start = b""
        self.note(*kinds.told_of_cp1252(self.head))

    def _read_encoding(self) -> str:
        with self._opened_again() as file:
            found = kinds.first_bad_byte(file, self._looked_at)
        if found is None:
            return "utf-8"
        offset, had_utf8 = found
        with self._opened_again() as file:
            if not had_utf8 and kinds.looks_like_cp1252(file):
                return "cp1252"
        with self._opened_again() as file:
            raise self.invalid_utf8(offset, kinds.line_of(file, offset))

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

    def _open(self, hashed: bool = True) -> HashingFile:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            if self.path.is_dir():
                raise self._not_a_file()
            return HashingFile(os.open(self.path, flags), hashed)
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

    def _read_head(self) -> bytes:
        """The first bytes of the content; the stream stands at its beginning afterwards."""
        descriptor = self._file.fileno()
        self._packing = self._packing_of(descriptor)
        if not self._member and not self._packing:
            self._stream: HashingFile | Unpacked = self._file
            start = kinds.first_bytes(descriptor, HEAD_BYTES + 1)
        else:
            with self._opened_again() as file:
                start = file.read(HEAD_BYTES + 1)
            self._stream = self._unpacked(self._file)
        self.head_is_whole = len(start) <= HEAD_BYTES
        return start[:HEAD_BYTES]

    def _packing_of(self, descriptor: int) -> str:
        if not self._member:
            return kinds.packing(kinds.first_bytes(descriptor, _MAGIC_BYTES))
        with self._open(hashed=False) as file, io.BufferedReader(file, _MEMBER_BYTES) as whole:
            return kinds.packing(io.BufferedReader(open_member(whole, self._member, self.name)).read(_MAGIC_BYTES))

    def _unpacked(self, file: HashingFile) -> Unpacked:
        """The content of a packed file, of an archive's member, or of a packed member; within limits at each step."""
        if self._member is None:
            return unpack(file, self._packing, self.name)
        whole = io.BufferedReader(file, _MEMBER_BYTES)
        self._readers.append(whole)
        member = open_member(whole, self._member, self.name)
        return unpack(member, self._packing, self.name) if self._packing else member

    def _opened_again(self) -> io.BufferedIOBase:
        """The content once more, from its beginning, without disturbing the hash."""
        file = self._open(hashed=False)
        if not self._member and not self._packing:
            return io.BufferedReader(file, _CHUNK)
        return Again(self._unpacked(file), file)

    def _look(self, start: bytes) -> str:
        """What the content is; gives its encoding, "" for a table."""
        if not start:
            raise StudioError("data.empty_file", "There are no records: the file is empty.", where=self.name)
        if self.suffix in kinds.SCRIPT_SUFFIXES:
            raise self.error(
                "script",
                "This is a program, not data.",
                "Scripts that come with data sets are never run.",
                f"Choose the data file itself: {KINDS}.",
            )
        if start.startswith((kinds.ZIP, kinds.EMPTY_ZIP)):
            self._look_into_zip()
            return ""
        self.table = kinds.table(start)
        if self.table:
            return ""
        code, kind = kinds.other(start)
        encoding = "" if code else kinds.encoding(start)
        if not encoding:
            raise self._binary(code or "binary", kind or "no text: it holds zero bytes")
        if encoding not in ("utf-8", "utf-8-sig"):
            self.note(
                "read_as_utf16", f"The file is {encoding[:6].upper()}; it was read so. Its text is kept as UTF-8."
            )
        elif encoding == "utf-8-sig":
            self.note("byte_order_mark", "The file begins with a byte order mark (BOM); it was left out.")
        return encoding

    def _look_into_zip(self) -> None:
        with self._opened_again() as again:
            whole = spooled(again) if isinstance(again, Again) else again
            with whole:
                found = archive.kind(archive.read_directory(whole, self.name))
        if found != "xlsx":
            raise self._binary(*_ZIP_KINDS[found])
        self.table = "xlsx"

    def _binary(self, code: str, kind: str) -> StudioError:
        why = "Its content decides, not its name." if self.path.suffix else ""
        return self.error(code, f"This is {kind}.", why, kinds.fix(code))


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_ino, status.st_size, status.st_mtime_ns)

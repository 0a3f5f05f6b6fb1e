"""What a file is by its first bytes: a table, something packed, text in some encoding, or nothing that can be read."""

import codecs
import io
import os
import re
from pathlib import Path

from studio.data.wording import shown

KINDS = "JSON, JSONL, CSV, Excel (.xlsx), Parquet, Arrow or text (.txt, .md)"
"""What people are told to choose; each may also be packed (.gz, .zst), and a folder or ZIP may hold several."""

PACKED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
PACKED_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
SCRIPT_SUFFIXES = (".py", ".pyc", ".sh", ".bat", ".ps1", ".js")
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"

TABLES: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # an IPC stream: `datasets` writes them
)
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel_file", "an old Excel or Word file (.xls, .doc)"),
    (b"SQLite format 3\x00", "binary", "an SQLite database"),
    (b"BZh", "archive", "a bzip2 archive"),
    (b"\xfd7zXZ", "archive", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "archive", "a RAR archive"),
    (b"%PDF-", "binary", "a PDF document"),
    (b"GGUF", "binary", "a GGUF model"),
    (b"version https://git-lfs.github.com/spec/", "lfs_pointer", "a Git LFS pointer, which only names the file"),
)
_TAR_MARK_AT = 257
_FIXES = {
    "excel_file": "In your spreadsheet program, save it as .xlsx or as CSV (UTF-8) and choose that file.",
    "archive": "Unpack it and choose the file or the folder inside, or pack it as ZIP.",
    "lfs_pointer": "Fetch the file itself: run 'git lfs pull' in its folder, or download it again.",
}

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
_ACCENTED = bytes(range(0xC0, 0x100))
_LETTERS = bytes((*range(0x41, 0x5B), *range(0x61, 0x7B)))
_MOST_ACCENTED = 0.4
_ODD_WORD = re.compile(r"\w*(?:[a-zà-ÿ]Ÿ|Ÿ[a-zà-ÿ]|[a-zà-ÿ]{2}[¹³¿][a-zà-ÿ])\w*")
"""What Polish in Windows-1250 and German from an old Mac look like, read as Windows-1252: "OdpowiedŸ", "fŸr"."""
_CHUNK = 1024 * 1024


def packing(start: bytes) -> str:
    """How the file is packed: gzip or zstd, "" for not at all."""
    return next((name for magic, name in PACKED if start.startswith(magic)), "")


def table(start: bytes) -> str:
    """The format of a table that is no text and no ZIP (a key of FORMATS), else ""."""
    return next((name for magic, name in TABLES if start.startswith(magic)), "")


def other(start: bytes) -> tuple[str, str]:
    """Code and name of a kind that is never read; two "" for what may be text."""
    if start[_TAR_MARK_AT : _TAR_MARK_AT + 5] == b"ustar":
        return "archive", "a tar archive, which may hold links and devices; those are refused here"
    return next(((code, kind) for magic, code, kind in _OTHERS if start.startswith(magic)), ("", ""))


def fix(code: str) -> str:
    """What to do about a kind that is never read."""
    return _FIXES.get(code, f"Choose a {KINDS} file.")


def encoding(start: bytes) -> str:
    """The encoding of a text by its first bytes, "utf-8" where nothing speaks against it; "" where it is no text."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    return _utf16_without_mark(start) if b"\x00" in start else "utf-8"


def _utf16_without_mark(start: bytes) -> str:
    """Mostly Latin text in UTF-16 has a zero in every other byte, and only there."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = max(1, len(start) // 2)
    name = ""
    if odd > 0.4 * half and even < 0.05 * half:
        name = "utf-16-le"
    elif even > 0.4 * half and odd < 0.05 * half:
        name = "utf-16-be"
    if name and any(char < " " and char not in "\t\r\n" for char in start.decode(name, "ignore")):
        return ""
    return name


def begins_as_utf8(start: bytes) -> bool:
    """Whether the first bytes are UTF-8; a letter may be cut off at their end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def odd_word(text: str) -> str:
    """The first word with a sign in it that tells of another encoding than Windows-1252; "" where there is none."""
    found = _ODD_WORD.search(text)
    return found.group() if found else ""


def told_of_cp1252(text: str) -> tuple[str, str, str]:
    """What is said of a file that was read as Windows-1252, by some of its text: code, what, what to do."""
    told = "The file is not UTF-8; it was read as Windows-1252 (Western European)"
    odd = odd_word(text)
    if odd:
        fix = "It may be Central European (Windows-1250) or from an old Mac: open it in the program it came from, "
        fix += "save it as UTF-8 and import it again."
        return "doubtful_encoding", f'{told}, but "{shown(odd, 40)}" looks wrong.', fix
    fix = "If letters such as ä, é or ñ look wrong, save it as UTF-8 and import it again."
    return "read_as_cp1252", f"{told}.", fix


def first_bad_byte(file: io.BufferedIOBase, most: int | None = None) -> tuple[int, bool] | None:
    """Offset (from 0) of the first byte that is no UTF-8; whether UTF-8 letters came before.

    Args:
        file: Text.
        most: Bytes to look at, a little more or less; None: all.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    read, had_utf8 = 0, False
    while most is None or read < most:
        chunk = file.read(_CHUNK)
        read += len(chunk)
        if not (chunk.isascii() and decoder.getstate() == (b"", 0)):  # else there is nothing to decode
            try:
                had_utf8 = not decoder.decode(chunk, final=not chunk).isascii() or had_utf8
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                return read - len(error.object) + error.start, had_utf8 or not before.isascii()
        if not chunk:
            break
    return None


def line_of(file: io.BufferedIOBase, offset: int) -> int:
    """Line (from 1) in which a byte stands."""
    line = 1
    while chunk := file.read(min(_CHUNK, offset)):
        line += chunk.count(b"\n")
        offset -= len(chunk)
    return line


def looks_like_cp1252(file: io.BufferedIOBase) -> bool:
    """Whether all bytes are those of Windows-1252 text, and its accented letters are as rare as in such text.

    In Windows-1251, ISO 8859-7 and their like nearly every letter lies where Western text has its accented ones.
    """
    accented = plain = 0
    while chunk := file.read(_CHUNK):
        if chunk.translate(None, _CP1252_PLAIN):
            return False
        accented += len(chunk) - len(chunk.translate(None, _ACCENTED))
        plain += len(chunk) - len(chunk.translate(None, _LETTERS))
    return accented <= _MOST_ACCENTED * plain


def suffix_of(name: Path) -> str:
    """The ending of a file's name in small letters, without that of its packing."""
    if name.suffix.lower() in PACKED_SUFFIXES:
        name = name.with_suffix("")
    return name.suffix.lower()


def first_bytes(descriptor: int, number: int) -> bytes:
    """The first bytes of an open file, which stands at its beginning afterwards."""
    data = bytearray()
    while len(data) < number and (piece := os.read(descriptor, number - len(data))):
        data += piece
    os.lseek(descriptor, 0, os.SEEK_SET)
    return bytes(data)

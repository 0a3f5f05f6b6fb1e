"""Plain text and Markdown: documents to read, one in each row; what a document is, is guessed and said.

A document is the whole file, a line, or a block of lines between blank ones.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from studio.data.source import MAX_LINE_BYTES, Source

Documents = Literal["file", "line", "block"]
_MOST_LINES_A_BLOCK = 50
"""A blank line more rarely than this is an accident, no mark between documents."""
_WORDS = {
    "file": "The whole file was read as one text.",
    "line": "Each line was read as a text of its own.",
    "block": "Each block between blank lines was read as a text of its own.",
}


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the line where a document begins (from 1), and `{"text": ...}`.

    Raises:
        StudioError: A document is longer than 64 MB, the text holds zero bytes or is in no known encoding.
    """
    source.settle_encoding()
    documents = source.reading.documents or guess_documents(source.head)
    source.reading = msgspec.structs.replace(source.reading, documents=documents)
    source.note("read_as_text", _WORDS[documents], "Choose differently if its texts are divided in another way.")
    try:
        for number, text in _documents(_lines(source), documents, source):
            yield number, {"text": text}
    except UnicodeDecodeError as error:
        raise source.encoding_error(error) from error


def guess_documents(head: str) -> Documents:
    """What one document is, from the first 256 KiB: blocks where blank lines divide it, else lines."""
    lines = head.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    full = [bool(line.strip()) for line in lines]
    blocks = sum(now and not before for before, now in zip([False, *full], full, strict=False))
    return "block" if blocks > 1 and sum(full) <= _MOST_LINES_A_BLOCK * blocks else "line"


def _documents(lines: Iterator[tuple[int, str]], documents: Documents, source: Source) -> Iterator[tuple[int, str]]:
    held: list[str] = []
    begin = characters = 0
    for number, line in lines:
        blank = not line.strip()
        if documents == "line":
            if not blank:
                yield number, line
            continue
        if blank and (documents == "block" or not held):
            if held:
                yield begin, "\n".join(held)
            held, characters = [], 0
            continue
        begin = begin if held else number
        held.append(line)
        characters += len(line) + 1
        if characters > MAX_LINE_BYTES:
            raise _too_long(source, begin)
    while held and not held[-1].strip():
        held.pop()
    if held:
        yield begin, "\n".join(held)


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    """Number (from 1) and line, without its end."""
    text = source.open_text(newline=None)
    number = 0
    while line := text.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise _too_long(source, number)
        if "\x00" in line:
            raise source.error(
                "binary",
                f"Line {number} holds a zero byte: this is no text.",
                "The file is damaged, or no text file.",
                "Save it again as text (UTF-8).",
                number,
            )
        yield number, line.removesuffix("\n")


def _too_long(source: Source, line: int) -> Exception:
    return source.error(
        "line_too_long",
        f"The text that begins at line {line} is longer than 64 MB.",
        "No model reads that much at once; the file may have no line breaks.",
        "Divide it by blank lines or line breaks.",
        line,
    )

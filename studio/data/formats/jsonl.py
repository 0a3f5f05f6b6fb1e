"""JSONL: one JSON object a line. Blank lines are nothing; the row's number is its line's."""

import codecs
from collections.abc import Iterator

from studio.contract.errors import Problem
from studio.data.json_text import JsonFault, decode
from studio.data.source import MAX_LINE_BYTES, Source

_FIXES = {
    "broken_json": "Correct that line, or leave damaged lines out.",
    "truncated": "The file may be cut off; get it again, or leave damaged lines out.",
    "too_deep": "Rows for training are flat: a question and an answer, or a list of turns.",
    "too_many_values": "Rows for training are a question and an answer, or a list of turns; check the brackets.",
    "not_a_number": "Write null or leave the value out.",
    "number_range": "Write the number as text, or leave it out.",
    "duplicate_key": "Keep one of the two.",
    "invalid_utf8": "Save the file as UTF-8.",
    "broken_character": "Correct that key.",
    "not_an_object": 'Each row must look like {"question": "…", "answer": "…"}.',
}


def rows(source: Source) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield line number and row.

    Raises:
        StudioError: A line is damaged or longer than 64 MB; see `Source.fault`.
    """
    file = source.open_utf8()
    number = 0
    offset = len(codecs.BOM_UTF8) if source.encoding == "utf-8-sig" else 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            source.fault(_too_long(number), number)
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
        elif not line.isspace():
            try:
                yield number, as_row(decode(line))
            except JsonFault as fault:
                source.fault(json_problem(fault, number, fault.column, offset), number)
        offset += len(line)


def as_row(value: object) -> dict[str, object]:
    """The value as a row.

    Raises:
        JsonFault: It is no object.
    """
    if isinstance(value, dict):
        return value
    kinds = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    raise JsonFault("not_an_object", f"This row is {kinds.get(type(value), 'null')}, not an object with named values.")


def json_problem(fault: JsonFault, line: int, column: int, offset: int = 0) -> Problem:
    """A fault in words, with its place in the file.

    Args:
        fault: What the decoder found.
        line, column: Place in the file, from 1; column 0: not known.
        offset: Bytes of the file before the piece that was decoded.
    """
    what = fault.what
    if fault.code == "truncated":
        what = f"Line {line} is incomplete: the text ends in the middle of a value."
    elif fault.code == "broken_json":
        what = f"Line {line}, column {column} is not valid JSON."
    elif fault.code == "invalid_utf8":
        what = f"The text is not valid UTF-8 at byte {offset + fault.offset:,}."
    why = fault.what if what != fault.what and fault.code != "truncated" else ""
    return Problem(code=f"data.{fault.code}", what=what, why=why, fix=_FIXES[fault.code])


def _too_long(number: int) -> Problem:
    return Problem(
        code="data.line_too_long",
        what=f"Line {number} is longer than 64 MB.",
        why="No row of questions and answers is that long; the file may have no line breaks.",
        fix="Check that each row stands on a line of its own.",
    )

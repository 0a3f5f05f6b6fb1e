"""Strict JSON: what the standard leaves open (NaN, duplicate keys, any depth) is refused here, with its place."""

import json
import math
import re

MAX_DEPTH = 64
MAX_VALUES = 200_000
MAX_INTEGER_DIGITS = 300

_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


class JsonFault(ValueError):
    """A piece of JSON that is refused.

    Attributes:
        code: Last part of the problem's code: broken_json, truncated, too_deep, too_many_values,
            not_a_number, number_range, duplicate_key, invalid_utf8, broken_character.
        what: What is wrong, one sentence.
        line, column: Where in the piece, from 1; 0 where not known.
        offset: Byte of the piece (only invalid_utf8).
    """

    def __init__(self, code: str, what: str, line: int = 1, column: int = 0, offset: int = 0) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.line = line
        self.column = column
        self.offset = offset


class WrittenNumber(float):
    """A number with a point or an exponent that knows how it was written: 1.10 and 3.0 are answers, too.

    Attributes:
        digits: As in the file.
    """

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits


def decode(data: bytes | str) -> object:
    """Decode one JSON value; numbers that are not whole are `WrittenNumber`.

    Raises:
        JsonFault: It is not JSON, or JSON that is refused.
    """
    text = _text(data)
    if text.count("[") + text.count("{") > MAX_DEPTH or text.count(",") > MAX_VALUES:
        _check_structure(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _located(error, text) from error
    except RecursionError as error:  # cannot happen below MAX_DEPTH; a promise should not rest on that
        raise too_deep() from error


def too_deep() -> JsonFault:
    """The fault of brackets inside brackets inside brackets."""
    return JsonFault("too_deep", f"Lists and objects lie more than {MAX_DEPTH} levels inside each other.")


def too_many_values() -> JsonFault:
    """The fault of a row that would fill the memory."""
    return JsonFault("too_many_values", f"One row holds more than {MAX_VALUES:,} values.")


def is_encodable(text: str) -> bool:
    """Whether the text is free of lone surrogates (half characters), which no file and no tokenizer can hold."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JsonFault(
            "invalid_utf8", f"Byte 0x{data[error.start]:02X} is not valid UTF-8 text.", line, offset=error.start
        ) from error


def _check_structure(text: str) -> None:
    depth = values = 0
    for match in _STRUCTURE.finditer(text):
        char = text[match.start()]
        if char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise too_deep()
        elif char in "]}":
            depth -= 1
        elif char == ",":
            values += 1
            if values > MAX_VALUES:
                raise too_many_values()


def _located(error: json.JSONDecodeError, text: str) -> JsonFault:
    if not text[error.pos :].strip() or error.msg.startswith("Unterminated string"):
        return JsonFault("truncated", "The text ends in the middle of a value.", error.lineno, error.colno)
    return JsonFault("broken_json", f"This is not valid JSON: {error.msg}.", error.lineno, error.colno)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonFault("duplicate_key", f'The key "{_short(key)}" occurs twice in one object.')
            seen.add(key)
    for key in result:
        if not is_encodable(key):
            raise JsonFault("broken_character", f'The key "{_short(key)}" holds half a character.')
    return result


def _short(key: str) -> str:
    return key[:60].encode("utf-8", "replace").decode("utf-8")


def _constant(name: str) -> object:
    raise JsonFault("not_a_number", f"{name} is not JSON.")


def _float(digits: str) -> float:
    value = WrittenNumber(digits)
    if math.isinf(value):
        raise JsonFault("number_range", f"The number {digits[:20]} is too large.")
    return value


def _integer(digits: str) -> int | float:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise JsonFault("number_range", f"A number has {len(digits):,} digits.")
    return int(digits) or (WrittenNumber(digits) if digits == "-0" else 0)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer, strict=True
)

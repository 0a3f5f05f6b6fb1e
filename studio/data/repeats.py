"""Rows that occur again, word for word: within what is learned from, and between that and the test rows."""

import array
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from studio.contract.errors import Problem
from studio.data.wording import count, row_numbers


class FileRows(msgspec.Struct, kw_only=True):
    """The usable rows of one file.

    Attributes:
        name: Of the file, for sentences.
        keys: The leading 8 bytes of each row's key.
        numbers: Each row's number in the file.
    """

    name: str
    keys: "array.array[int]" = msgspec.field(default_factory=lambda: array.array("Q"))
    numbers: "array.array[int]" = msgspec.field(default_factory=lambda: array.array("Q"))

    def add(self, key: str, number: int) -> None:
        """Count one row."""
        self.keys.append(int(key, 16))
        self.numbers.append(number)

    def add_many(self, keys: bytes, numbers: Any) -> None:
        """Count many rows: 8 bytes of key each, and their numbers (rows,) int64."""
        self.keys.frombytes(np.frombuffer(keys, ">u8").astype(np.uint64).tobytes())
        self.numbers.frombytes(numbers.astype(np.uint64).tobytes())


def repeated(files: Sequence[FileRows]) -> list[Problem]:
    """Rows that repeat an earlier row of the same or of an earlier file; one problem for each file that has some."""
    keys = _keys(files)
    ranked = np.sort(keys)
    if not (ranked[1:] == ranked[:-1]).any():
        return []
    repeats: Any = np.ones(len(keys), dtype=bool)
    repeats[np.unique(keys, return_index=True)[1]] = False
    problems = []
    for file, again, examples in _by_file(files, repeats):
        problems.append(
            Problem(
                code="data.duplicates",
                what=f"{count(again, 'row repeats', 'rows repeat')} an earlier row word for word; all were kept.",
                why="What is repeated is learned more strongly.",
                fix="Delete the repetitions if you do not want that.",
                where=f"{file.name}, {row_numbers(examples, again)}",
            )
        )
    return problems


def overlapping(learned: Sequence[FileRows], tests: Sequence[FileRows]) -> list[Problem]:
    """Test rows that are also learned from; one problem for each test file that has some."""
    if not tests:
        return []
    both = np.isin(_keys(tests), _keys(learned))
    problems = []
    for file, number, examples in _by_file(tests, both):
        problems.append(
            Problem(
                code="data.overlap",
                what=f"{count(number, 'test row is', 'test rows are')} also learned from.",
                why="Such rows say nothing about unseen questions.",
                fix="Delete them from one of the two files.",
                where=f"{file.name}, {row_numbers(examples, number)}",
            )
        )
    return problems


def _keys(files: Sequence[FileRows]) -> Any:
    return np.concatenate([np.zeros(0, np.uint64), *(np.frombuffer(file.keys, dtype=np.uint64) for file in files)])


def _by_file(files: Sequence[FileRows], marked: Any) -> list[tuple[FileRows, int, list[int]]]:
    """Each file with marked rows, their number, and the first three."""
    result, start = [], 0
    for file in files:
        here = np.flatnonzero(marked[start : start + len(file.keys)])
        start += len(file.keys)
        if len(here):
            result.append((file, len(here), [file.numbers[int(index)] for index in here[:3]]))
    return result

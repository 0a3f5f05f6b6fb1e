"""Marks of chat templates that stand in the text itself: a sign of data that were rendered once already."""

import re
from collections.abc import Iterator

from studio.contract.errors import Problem
from studio.contract.records import Record
from studio.data.wording import count, row_numbers, shown

MARKS = re.compile(
    r"<\|[A-Za-z_][A-Za-z0-9_ ]{0,40}\|>|<｜[^｜<>\n]{1,40}｜>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>"
    r"|<(?:bos|eos|pad|unk)>|^###\s?(?:Instruction|Response|Input|Human|Assistant)s?:",
    re.MULTILINE,
)
"""Control tokens of the known families, and the headings of Alpaca's template. Tags of reasoning are none: answers
may bring them."""


def mark_in(record: Record) -> str:
    """The first mark in what a row says; "" where there is none."""
    return next((mark for text in _texts(record) if (mark := mark_in_text(text))), "")


def mark_in_text(text: str) -> str:
    """The first mark in a text; "" where there is none."""
    if not _may_hold(text):
        return ""
    found = MARKS.search(text)
    return found.group() if found else ""


def _may_hold(text: str) -> bool:
    """Whether the pattern is worth asking: ten times as quick, which counts at a million rows."""
    if "###" in text or "INST]" in text:
        return True
    return "<" in text and (
        "<|" in text
        or "s>" in text
        or "_turn>" in text
        or "SYS>>" in text
        or "<｜" in text
        or "<pad>" in text
        or "<unk>" in text
    )


def _texts(record: Record) -> Iterator[str]:
    """All that a model reads of a row."""
    for turns in (record.messages, record.rejected):
        for turn in turns:
            yield turn.content
            if turn.reasoning or turn.tool_calls:
                yield from (turn.reasoning, turn.tool_calls)
    yield from (record.text, record.tools)


class MarkTally:
    """Counts rows with marks and keeps the first few."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: list[int] = []
        self._marks: dict[str, None] = {}

    def look(self, record: Record) -> None:
        """Count a row if it has marks."""
        mark = mark_in(record)
        if mark:
            self.add(record.source_row, mark)

    def add(self, row: int, mark: str) -> None:
        """Count a row that has this mark."""
        self._count += 1
        if len(self._rows) < 3:
            self._rows.append(row)
        if len(self._marks) < 3:
            self._marks[mark] = None

    def problems(self, file_name: str) -> list[Problem]:
        """One hint, or none; the rows were kept."""
        if not self._count:
            return []
        marks = ", ".join(f'"{shown(mark, 40)}"' for mark in self._marks)
        return [
            Problem(
                code="data.markers",
                what=f"{count(self._count, 'row holds', 'rows hold')} marks of a chat template, such as {marks}; "
                "all were kept.",
                why="The model reads such marks as ordinary text here, so nobody can end a turn with them; but text "
                "that was rendered for another model teaches it to write them.",
                fix="Remove the marks, or map the rows to messages if they are whole conversations.",
                where=f"{file_name}, {row_numbers(self._rows, self._count)}",
            )
        ]

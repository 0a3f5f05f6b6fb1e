"""Marks of chat templates that stand in the text itself: a sign of data that were rendered once already."""

import re
from collections.abc import Iterator

from studio.contract.errors import Problem
from studio.contract.records import Record
from studio.data.wording import count, row_numbers, shown

_FAMILIES = (
    r"<\|[A-Za-z0-9_][A-Za-z0-9_ ]{1,40}\|>",  # <|im_start|>, <|eot_id|>, <|END_OF_TURN_TOKEN|>
    r"<｜[^｜<>\n]{1,40}｜>",  # DeepSeek
    r"\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]",  # Llama 2, Mistral
    r"<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>",  # Gemma
    r"^### ?(?:Instruction|Response|Human|Assistant|User):",  # Alpaca, Guanaco
    r"^(?:USER|ASSISTANT): .*\n(?:USER|ASSISTANT): ",  # Vicuna: both sides in one text
    # Of <s> and </s> those without the other in their line: a pair is HTML for struck-out words.
    r"<s>(?:[^<\n]|<[^/\n]|</[^s\n]|</s[^>\n])*$",
    r"^(?:[^<\n]|<[^s\n]|<s[^>\n])*</s>",
)
"""Control tokens of the known families, and the headings of templates without any. Tags of reasoning are none: answers
may bring them."""

PATTERN = "(?m)" + "|".join(_FAMILIES)
"""For `re` and for RE2: the import and the doctor never disagree."""

BEGINNINGS = {
    "<": ("<|", "<｜", "<</", "<<S", "_turn>", "<bos>", "<eos>", "<pad>", "<unk>", "<s>", "</s>"),
    "[": ("[INST", "[/INST", "_TOOLS]", "TOOL_", "[SYSTEM_", "[/SYSTEM_"),
    "#": ("###",),
    "\n": ("\nUSER: ", "\nASSISTANT: "),
}
"""Every mark holds one of these; a text without the first character is not searched for the rest, which counts at a
million rows."""

_MARK = re.compile(PATTERN)
_ALONE = re.compile(r"</?s>")


def mark_in(record: Record) -> str:
    """The first mark in what a row says; "" where there is none."""
    return next((mark for text in _texts(record) if (mark := mark_in_text(text))), "")


def mark_in_text(text: str) -> str:
    """The first mark in a text; "" where there is none."""
    if not any(first in text and any(more in text for more in mores) for first, mores in BEGINNINGS.items()):
        return ""
    found = _MARK.search(text)
    if found is None:
        return ""
    mark = found.group().split("\n")[0]
    alone = _ALONE.findall(mark) if mark.startswith("<s>") or mark.endswith("</s>") else []
    return alone[0] if mark.startswith("<s>") else alone[-1] if alone else mark


def begins_with_mark(text: str) -> bool:
    """Whether a text begins with a mark."""
    return _MARK.match(text) is not None


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

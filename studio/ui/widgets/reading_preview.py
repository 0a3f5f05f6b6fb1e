"""The first rows of a file as they would read with a mapping: each part under its name, or why a row is left out."""

from collections.abc import Sequence

from PySide6.QtWidgets import QPlainTextEdit, QWidget

from studio.contract.errors import Problem
from studio.contract.records import Record

_CHARACTERS = 400


class ReadingPreview(QPlainTextEdit):
    """Plain text, read only."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setTabChangesFocus(True)
        self.setAccessibleName(self.tr("The first rows as they would read"))

    def show_read(self, read: Sequence[Record | Problem]) -> None:
        """Show rows that were tried."""
        parts = []
        for number, one in enumerate(read, 1):
            if isinstance(one, Problem):
                where = one.where or self.tr("row {number}").format(number=number)
                parts.append(f"✗ {where}: {' '.join(part for part in (one.what, one.why) if part)}")
            else:
                parts.append("\n".join(self._lines(one, number)))
        self.setPlainText("\n\n".join(parts))

    def _lines(self, record: Record, number: int) -> list[str]:
        names = {
            "system": self.tr("System prompt"),
            "user": self.tr("Question"),
            "assistant": self.tr("Answer"),
            "tool": self.tr("Result of a tool"),
        }
        better = self.tr("Better answer")
        lines = [f"✓ {self.tr('Row {number}').format(number=number)}"]
        for place, turn in enumerate(record.messages):
            name = better if record.rejected and place >= record.shared else names[turn.role]
            lines.append(f"   {name}: {_short(turn.content or turn.tool_calls)}")
        lines += [f"   {self.tr('Worse answer')}: {_short(turn.content)}" for turn in record.rejected]
        if record.text:
            lines.append(f"   {self.tr('Text')}: {_short(record.text)}")
        if record.label is not None:
            lines.append(f"   {self.tr('Rated')}: {self.tr('good') if record.label else self.tr('bad')}")
        return lines


def _short(text: str) -> str:
    line = " ".join(text[: 2 * _CHARACTERS].split())
    return line if len(line) <= _CHARACTERS else line[: _CHARACTERS - 1] + "…"

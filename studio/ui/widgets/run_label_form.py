"""A small window for the tags and the note of a run."""

from PySide6.QtWidgets import QDialog, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from studio.data.run_label import Label, tidied
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class RunLabelForm(QDialog):
    """Asks for tags and a note; `chosen()` is what was typed."""

    def __init__(self, name: str, before: Label, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Tags and note: {name}").format(name=name))
        self.tags = QLineEdit(", ".join(before.tags))
        self.tags.setAccessibleName(self.tr("Tags, separated by commas"))
        self.tags.setPlaceholderText(self.tr("for example: invoices, second try"))
        self.tags.setMaxLength(600)
        self.note = QPlainTextEdit(before.note)
        self.note.setAccessibleName(self.tr("Note"))
        self.note.setPlaceholderText(self.tr("What was tried, and what came of it"))
        self.note.setTabChangesFocus(True)
        tags, note = label(self.tr("Tags, separated by commas")), label(self.tr("Note"))
        tags.setBuddy(self.tags)
        note.setBuddy(self.note)
        self.save = buttons.primary(self.tr("Save"), self.accept)
        self.save.setDefault(True)
        answer = row(1, buttons.secondary(self.tr("Cancel"), self.reject), self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        for widget in (tags, self.tags, note, self.note):
            column.addWidget(widget)
        column.addLayout(answer)
        line = self.fontMetrics().lineSpacing()
        self.resize(28 * line, 18 * line)

    def chosen(self) -> Label:
        """What was typed, tidied up."""
        return tidied(Label(tuple(self.tags.text().split(",")), self.note.toPlainText()))

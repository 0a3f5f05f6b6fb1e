"""What one click changed in the settings, and the way back."""

from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QWidget

from studio.contract.settings import TrainSettings
from studio.ui.setting_words import told_fields, value_words
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class ChangedLine(QWidget):
    """One sentence, and a button that puts back what was before."""

    def __init__(self, sets: dict[str, Any], undo: Callable[[], object]) -> None:
        """Args:
        sets: Dotted path -> value.
        undo: Puts back what was before.
        """
        super().__init__()
        table = {field.path: field for field in told_fields(TrainSettings)}
        pairs = [(table[path], value) for path, value in sets.items() if path in table]
        said = " · ".join(f"{field.title}: {value_words(field, value)}" for field, value in pairs)
        back = buttons.flat(self.tr("Undo"), undo, "undo")
        back.setAccessibleName(self.tr("Undo these changes"))
        line = row(label(self.tr("Changed to {settings}").format(settings=said), "success", wrap=True), back)
        line.setStretch(0, 1)
        line.setContentsMargins(0, 0, 0, 0)
        self.setLayout(line)

"""A line to search by: Qt's own clear button has no name, this one's has."""

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QLineEdit, QToolButton

from studio.ui import icons


class SearchField(QLineEdit):
    """Shows what it searches while it is empty; a button at its end empties it."""

    def __init__(self, words: str) -> None:
        """Args:
        words: What is searched: placeholder, and name for a screen reader.
        """
        super().__init__()
        self.setPlaceholderText(words)
        self.setAccessibleName(words)
        self.setClearButtonEnabled(True)
        clear = self.findChild(QToolButton)  # the only one until the next line adds the magnifying glass
        if isinstance(clear, QToolButton):
            clear.setAccessibleName(self.tr("Clear: {field}").format(field=words))
        self.addAction(icons.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        glass = self.findChildren(QToolButton)[-1]
        glass.setAccessibleName(words)

    def minimumSizeHint(self) -> QSize:
        """What it searches can be read, the magnifying glass beside it."""
        least = super().minimumSizeHint()
        words = self.fontMetrics().horizontalAdvance(self.placeholderText())
        return QSize(words + 2 * least.height(), least.height())

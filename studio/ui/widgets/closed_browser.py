"""Formatted text that loads nothing: no picture, no style sheet, no file, no address, whatever it names.

Qt's own browser reads local files that a text names (and, on Windows, asks other computers for `//host/share`). The
document asks its view first and looks itself where the view gives nothing, or a picture that is none; so this gives
something: a picture of one invisible point, a style sheet of no words.
"""

import re
from math import ceil

from PySide6.QtCore import QByteArray, QEvent, Qt, QUrl, Signal
from PySide6.QtGui import QImage, QResizeEvent, QTextDocument
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

LONGEST_FORMATTED = 200_000
"""Characters; a longer text is shown as it stands."""


class ClosedBrowser(QTextBrowser):
    """Shows text with links that are told (`anchorClicked`) and never followed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)

    def loadResource(self, kind: int, name: QUrl | str) -> QImage | QByteArray:
        """Nothing, for every address."""
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return QByteArray(b"")
        point = QImage(1, 1, QImage.Format.Format_ARGB32)
        point.fill(Qt.GlobalColor.transparent)
        return point


class ForeignMarkdown(ClosedBrowser):
    """A reply as Markdown without HTML and without pictures, as high as it needs to be.

    Attributes:
        link_clicked: Address of a link that was clicked, as it stands; it is never opened.
    """

    link_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet("QTextBrowser { background: transparent; border: none; padding: 0; }")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self.anchorClicked.connect(lambda link: self.link_clicked.emit(link.toString()))

    def show_text(self, text: str) -> None:
        """Show a reply; one that is too long to be formatted is shown as it stands."""
        if len(text) > LONGEST_FORMATTED:
            self.setPlainText(text)
            return
        features = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
        # A picture would be an empty frame: its text and address say more.
        self.document().setMarkdown(re.sub(r"!\[", r"!\\[", text), features)

    def _fit(self) -> None:
        self.setFixedHeight(max(self.fontMetrics().lineSpacing(), ceil(self.document().size().height())) + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another number of lines."""
        super().resizeEvent(event)
        self._fit()

    def wheelEvent(self, event: QEvent) -> None:
        """The conversation scrolls, not the single reply."""
        event.ignore()

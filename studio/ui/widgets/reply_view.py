"""One reply as it is written: plain text that grows, and below it how it was made."""

from math import ceil

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.contract.metrics import same_words
from studio.supervisor.chats import Reply
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.closed_browser import ForeignMarkdown
from studio.ui.widgets.labels import ElidedLabel, label, set_role
from studio.ui.widgets.section import Folding, held, row


class GrowingText(QPlainTextEdit):
    """Read-only plain text that is as high as it needs to be. Never rich text: replies are foreign."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("plain", "true")
        self.setStyleSheet("QPlainTextEdit { background: transparent; border: none; padding: 0; }")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit()

    def append_text(self, text: str) -> None:
        """Add to the end; the selection stays."""
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)

    def _fit(self) -> None:
        # Not lines times height: a letter from another font makes its line higher.
        layout, block, height = self.document().documentLayout(), self.document().begin(), 0.0
        while block.isValid():
            height += layout.blockBoundingRect(block).height()
            block = block.next()
        self.setFixedHeight(max(self.fontMetrics().lineSpacing(), ceil(height)) + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another number of lines."""
        super().resizeEvent(event)
        self._fit()

    def wheelEvent(self, event: object) -> None:
        """The conversation scrolls, not the single reply."""
        event.ignore()  # type: ignore[attr-defined]


class ReplyView(QFrame):
    """Name, text, and a line of facts. Pieces are kept until `flush`, which the conversation calls as often as seen."""

    def __init__(self, reply: Reply, expected: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.side = reply.side
        self._expected = expected
        self._pending: list[str] = []
        self.setProperty("role", "card")
        base = self.tr("{model} (base)").format(model=reply.name)
        self.name = ElidedLabel(reply.name if reply.side else base, "accent" if reply.side else "muted")
        self.text = GrowingText()
        self.text.setAccessibleName(self.tr("Reply of {name}").format(name=reply.name))
        self.match = label("", "", wrap=True)
        self.facts = label("", "muted", wrap=True)
        self.copy = buttons.icon_button(
            "copy", self.tr("Copy the reply of {name}").format(name=reply.name), self._on_copy, token="muted"
        )
        self.copy.setVisible(False)
        self.form = buttons.icon_button(
            "eye", self.tr("Show the reply of {name} formatted, or as it stands").format(name=reply.name), self._on_form
        )
        self.form.setVisible(False)
        self.formatted: ForeignMarkdown | None = None
        self.link = label("", "muted", wrap=True, selectable=True)
        self.link.hide()
        inside = QVBoxLayout(self)
        inside.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        inside.setSpacing(GRID // 2)
        acts = held(row(self.form, self.copy, 1))
        inside.addWidget(Folding(self.name, acts, stretch=(1, 0), whole=True))
        inside.addWidget(self.text)
        inside.addWidget(self.link)
        self._inside = inside
        inside.addWidget(self.match)
        inside.addWidget(self.facts)
        inside.addStretch(1)
        self.match.hide()
        if reply.ended:
            self.show_reply(reply)
        else:
            self.facts.setText(self.tr("Waiting…"))

    def add_piece(self, text: str) -> None:
        """Text that arrived; painted at the next `flush`."""
        self._pending.append(text)

    @property
    def has_pending(self) -> bool:
        """Whether anything arrived since the last `flush`."""
        return bool(self._pending)

    def flush(self) -> None:
        """Paint what has arrived."""
        if self._pending:
            self.facts.setText(self.tr("Writing…"))
            text, self._pending = "".join(self._pending), []
            self.text.append_text(text)

    def show_reply(self, reply: Reply) -> None:
        """The whole reply, as the worker gave it in the end."""
        self._pending.clear()
        if self.text.toPlainText() != reply.text:
            self.text.setPlainText(reply.text)
        self.copy.setVisible(bool(reply.text))
        self.form.setVisible(bool(reply.text))
        self.facts.setText(self._in_words(reply))
        judged = bool(self._expected) and reply.ended in ("end_token", "length")
        self.match.setVisible(judged)
        if judged:
            right = same_words(reply.text, self._expected)
            set_role(self.match, "success" if right else "warning")
            right_words, wrong_words = (
                self.tr("✓ Word for word as expected"),
                self.tr("✗ Not word for word as expected"),
            )
            self.match.setText(right_words if right else wrong_words)

    def show_problem(self, problem: Problem) -> None:
        """This reply did not come."""
        self._pending.clear()
        set_role(self.facts, "error")
        self.facts.setText(wording.told_problem(problem).sentence())

    def _in_words(self, reply: Reply) -> str:
        if reply.ended == "failed":
            return self.tr("No answer: the worker failed.")
        if reply.ended == "":
            return self.tr("Not answered.")
        count = self.tr("1 token") if reply.tokens == 1 else self.tr("{count} tokens")
        parts = [count.format(count=wording.number(reply.tokens))]
        if reply.tokens and reply.seconds > 0:
            speed = reply.tokens / reply.seconds
            parts.append(self.tr("{speed} tokens/s").format(speed=wording.number(speed, 1 if speed < 10 else 0)))
        if reply.ended == "length":
            parts.append(self.tr("cut at the length limit"))
        elif reply.ended == "stopped":
            parts.append(self.tr("stopped by you"))
        elif not reply.text.strip():
            parts.append(self.tr("an empty answer"))
        return "  ·  ".join(parts)

    def _on_form(self) -> None:
        """Formatted is a choice: as it stands nothing of the reply can mislead."""
        if self.formatted is None:
            self.formatted = ForeignMarkdown()
            self.formatted.setAccessibleName(self.text.accessibleName())
            self.formatted.link_clicked.connect(self._on_link)
            self._inside.insertWidget(self._inside.indexOf(self.text), self.formatted)
            self.formatted.hide()
        shows = self.formatted.isHidden()
        if shows:
            self.formatted.show_text(self.text.toPlainText())
        self.formatted.setVisible(shows)
        self.text.setVisible(not shows)
        self.link.hide()

    def _on_link(self, address: str) -> None:
        self.link.setText(self.tr("The link leads to {address} and was not opened.").format(address=address))
        self.link.show()

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())

"""The conversation: questions and, below each, the replies side by side."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.supervisor.chats import Chat, Exchange
from studio.ui import theme
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.reply_view import ReplyView
from studio.ui.widgets.section import Folding, row

FLUSH_MS = 50
"""Pieces arrive token by token; they are painted together, 20 times a second."""


class ExchangeView(QWidget):
    """One question with its replies."""

    def __init__(self, exchange: Exchange, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(GRID)
        if exchange.fresh:
            note = label(self.tr("A new conversation: nothing above is read from here on."), "muted", wrap=True)
            note.setAlignment(Qt.AlignmentFlag.AlignCenter)
            inside.addWidget(note)
        bubble = QFrame()
        bubble.setObjectName("question")
        words = QVBoxLayout(bubble)
        words.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        if exchange.system.strip():
            words.addWidget(label(self.tr("System prompt: {text}").format(text=exchange.system), "muted", wrap=True))
        question = label(exchange.question, wrap=True, selectable=True)
        question.setAccessibleName(self.tr("Question: {text}").format(text=exchange.question))
        words.addWidget(question)
        line = row(1, bubble)
        line.setStretch(0, 1)
        line.setStretch(1, 4)
        inside.addLayout(line)
        self.replies = [ReplyView(reply, exchange.expected) for reply in exchange.replies]
        inside.addWidget(Folding(*self.replies, stretch=[1] * len(self.replies)))
        if exchange.expected:
            expected = self.tr("Expected: {text}").format(text=exchange.expected)
            inside.addWidget(label(expected, "muted", wrap=True, selectable=True))
        self._bubble = bubble
        theme.changes().theme_changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def reply(self, side: str) -> ReplyView | None:
        """The view of one side's reply."""
        return next((view for view in self.replies if view.side == side), None)

    def _on_theme_changed(self) -> None:
        ground = theme.tokens().accent_soft
        self._bubble.setStyleSheet(f"QFrame#question {{ background: {ground}; border-radius: 8px; }}")


class ChatView(QScrollArea):
    """Scrolls with what is written as long as the user has not scrolled up.

    Attributes:
        retry_wanted: The last question should be answered anew; with a new seed if True.
    """

    retry_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Conversation"))
        self.exchanges: list[ExchangeView] = []
        self.retry = buttons.flat(self.tr("Retry, same seed"), lambda: self.retry_wanted.emit(False), "refresh")
        self.retry_new = buttons.flat(self.tr("Retry, new seed"), lambda: self.retry_wanted.emit(True))
        self._retries = QWidget()
        again = row(self.retry, self.retry_new, 1)
        again.setContentsMargins(0, 0, 0, 0)
        self._retries.setLayout(again)
        inside = QWidget()
        inside.setObjectName("scroll_content")
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)  # replies end where the question box ends
        self._column.setSpacing(2 * GRID)
        self._column.addWidget(self._retries)
        self._column.addStretch(1)
        self.setWidget(inside)
        inside.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        self._follows = True
        self._moving = False
        self._flush = QTimer(self)
        self._flush.setInterval(FLUSH_MS)
        self._flush.timeout.connect(self.flush)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._on_range_changed)
        bar.valueChanged.connect(self._on_scrolled)
        self._retries.hide()

    def show_chat(self, chat: Chat) -> None:
        """Show a whole chat."""
        self._flush.stop()
        for view in self.exchanges:
            self._drop(view)
        self.exchanges = []
        self._follows = True
        for index in range(len(chat.exchanges)):
            self.show_exchange(chat, index)

    def show_exchange(self, chat: Chat, index: int) -> None:
        """Show an exchange that is new, or anew."""
        view = ExchangeView(chat.exchanges[index])
        if index < len(self.exchanges):
            self._drop(self.exchanges[index])
            self.exchanges[index] = view
        else:
            self.exchanges.append(view)
        self._column.insertWidget(index, view)
        self._follows = True
        self._set_retry(chat)

    def set_answering(self, answering: bool, chat: Chat | None) -> None:
        """Retry is offered between answers; a seed is only drawn anew where it decides anything."""
        self._retries.setVisible(not answering and bool(self.exchanges))
        if chat is not None:
            self._set_retry(chat)

    def _set_retry(self, chat: Chat) -> None:
        draws = chat.sampling.temperature > 0
        self.retry_new.setEnabled(draws)
        why = self.tr("At temperature 0 the likeliest word is always taken, so another seed changes nothing.")
        self.retry_new.setToolTip("" if draws else plain_tip(why))

    def add_piece(self, index: int, side: str, text: str) -> None:
        """Text that arrived for one side of an exchange."""
        view = self.exchanges[index].reply(side) if index < len(self.exchanges) else None
        if view is not None:
            view.add_piece(text)
            if not self._flush.isActive():
                self._flush.start()

    def show_reply(self, chat: Chat, index: int, side: str) -> None:
        """A reply is complete."""
        view = self.exchanges[index].reply(side) if index < len(self.exchanges) else None
        reply = next((reply for reply in chat.exchanges[index].replies if reply.side == side), None)
        if view is not None and reply is not None:
            view.show_reply(reply)

    def show_problem(self, index: int, side: str, problem: Problem) -> None:
        """A reply will not come."""
        view = self.exchanges[index].reply(side) if index < len(self.exchanges) else None
        if view is not None:
            view.show_problem(problem)

    def flush(self) -> None:
        """Paint what has arrived since; rests while nothing arrives."""
        grown = False
        for exchange in self.exchanges[-2:]:
            for view in exchange.replies:
                grown = view.has_pending or grown
                view.flush()
        if not grown:
            self._flush.stop()

    def _drop(self, view: ExchangeView) -> None:
        self._column.removeWidget(view)
        view.hide()
        view.deleteLater()

    def _on_range_changed(self, _low: int, high: int) -> None:
        if self._follows:
            self._moving = True
            self.verticalScrollBar().setValue(high)
            self._moving = False

    def _on_scrolled(self, value: int) -> None:
        if not self._moving:
            self._follows = value >= self.verticalScrollBar().maximum() - 2 * GRID

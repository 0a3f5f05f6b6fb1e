"""The list of saved chats: open, delete."""

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from studio.supervisor.chats import Chat
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.section import row

_TIP_CHARACTERS = 500


class SavedChats(QWidget):
    """Attributes:
    open_wanted, delete_wanted: Each carries a `Chat`.
    """

    open_wanted = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chats: list[Chat] = []
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Saved chats"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setUniformItemSizes(True)
        self.list.itemActivated.connect(self._on_open)
        self.list.itemClicked.connect(self._on_open)
        self.list.currentRowChanged.connect(self._on_row_changed)
        self.delete = buttons.icon_button("trash", self.tr("Delete the chosen chat"), self._on_delete, token="muted")
        self.none = label(self.tr("Chats are kept here by themselves."), "muted", wrap=True)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID // 2)
        outer.addLayout(row(label(self.tr("Saved chats"), "strong"), 1, self.delete))
        outer.addWidget(self.none)
        outer.addWidget(self.list, 1)

    def show_chats(self, chats: list[Chat], open_id: str) -> None:
        """List these; the open one is marked."""
        self.list.blockSignals(True)
        self.list.clear()
        self._chats = chats
        for chat in chats:
            who = chat.name_of(chat.run) if chat.run else chat.model_name
            item = QListWidgetItem(f"{chat.title}\n{who} · {wording.moment(chat.changed)}")
            asked = chat.exchanges[0].question.strip() if chat.exchanges else chat.title
            item.setToolTip(plain_tip(f"{asked[:_TIP_CHARACTERS]}\n{who}"))  # either may be wider than the list
            self.list.addItem(item)
        self._suit()
        places = [place for place, chat in enumerate(chats) if chat.id == open_id]
        self.list.setCurrentRow(places[0] if places else -1)
        self.list.blockSignals(False)
        self.none.setVisible(not chats)
        self.list.setVisible(bool(chats))
        self._on_row_changed()

    def _suit(self) -> None:
        """Two lines and some air for each, at today's size of text."""
        height = 2 * self.fontMetrics().lineSpacing() + 2 * GRID
        for place in range(self.list.count()):
            self.list.item(place).setSizeHint(QSize(0, height))

    def changeEvent(self, event: QEvent) -> None:
        """Another size of text needs other heights."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._suit()

    def _chosen(self) -> Chat | None:
        place = self.list.currentRow()
        return self._chats[place] if 0 <= place < len(self._chats) else None

    def _on_row_changed(self) -> None:
        self.delete.setEnabled(self._chosen() is not None)

    def _on_open(self) -> None:
        chat = self._chosen()
        if chat is not None:
            self.open_wanted.emit(chat)

    def _on_delete(self) -> None:
        chat = self._chosen()
        if chat is not None:
            self.delete_wanted.emit(chat)

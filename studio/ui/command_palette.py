"""Ctrl+K: every command of the window under one search field."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from studio.ui.theme import GRID


class Command:
    """A row of the palette; `enabled` is asked when the palette opens."""

    def __init__(
        self, text: str, run: Callable[[], object], keys: str = "", enabled: Callable[[], bool] = lambda: True
    ) -> None:
        self.text = text
        self.run = run
        self.keys = keys
        self.enabled = enabled


class CommandPalette(QDialog):
    """Type a few letters, Enter runs the chosen command. Only commands that do something now are listed."""

    def __init__(self, commands: list[Command], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(self.tr("Commands"))
        self._commands = [command for command in commands if command.enabled()]
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Type what you want to do"))
        self.field.setAccessibleName(self.tr("Find a command"))
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Commands"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._run)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(GRID, GRID, GRID, GRID)
        outer.addWidget(self.field)
        outer.addWidget(self.list)
        self.resize(520, 360)
        middle = parent.mapToGlobal(parent.rect().center())
        self.move(middle.x() - self.width() // 2, parent.mapToGlobal(parent.rect().topLeft()).y() + 72)
        self._filter("")
        self.field.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrow keys choose, Enter runs, while the cursor stays in the field."""
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.list.count():
                self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                item = self.list.currentItem()
                if item is not None:
                    self._run(item)
                return True
        return super().eventFilter(watched, event)

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        self.list.clear()
        for command in self._commands:
            if all(word in command.text.lower() for word in words):
                item = QListWidgetItem(f"{command.text}\t{command.keys}" if command.keys else command.text)
                item.setData(Qt.ItemDataRole.UserRole, command)
                item.setText(f"{command.text}   {command.keys}".rstrip())
                self.list.addItem(item)
        if not self.list.count():
            none = QListWidgetItem(self.tr("Nothing found for “{words}”.").format(words=text.strip()))
            none.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(none)
        self.list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem) -> None:
        command = item.data(Qt.ItemDataRole.UserRole)
        if isinstance(command, Command):  # the line that nothing was found does nothing
            self.close()
            command.run()

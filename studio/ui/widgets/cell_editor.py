"""Typing over a cell of the table: a small text field over it, large enough for a paragraph."""

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPlainTextEdit, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.ui.widgets.labels import plain_tip

_LINES = 6
_Index = QModelIndex | QPersistentModelIndex


class CellText(QPlainTextEdit):
    """Ctrl+Enter takes the text, Esc leaves it; both before the window's own shortcuts."""

    def event(self, event: QEvent) -> bool:
        """Ctrl+Enter is ours while the field is open."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _is_take(event):
            event.accept()
            return True
        return super().event(event)


class CellDelegate(QStyledItemDelegate):
    """Makes `CellText` editors; text goes through the model's EditRole whole."""

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:
        """A field over the cell."""
        editor = CellText(parent)
        editor.setTabChangesFocus(True)
        editor.setAccessibleName(self.tr("Text of the cell"))
        editor.setToolTip(plain_tip(self.tr("Ctrl+Enter keeps the text, Esc leaves it as it was.")))
        return editor

    def setEditorData(self, editor: QWidget, index: _Index) -> None:
        """The whole text, not the line that the cell shows."""
        if isinstance(editor, QPlainTextEdit):
            editor.setPlainText(index.data(Qt.ItemDataRole.EditRole) or "")
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:
        """Hand the text back."""
        if isinstance(editor, QPlainTextEdit):
            model.setData(index, editor.toPlainText(), Qt.ItemDataRole.EditRole)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:
        """Some lines high, and inside the table."""
        area = option.rect  # type: ignore[attr-defined]
        height = max(area.height(), _LINES * editor.fontMetrics().lineSpacing() + 16)
        parent = editor.parentWidget()
        top = area.top() if parent is None else max(0, min(area.top(), parent.height() - height))
        editor.setGeometry(QRect(area.left(), top, area.width(), height))

    def eventFilter(self, editor: object, event: QEvent) -> bool:
        """Ctrl+Enter commits."""
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        if isinstance(editor, CellText) and pressed and _is_take(event):  # type: ignore[arg-type]
            self.commitData.emit(editor)
            self.closeEditor.emit(editor)
            return True
        return super().eventFilter(editor, event)  # type: ignore[arg-type]


def _is_take(event: QKeyEvent) -> bool:
    control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
    return event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and bool(control)

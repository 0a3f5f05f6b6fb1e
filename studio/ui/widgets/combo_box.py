"""Combo boxes whose chosen entry can be read: wide enough for the longest where there is room, else told whole."""

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QToolTip

from studio.ui.widgets.labels import plain_tip


class ComboBox(QComboBox):
    """What does not fit is shortened with … and stands whole in the tooltip."""

    def natural_width(self) -> int:
        """Wide enough for the longest entry, in pixels."""
        longest = max((self.fontMetrics().horizontalAdvance(self.itemText(i)) for i in range(self.count())), default=0)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        inside = QSize(longest + 2, self.fontMetrics().height())
        whole = self.style().sizeFromContents(QStyle.ContentsType.CT_ComboBox, option, inside, self)
        return int(whole.width())

    def is_cut(self) -> bool:
        """Whether the chosen entry is wider than the room for it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        return self.fontMetrics().horizontalAdvance(self.currentText()) > room.width() - 2

    def tip(self) -> str:
        """The tooltip: begins with the chosen entry where that is cut."""
        own = self.toolTip()
        if not self.is_cut():
            return own
        whole = plain_tip(self.currentText()).removesuffix("</qt>")
        more = own if own.startswith("<qt>") else plain_tip(own)
        return f"{whole}<br>{more.removeprefix('<qt>').removesuffix('</qt>')}</qt>" if more else f"{whole}</qt>"

    def event(self, event: QEvent) -> bool:
        """A tooltip is put together when it is asked for."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.tip(), self)
            return True
        return super().event(event)

"""Tells of a run's end while the window is not in front: taskbar, and the system's notification where there is one."""

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from studio.contract import events
from studio.ui import icons, wording
from studio.ui.widgets.verdict_words import ending_words


class Notifications(QObject):
    """Belongs to the window; silent while that is active."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._tray: QSystemTrayIcon | None = None

    def run_ended(self, name: str, event: events.Finished | events.Failed) -> None:
        """A run finished or failed."""
        if self._window.isActiveWindow():
            return
        QApplication.alert(self._window)
        if not QSystemTrayIcon.isSystemTrayAvailable() or not QSystemTrayIcon.supportsMessages():
            return
        if self._tray is None:
            self._tray = QSystemTrayIcon(icons.program_icon(), self)
            self._tray.setToolTip(self._window.windowTitle())
            self._tray.activated.connect(self._on_clicked)
            self._tray.messageClicked.connect(self._on_clicked)
        self._tray.show()
        if isinstance(event, events.Failed):
            self._tray.showMessage(
                self.tr("{name} failed").format(name=name),
                wording.told(event.problem.what),
                QSystemTrayIcon.MessageIcon.Warning,
            )
        else:
            is_gone = event.reason == "discarded"
            self._tray.showMessage(
                (self.tr("{name} was thrown away") if is_gone else self.tr("{name} is done")).format(name=name),
                ending_words(event) or self.tr("{steps} steps. Open the window to compare.").format(steps=event.steps),
                QSystemTrayIcon.MessageIcon.Information,
            )

    def hide(self) -> None:
        """Take the tray icon away."""
        if self._tray is not None:
            self._tray.hide()

    def _on_clicked(self) -> None:
        self.hide()
        self._window.show()
        self._window.raise_()
        self._window.activateWindow()

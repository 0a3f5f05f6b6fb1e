"""Brings in the plot without holding up the window: pyqtgraph takes half a second to import, so a thread does it."""

import importlib
import threading

from PySide6.QtCore import QObject, QTimer, Signal

_PLOT = "studio.ui.widgets.loss_plot"
_POLL_MS = 30


class PlotLoading(QObject):
    """Import the plot's module in the background; `loaded` is emitted in the window's thread once it is there."""

    loaded = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.ready = False
        self._thread: threading.Thread | None = None
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._look)

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=importlib.import_module, args=(_PLOT,), daemon=True)
            self._thread.start()
            self._poll.start()

    def _look(self) -> None:
        if self._thread is not None and not self._thread.is_alive():
            self._poll.stop()
            self.ready = True
            self.loaded.emit()

"""Brings in the plot without holding up the window: NumPy and pyqtgraph take half a second, so a thread does it."""

import importlib
import threading

from PySide6.QtCore import QObject, QTimer, Signal

_MODULES = ("studio.ui.pages.train", "studio.ui.widgets.loss_plot")
_POLL_MS = 30


class _Shared:
    thread: threading.Thread | None = None


def warm_up() -> threading.Thread:
    """Import the plot's modules in the background, once for the whole program.

    They make no widget and no QObject while they are imported, so it need not be the window's thread.
    """
    if _Shared.thread is None:
        _Shared.thread = threading.Thread(target=_import_all, name="plot-loading", daemon=True)
        _Shared.thread.start()
    return _Shared.thread


def _import_all() -> None:
    for module in _MODULES:
        importlib.import_module(module)


class PlotLoading(QObject):
    """Tells by `loaded`, in the window's thread, that the plot can be made at once."""

    loaded = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._look)

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._thread is None:
            self._thread = warm_up()
            self._poll.start()

    def _look(self) -> None:
        if self._thread is not None and not self._thread.is_alive():
            self._poll.stop()
            self.loaded.emit()

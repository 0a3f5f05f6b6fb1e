"""Python's cyclic garbage collector, kept to the window's own thread.

Left alone it runs in whichever thread happens to allocate next, so also in one that follows a worker. There it frees
the Python half of a widget while Qt, on the window's thread and without Python's lock, may be deleting the other half,
and the program dies without a word. So nothing is collected but here, between two events.
"""

import gc

from PySide6.QtCore import QObject, QTimer

EVERY_MS = 500


class Collector(QObject):
    """Collects on the thread that made it, as often as Python's own thresholds ask for; Python no longer does.

    What lives when it is made counts as staying for good (`gc.freeze`): looking through all of the program's own code
    again and again would make the window wait.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        gc.freeze()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect the oldest generation that is due, and the younger ones with it."""
        generation = due(gc.get_count(), gc.get_threshold())
        if generation is not None:
            gc.collect(generation)


def due(counts: tuple[int, int, int], limits: tuple[int, int, int]) -> int | None:
    """The oldest generation whose count is over its limit; None where none is."""
    return max((place for place, count in enumerate(counts) if count > limits[place]), default=None)

"""What the user chose about the window itself. An ini file in the program's home, so each home has its own."""

from typing import Literal, cast

from PySide6.QtCore import QByteArray, QObject, QSettings, Signal

from studio.contract.run_folder import home_folder
from studio.ui.theme import Mode

Level = Literal["simple", "full"]
OnClose = Literal["ask", "keep", "stop"]
WhenMemoryEnds = Literal["ask", "go_on"]

MODES: tuple[Mode, ...] = ("system", "light", "dark")
TEXT_PERCENTS = (90, 100, 110, 125, 150)


class Preferences(QObject):
    """Read and written at once; `changed` names what is other now."""

    changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = QSettings(str(home_folder() / "window.ini"), QSettings.Format.IniFormat)

    @property
    def appearance(self) -> Mode:
        """system, light or dark."""
        return cast(Mode, self._choice("appearance", MODES))

    @appearance.setter
    def appearance(self, mode: Mode) -> None:
        self._put("appearance", mode)

    @property
    def text_percent(self) -> int:
        """Size of text, one of TEXT_PERCENTS."""
        try:
            value = int(str(self._file.value("text_percent", 100)))
        except ValueError:
            return 100
        return min(TEXT_PERCENTS, key=lambda known: abs(known - value))

    @text_percent.setter
    def text_percent(self, percent: int) -> None:
        self._put("text_percent", percent)

    @property
    def level(self) -> Level:
        """How much of the settings form is shown."""
        return cast(Level, self._choice("level", ("simple", "full")))

    @level.setter
    def level(self, level: Level) -> None:
        self._put("level", level)

    @property
    def on_close(self) -> OnClose:
        """What happens to a run when the window is closed."""
        return cast(OnClose, self._choice("on_close", ("ask", "keep", "stop")))

    @on_close.setter
    def on_close(self, answer: OnClose) -> None:
        self._put("on_close", answer)

    @property
    def when_memory_ends(self) -> WhenMemoryEnds:
        """What happens to a run whose memory ran out."""
        return cast(WhenMemoryEnds, self._choice("when_memory_ends", ("ask", "go_on")))

    @when_memory_ends.setter
    def when_memory_ends(self, answer: WhenMemoryEnds) -> None:
        self._put("when_memory_ends", answer)

    @property
    def geometry(self) -> QByteArray:
        """Place and size of the window at its last end; empty at the first start."""
        value = self._file.value("geometry")
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, geometry: QByteArray) -> None:
        self._put("geometry", geometry)

    def _choice(self, key: str, known: tuple[str, ...]) -> str:
        value = self._file.value(key, known[0])
        return value if value in known else known[0]

    def _put(self, key: str, value: object) -> None:
        self._file.setValue(key, value)
        self._file.sync()
        self.changed.emit(key)


_shared: dict[str, Preferences] = {}


def shared() -> Preferences:
    """The one object for the program's home of now; whoever wants to hear of changes connects to it."""
    home = str(home_folder())
    if home not in _shared:
        _shared[home] = Preferences()
    return _shared[home]

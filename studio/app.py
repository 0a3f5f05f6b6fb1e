"""Opens the window. Nothing heavy happens before it stands: pages and their libraries come when they are wanted."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from studio import __version__
from studio.contract import installed

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QApplication, QWidget

WARM_UP_MS = 700
"""The window stands and answers; then what the Train page needs is imported in the background."""

HELP = """usage: apprentice-studio [--version] [--help] [FILE or FOLDER ...]

Opens the window of Apprentice Studio; what is named is opened in it as if it were dropped there: files of examples, a
model's folder, a run, an update note. The same jobs without a window: apprentice --help
Data, runs and chats lie in the folder that the variable APPRENTICE_HOME names, else in the user's data folder.

  --plot RUN PICTURE   draw the loss of a run as PNG or SVG, without a window
  --time-start         open, print the system's clock in seconds when the window answers, and close: a measurement
"""


def main(argv: list[str] | None = None, on_ready: Callable[[], object] | None = None) -> int:
    """Run the program until its window is closed; gives the exit code.

    Args:
        argv: The command line without the program's name.
        on_ready: Called once the window is painted and answers (benchmarks/startup.py).
    """
    installed.leave_freezer()
    arguments = sys.argv[1:] if argv is None else argv
    if "--version" in arguments:
        print(f"Apprentice Studio {__version__}")
        return 0
    if "--help" in arguments or "-h" in arguments:
        print(HELP, end="")
        return 0
    if arguments[:1] == ["--plot"] and len(arguments) == 3:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from studio.ui import plot_file

        return plot_file.main(arguments[1:])
    timing = arguments == ["--time-start"]
    paths = [] if timing else arguments
    unknown = next((word for word in paths if word.startswith("-")), None)
    if unknown is not None:
        print(f"apprentice-studio: unknown option {unknown!r}; see --help.", file=sys.stderr)
        return 2
    if not _has_display():
        print(
            "There is no display here, so no window can open (neither DISPLAY nor WAYLAND_DISPLAY is set).\n"
            "The same jobs work without a window: apprentice --help",
            file=sys.stderr,
        )
        return 2
    return _run(_tell_time if timing else on_ready, [Path(path).absolute() for path in paths])


def _tell_time() -> None:
    print(time.monotonic(), flush=True)
    from PySide6.QtWidgets import QApplication

    from studio.ui.main_window import MainWindow

    for window in QApplication.topLevelWidgets():
        if isinstance(window, MainWindow):
            window.close_without_asking()


def _has_display() -> bool:
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM", "xcb").split(":")[0] in (
        "offscreen",
        "vnc",
        "minimal",
    ):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _run(on_ready: Callable[[], object] | None, paths: list[Path]) -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from studio.contract.errors import StudioError
    from studio.contract.offline import stay_offline
    from studio.contract.private_files import keep_private
    from studio.supervisor.workplace import Workplace
    from studio.ui import drop_routing, failures, theme
    from studio.ui.collector import Collector
    from studio.ui.main_window import MainWindow
    from studio.ui.preferences import shared
    from studio.ui.widgets import plot_loading

    keep_private()  # chats, datasets and settings are nobody else's
    stay_offline()
    application = QApplication(sys.argv[:1])
    application.setApplicationName("apprentice-studio")
    application.setApplicationDisplayName("Apprentice Studio")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("apprentice-studio")
    try:
        preferences = shared()
        theme.apply(application, preferences.appearance, preferences.text_percent)
        workplace = Workplace()
        window = MainWindow(workplace, preferences)
    except (StudioError, OSError) as error:  # the program's folder cannot be used: there is no window to say it in
        return _refuse(application, error)
    failures.show_unexpected(workplace)
    watch = _close_on_interrupt(window.close_without_asking)

    def begin() -> None:
        try:
            workplace.open()
        except (StudioError, OSError) as error:
            workplace.problem_raised.emit(failures.problem_of(error))
        if paths:
            window.take(drop_routing.route_all(paths))
        if on_ready is not None:
            QTimer.singleShot(0, on_ready)
        QTimer.singleShot(WARM_UP_MS, plot_loading.warm_up)
        Collector(application)

    paint = _after_first_paint(window, begin)
    window.show()
    code = application.exec()
    del watch, paint
    return code


def _refuse(application: "QApplication", error: Exception) -> int:
    """Say why no window opens, to those who look at the screen and to those who look at the terminal."""
    from studio.ui import failures, theme

    problem = failures.problem_of(error)
    print(problem.sentence(), file=sys.stderr, flush=True)
    theme.apply(application, "system", 100)  # the chosen one lies in the folder that cannot be read
    failures.StartRefused(problem).exec()
    return 2


def _after_first_paint(window: "QWidget", begin: Callable[[], None]) -> "QObject":
    """Calls `begin` when the window has been drawn for the first time."""
    from PySide6.QtCore import QEvent, QObject, QTimer

    class FirstPaint(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                window.removeEventFilter(self)
                QTimer.singleShot(0, begin)
            return False

    made = FirstPaint()
    window.installEventFilter(made)
    return made


def _close_on_interrupt(close: object) -> object:
    """Ctrl+C in the terminal closes the window as a user would, leaving a run in the background."""
    from PySide6.QtCore import QSocketNotifier

    def on_signal(number: int, frame: FrameType | None) -> None:
        if callable(close):
            close()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    if os.name == "nt":
        return None
    # Python runs a signal's handler between two of its own lines: a byte in this pipe gives it one.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    notifier = QSocketNotifier(reader, QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda *_: os.read(reader, 64))
    return notifier

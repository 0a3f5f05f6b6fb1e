"""Every keyboard shortcut of the window, once: the window binds them, Settings and Help list them."""

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication
from PySide6.QtGui import QKeySequence

from studio.ui.pages import PAGES


class Shortcut:
    """One command: `keys` are alternatives, the first one is shown."""

    def __init__(self, name: str, text: str, *keys: str) -> None:
        self.name = name
        self.source_text = text
        self.keys = keys

    @property
    def text(self) -> str:
        """What it does, in the user's language."""
        return QCoreApplication.translate("shortcuts", self.source_text)

    @property
    def shown(self) -> str:
        """The keys as this system writes them."""
        return QKeySequence(self.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)


SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("import", str(QT_TRANSLATE_NOOP("shortcuts", "Import a dataset…")), "Ctrl+O"),
    Shortcut(
        "start",
        str(QT_TRANSLATE_NOOP("shortcuts", "Start training, or send the message")),
        "Ctrl+Return",
        "Ctrl+Enter",
    ),
    Shortcut("pause", str(QT_TRANSLATE_NOOP("shortcuts", "Pause or resume the run")), "Ctrl+P"),
    Shortcut("stop", str(QT_TRANSLATE_NOOP("shortcuts", "Stop the run…")), "Ctrl+Shift+S"),
    Shortcut("find", str(QT_TRANSLATE_NOOP("shortcuts", "Search the settings, or the page")), "Ctrl+F"),
    Shortcut("palette", str(QT_TRANSLATE_NOOP("shortcuts", "Find a command")), "Ctrl+K"),
    Shortcut("help", str(QT_TRANSLATE_NOOP("shortcuts", "Help for what has the focus")), "F1"),
    Shortcut("next_pane", str(QT_TRANSLATE_NOOP("shortcuts", "Next area of the window")), "F6"),
    Shortcut("previous_pane", str(QT_TRANSLATE_NOOP("shortcuts", "Previous area of the window")), "Shift+F6"),
    Shortcut("escape", str(QT_TRANSLATE_NOOP("shortcuts", "Close a message or a search")), "Esc"),
    Shortcut("quit", str(QT_TRANSLATE_NOOP("shortcuts", "Close the window")), "Ctrl+Q"),
)


def all_rows() -> list[tuple[str, str]]:
    """(what it does, keys) of every shortcut, pages first, for the lists in Settings and Help."""
    show = QCoreApplication.translate("shortcuts", "Show {page}")
    pages = [
        (show.format(page=row.text), QKeySequence(row.shortcut).toString(QKeySequence.SequenceFormat.NativeText))
        for row in PAGES.values()
    ]
    return pages + [(shortcut.text, shortcut.shown) for shortcut in SHORTCUTS]

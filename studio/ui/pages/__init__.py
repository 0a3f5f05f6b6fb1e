"""The pages, in the order of the rail. A row is all that the window knows of a page before it is opened."""

from importlib import import_module
from typing import cast

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication
from PySide6.QtWidgets import QWidget

from studio.supervisor.workplace import Workplace
from studio.ui.pages.page import Page


class PageRow:
    """One page: where its class is, and how the rail shows it.

    Attributes:
        label: Translatable word.
        icon: File in resources/icons.
        module, class_name: Imported when the page is first wanted, so that the window opens at once.
        shortcut: Key sequence that shows it.
    """

    def __init__(self, label: str, icon: str, module: str, class_name: str, shortcut: str) -> None:
        self.label = label
        self.icon = icon
        self.module = module
        self.class_name = class_name
        self.shortcut = shortcut

    @property
    def text(self) -> str:
        """The word in the user's language."""
        return QCoreApplication.translate("pages", self.label)

    def load(self, workplace: Workplace, parent: QWidget | None = None) -> Page:
        """Import the module and make the page."""
        made = getattr(import_module(f"studio.ui.pages.{self.module}"), self.class_name)(workplace, parent)
        return cast(Page, made)


PAGES: dict[str, PageRow] = {
    "home": PageRow(str(QT_TRANSLATE_NOOP("pages", "Home")), "home", "home", "HomePage", "Ctrl+1"),
    "data": PageRow(str(QT_TRANSLATE_NOOP("pages", "Data")), "data", "data", "DataPage", "Ctrl+2"),
    "models": PageRow(str(QT_TRANSLATE_NOOP("pages", "Models")), "models", "models", "ModelsPage", "Ctrl+3"),
    "train": PageRow(str(QT_TRANSLATE_NOOP("pages", "Train")), "train", "train", "TrainPage", "Ctrl+4"),
    "runs": PageRow(str(QT_TRANSLATE_NOOP("pages", "Runs")), "runs", "runs", "RunsPage", "Ctrl+5"),
    "chat": PageRow(str(QT_TRANSLATE_NOOP("pages", "Chat")), "chat", "chat", "ChatPage", "Ctrl+6"),
    "export": PageRow(str(QT_TRANSLATE_NOOP("pages", "Export")), "export", "export", "ExportPage", "Ctrl+7"),
    "settings": PageRow(str(QT_TRANSLATE_NOOP("pages", "Settings")), "settings", "settings", "SettingsPage", "Ctrl+8"),
}

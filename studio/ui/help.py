"""The help window: every page and every setting, offline, found by words or from where the focus is (F1)."""

from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from studio.ui import help_pages, theme
from studio.ui.theme import GRID
from studio.ui.widgets.closed_browser import ClosedBrowser
from studio.ui.widgets.search_field import SearchField


class HelpWindow(QDialog):
    """Stays open beside the main window; Esc closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Help"))
        self._titles = help_pages.topics()
        self.search = SearchField(self.tr("Search the help"))
        self.search.textChanged.connect(self._filter)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Topics"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._on_chosen)
        self.view = ClosedBrowser()  # the only links are to other topics
        self.view.anchorClicked.connect(self._on_link)
        self.view.setAccessibleName(self.tr("Help text"))
        left = QVBoxLayout()
        left.setSpacing(GRID)
        left.addWidget(self.search)
        left.addWidget(self.list, 1)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        outer.setSpacing(2 * GRID)
        outer.addLayout(left, 2)
        outer.addWidget(self.view, 3)
        self.resize(960, 640)
        self._filter("")
        theme.changes().theme_changed.connect(self._show_again)

    @property
    def topic(self) -> str:
        """What is shown."""
        return _topic(self.list.currentItem())

    def show_topic(self, topic: str) -> None:
        """Open the window at a topic."""
        self.search.clear()
        for row in range(self.list.count()):
            if _topic(self.list.item(row)) == topic:
                self.list.setCurrentRow(row)
        self.show()
        self.raise_()
        self.activateWindow()
        self.list.setFocus()

    def _filter(self, words: str) -> None:
        wanted = words.lower().split()
        kept = self.topic or help_pages.START
        self.list.clear()
        for topic, title in self._titles.items():
            if wanted and not _found(wanted, f"{title} {help_pages.text(topic)}"):
                continue
            item = QListWidgetItem(title)
            item.setData(Qt.ItemDataRole.UserRole, topic)
            self.list.addItem(item)
            if topic == kept:
                self.list.setCurrentItem(item)
        if self.list.currentRow() < 0:
            self.list.setCurrentRow(0)

    def _on_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.view.setMarkdown(help_pages.text(_topic(item)))

    def _on_link(self, link: QUrl) -> None:
        if link.scheme() == "help":
            self.show_topic(link.path())

    def _show_again(self) -> None:
        self._on_chosen(self.list.currentItem())


def topic_of(focus: QWidget | None, page: str) -> str:
    """The setting that has the focus, else what the nearest widget names as its topic, else the page."""
    known = help_pages.topics()
    while focus is not None:
        named = focus.property("help_topic")
        if isinstance(named, str) and named:
            for topic in (help_pages.SETTING + named, named):
                if topic in known:
                    return topic
        focus = focus.parentWidget()
    return page


def _topic(item: QListWidgetItem | None) -> str:
    return str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else ""


def _found(words: list[str], text: str) -> bool:
    lowered = text.lower()
    return all(word in lowered for word in words)

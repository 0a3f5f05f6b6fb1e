"""Settings of the window itself. How a run trains is set on the Train page."""

from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QGridLayout, QRadioButton, QVBoxLayout, QWidget

from studio import __version__
from studio.contract.run_folder import home_folder
from studio.data import support_report
from studio.supervisor.workplace import Workplace
from studio.ui import preferences as window_preferences
from studio.ui import shortcuts, wording
from studio.ui.pages.page import Page
from studio.ui.preferences import TEXT_PERCENTS
from studio.ui.report_dialog import ReportDialog
from studio.ui.storage import FolderSizes
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import ScrollColumn, Section, row
from studio.ui.widgets.setting_editors import CalmComboBox
from studio.ui.widgets.this_pc import ThisPc
from studio.ui.widgets.update_section import UpdateSection

_WITH_CONTROLS = ("appearance", "level", "closing", "memory", "storage", "support", "updates")


class SettingsPage(Page):
    """Appearance, level, closing, storage, hardware, privacy, support, updates, shortcuts."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self._preferences = window_preferences.shared()
        self._scroll = ScrollColumn(widest=800)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)
        self.this_pc = ThisPc(detailed=True)
        self.updates = UpdateSection()
        self.sections: dict[str, Section] = {
            "appearance": self._appearance(),
            "level": self._level(),
            "closing": self._closing(),
            "memory": self._memory(),
            "storage": self._storage(),
            "hardware": self.this_pc,
            "privacy": self._privacy(),
            "support": self._support(),
            "updates": self.updates,
            "shortcuts": self._shortcuts(),
        }
        for section in self.sections.values():
            self._scroll.body.addWidget(section)
        self._scroll.body.addWidget(label(self.tr("Apprentice Studio {version}").format(version=__version__), "muted"))
        self._scroll.body.addStretch(1)
        self._preferences.changed.connect(self._on_preference_changed)
        workplace.device_reported.connect(self.this_pc.show_report)
        if workplace.device is not None:
            self.this_pc.show_report(workplace.device)
        self._on_preference_changed("")

    def on_shown(self) -> None:
        """Sizes are counted anew."""
        self._sizes.count()

    def show_section(self, name: str) -> None:
        """Scroll to a section."""
        self._scroll.show_top_of(self.sections[name])

    def check_update(self, path: Path) -> None:
        """Say what an update note means for this program."""
        self.show_section("updates")
        self.updates.check(path)

    def panes(self) -> list[QWidget]:
        """The sections that hold controls."""
        return [self.sections[name] for name in _WITH_CONTROLS]

    def close_services(self) -> None:
        """Stop counting and reading."""
        self._sizes.stop()
        self.updates.stop()

    # --- sections ---------------------------------------------------------------------------------------

    def _appearance(self) -> Section:
        section = Section(self.tr("Appearance"))
        words = {"system": self.tr("As the system"), "light": self.tr("Light"), "dark": self.tr("Dark")}
        self._modes, modes = _radio_row(words, self.tr("Theme"))
        for name, button in self._modes.items():
            button.clicked.connect(lambda _=False, name=name: setattr(self._preferences, "appearance", name))
        section.add(modes)
        self._text_size = CalmComboBox()
        for percent in TEXT_PERCENTS:
            self._text_size.addItem(f"{percent} %", percent)
        self._text_size.setAccessibleName(self.tr("Text size"))
        self._text_size.activated.connect(self._on_text_size)
        words_label = label(self.tr("Text size"))
        words_label.setBuddy(self._text_size)
        section.add(row(words_label, self._text_size, 1))
        return section

    def _level(self) -> Section:
        section = Section(
            self.tr("Level"),
            self.tr("How many training settings are shown. A search finds all of them at either level."),
        )
        words = {"simple": self.tr("Simple: the few that matter most"), "full": self.tr("Full: every setting")}
        self._levels, levels = _radio_row(words, self.tr("Level"))
        for name, button in self._levels.items():
            button.clicked.connect(lambda _=False, name=name: setattr(self._preferences, "level", name))
        section.add(levels)
        return section

    def _closing(self) -> Section:
        section = Section(
            self.tr("Closing the window during a run"),
            self.tr(
                "If the window ends unexpectedly, a run goes on in the background; with “stop and save” it stops at "
                "its next checkpoint instead."
            ),
        )
        words = {
            "ask": self.tr("Ask"),
            "keep": self.tr("Keep training in the background"),
            "stop": self.tr("Stop and save first"),
        }
        self._closings, closings = _radio_row(words, self.tr("Closing the window during a run"))
        for name, button in self._closings.items():
            button.clicked.connect(lambda _=False, name=name: setattr(self._preferences, "on_close", name))
        section.add(closings)
        return section

    def _memory(self) -> Section:
        section = Section(
            self.tr("When memory runs out during a run"),
            self.tr(
                "The run ends, and what would need less memory is proposed: fewer examples at once, computing twice, "
                "a compressed model. It can make those changes by itself and go on from its last checkpoint."
            ),
        )
        words = {
            "ask": self.tr("Ask what to change"),
            "go_on": self.tr("Change what is needed and go on by itself"),
        }
        self._memories, memories = _radio_row(words, self.tr("When memory runs out during a run"))
        for name, button in self._memories.items():
            button.clicked.connect(lambda _=False, name=name: setattr(self._preferences, "when_memory_ends", name))
        section.add(memories)
        return section

    def _storage(self) -> Section:
        section = Section(self.tr("Storage"), self.tr("Everything that the program keeps lies in this folder."))
        home = home_folder()
        section.add(label(str(home), "mono", wrap=True, selectable=True))
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setColumnStretch(2, 1)
        self._size_labels = {}
        names = {
            "runs": self.tr("Runs"),
            "datasets": self.tr("Imported data"),
            "chats": self.tr("Chats"),
            "jobs": self.tr("Short jobs (emptied at each start)"),
        }
        for index, (name, words) in enumerate(names.items()):
            self._size_labels[name] = label(self.tr("counting…"), "muted")
            grid.addWidget(label(words), index, 0)
            grid.addWidget(self._size_labels[name], index, 1)
        section.add(grid)
        self._sizes = FolderSizes({name: home / name for name in names}, self)
        self._sizes.counted.connect(self._on_counted)
        section.add(row(buttons.secondary(self.tr("Open folder"), _open_home, "folder"), 1))
        return section

    def _privacy(self) -> Section:
        section = Section(self.tr("Privacy: offline unless you download a model"))
        for sentence in (
            self.tr("The window and the trainer open no network connection and listen for none."),
            self.tr("The starter model and the sample are part of the program; other models and data come from folders "
                    "and files that you choose."),
            self.tr("Only \"Download from Hugging Face…\" on the Models page connects: to the place it names, for the "
                    "model you name, in a process of its own that ends with it."),
            self.tr("Nothing is sent: there are no accounts, no usage figures and no error reports. A report that you "
                    "copy goes to the clipboard, and nowhere else."),
            self.tr("The libraries that could go online are started in their offline mode."),
        ):  # fmt: skip
            section.add(label(sentence, wrap=True))
        return section

    def _support(self) -> Section:
        section = Section(
            self.tr("When something goes wrong"),
            self.tr(
                "A report says what is installed, what this computer offers and how the last runs ended. You read it "
                "first; it is saved as a file that you can give to whoever helps you."
            ),
        )
        section.add(row(buttons.secondary(self.tr("Save a report for support…"), self.show_report, "file"), 1))
        return section

    def show_report(self) -> None:
        """Show what a report would hold; it is saved from there."""
        report = support_report.pieces(self.workplace.device, self.workplace.runs())
        dialog = ReportDialog(report, self)
        dialog.saved.connect(self._on_report_saved)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_report_saved(self, path: Path) -> None:
        self.workplace.told.emit(self.tr("Saved {name}.").format(name=path.name))

    def _shortcuts(self) -> Section:
        section = Section(self.tr("Shortcuts"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * GRID)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        for index, (words, keys) in enumerate(shortcuts.all_rows()):
            grid.addWidget(label(keys, "strong"), index, 0)
            grid.addWidget(label(words), index, 1)
        section.add(grid)
        return section

    # --- changes ----------------------------------------------------------------------------------------

    def _on_text_size(self) -> None:
        self._preferences.text_percent = self._text_size.currentData()

    def _on_preference_changed(self, _: str) -> None:
        self._modes[self._preferences.appearance].setChecked(True)
        self._levels[self._preferences.level].setChecked(True)
        self._closings[self._preferences.on_close].setChecked(True)
        self._memories[self._preferences.when_memory_ends].setChecked(True)
        self._text_size.setCurrentIndex(self._text_size.findData(self._preferences.text_percent))

    def _on_counted(self, name: str, size_bytes: int) -> None:
        self._size_labels[name].setText(wording.size(size_bytes))


def _radio_row(words: dict[str, str], name: str) -> tuple[dict[str, QRadioButton], QVBoxLayout]:
    column = QVBoxLayout()
    column.setSpacing(GRID)
    made: dict[str, QRadioButton] = {}
    group: QButtonGroup | None = None
    for key, text in words.items():
        button = QRadioButton(text)
        button.setAccessibleName(f"{name}: {text}")
        group = group or QButtonGroup(button)
        group.addButton(button)
        made[key] = button
        column.addWidget(button)
    if group is not None:
        group.buttonToggled.connect(_reach_the_chosen)
    return made, column


def _reach_the_chosen(toggled: QAbstractButton) -> None:
    """Tab leads to the choice that is made, not to the first one: Qt sees to it only once one of them has the focus."""
    for button in toggled.group().buttons():
        chosen = button.isChecked()
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus if chosen else Qt.FocusPolicy.ClickFocus)


def _open_home() -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(home_folder())))

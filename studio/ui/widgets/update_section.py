"""Updates, on the Settings page: the user opens a signed note; nothing is fetched and nothing is installed."""

from collections.abc import Generator
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFileDialog, QWidget

from studio.contract.errors import StudioError
from studio.data import update_note
from studio.data.update_note import Installer, Told
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.section import Section, row

TURN_MS = 0
"""Between two pieces of an installer: whatever else waits comes first."""


class UpdateSection(Section):
    """A button, and what the note says: newer or not, what is new, whether the installer beside it is genuine."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setAccessibleName(self.tr("Updates"))
        self.title_label.setText(self.tr("Updates"))
        self.title_label.show()
        self.set_hint(
            self.tr(
                "The program never looks for updates by itself. Open the update note that came with a newer version: "
                "its signature says whether it is genuine."
            )
        )
        self.open_button = buttons.secondary(self.tr("Check for updates in a file…"), self._choose, "file")
        self.message = MessageBar(closable=False)
        self.changes = label("", wrap=True, selectable=True)
        self.changes.hide()
        self.add(row(self.open_button, 1))
        self.add(self.message)
        self.add(self.changes)
        self._told: Told | None = None
        self._waiting: list[Installer] = []
        self._reading: Generator[float, None, bool] | None = None
        self._folder = Path()
        self._turn = QTimer(self)
        self._turn.setInterval(TURN_MS)
        self._turn.timeout.connect(self._on_turn)

    @property
    def reading(self) -> bool:
        """Whether an installer beside the note is still being read."""
        return self._turn.isActive()

    def check(self, path: Path) -> None:
        """Read a note and say what it means; an installer beside it is read, a piece at a time."""
        self.stop()
        self.changes.hide()
        try:
            told = update_note.check(path)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self._told, self._folder, self._waiting = told, path.parent, list(told.beside)
        if self._waiting:
            self._turn.start()
        else:
            self._show(told)

    def stop(self) -> None:
        """Give up reading."""
        self._turn.stop()
        self._reading = None

    def _on_turn(self) -> None:
        if self._told is None or not self._waiting:
            self.stop()
            return
        one = self._waiting[0]
        if self._reading is None:
            self._reading = update_note.compare(self._folder, one)
        try:
            share = next(self._reading)
        except StopIteration as end:
            self._reading = None
            self._waiting.pop(0)
            if not end.value:
                self.stop()
                self.message.show_problem(update_note.damaged(one.name).problem)
            elif not self._waiting:
                self.stop()
                self._show(self._told)
            return
        except StudioError as error:
            self.stop()
            self.message.show_problem(error.problem)
            return
        words = self.tr("Reading {name}: {percent} %").format(name=one.name, percent=round(100 * share))
        self.message.show_text("info", words)

    def _show(self, told: Told) -> None:
        note = told.note
        if not told.newer:
            words = self.tr("There is nothing to do: the note tells of version {version}, and this is {mine}.")
            self.message.show_text("success", words.format(version=note.version, mine=told.mine))
            return
        what = self.tr("Version {version} of {date} is newer than this one ({mine}). The note is genuine.")
        fix = self.tr("Close the program and install it; runs, models, data and chats stay.")
        if told.beside:
            why = self.tr("{names} beside it is genuine, too.").format(names=", ".join(one.name for one in told.beside))
        else:
            wanted = update_note.for_this_program(note)[:1]
            why = "".join(
                self.tr("The file for this computer: {name} ({size}).").format(
                    name=one.name, size=wording.size(one.size_bytes)
                )
                for one in wanted
            )
        self.message.show_text("info", what.format(version=note.version, date=note.date, mine=told.mine), why, fix)
        self.changes.setText("\n".join(f"• {change}" for change in note.changes))
        self.changes.setVisible(bool(note.changes))

    def _choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Open an update note"),
            "",
            self.tr("Update notes ({pattern})").format(pattern=f"*{update_note.SUFFIX}"),
        )
        if chosen:
            self.check(Path(chosen))

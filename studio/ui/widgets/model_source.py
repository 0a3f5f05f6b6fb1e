"""Models that were found in a folder: which of them are added, and whether they stay there or are copied."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QFrame, QProgressBar, QRadioButton, QVBoxLayout, QWidget

from studio.contract.events import FoundModel, ModelsFound, Progress
from studio.contract.run_folder import models_folder
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.section import Section, clear_layout, row

MOST_SHOWN = 30


class ModelSource(Section):
    """Hidden until something was found.

    Attributes:
        add_wanted: (list of folders, whether they are copied).
    """

    add_wanted = Signal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Found here"), parent=parent)
        self.boxes: list[QCheckBox] = []
        self._found = QVBoxLayout()
        self._found.setSpacing(GRID // 2)
        self.stay_radio = QRadioButton(self.tr("Use them where they are"))
        self.stay_radio.setChecked(True)
        self.copy_radio = QRadioButton("")
        group = QButtonGroup(self)
        group.addButton(self.stay_radio)
        group.addButton(self.copy_radio)
        hint = self.tr("On a USB stick: copy them, or leave the stick in while they are used.")
        self.room = label("", "warning", wrap=True)
        self.add_button = buttons.primary(self.tr("Add"), self._on_add, "plus")
        self.cancel = buttons.secondary(self.tr("Cancel"), self.hide)
        self.add(self._found)
        self.add(self.stay_radio)
        self.add(self.copy_radio)
        self.add(label(hint, "muted", wrap=True))
        self.add(self.room)
        self.add(row(self.add_button, self.cancel, 1))
        self.copy_radio.toggled.connect(self._show_state)
        self.hide()

    def offer(self, seen: ModelsFound) -> None:
        """Show what lies in a folder."""
        clear_layout(self._found)
        self.boxes = []
        place, found = Path(seen.place), seen.models
        for model in found[:MOST_SHOWN]:
            size = (wording.size(model.weight_bytes),) if model.weight_bytes else ()
            box = QCheckBox("  ·  ".join((_shown_name(Path(model.path), place, found), *size)))
            box.setToolTip(plain_tip(model.path))
            # A folder that was named alone is added as asked: its card says why it cannot be used, and what to do.
            box.setChecked(model.problem is None or len(found) == 1)
            box.setProperty("folder", model.path)
            box.setProperty("weight_bytes", model.weight_bytes)
            box.toggled.connect(self._show_state)
            self.boxes.append(box)
            said = wording.told_problem(model.problem).what if model.problem is not None else ""
            box.setAccessibleDescription(said)
            line = row(box, label(said, "warning", wrap=True), spacing=2 * GRID)
            line.setStretch(1, 1)
            self._found.addLayout(line)
        if len(found) > MOST_SHOWN:
            words = self.tr("and {count} more; choose a folder nearer to what you want.")
            self._found.addWidget(label(words.format(count=wording.number(len(found) - MOST_SHOWN)), "muted"))
        self._show_state()
        self.show()

    def chosen(self) -> list[Path]:
        """The folders that are to be added."""
        return [Path(str(box.property("folder"))) for box in self.boxes if box.isChecked()]

    def _show_state(self) -> None:
        size = sum(int(box.property("weight_bytes")) for box in self.boxes if box.isChecked())
        free = shutil.disk_usage(models_folder()).free
        words = self.tr("Copy them to this computer ({size}; {free} are free)")
        self.copy_radio.setText(words.format(size=wording.size(size), free=wording.size(free)))
        lacks = self.copy_radio.isChecked() and size > free
        self.room.setText(self.tr("The disk has no room for a copy.") if lacks else "")
        self.room.setVisible(lacks)
        self.add_button.setEnabled(bool(self.chosen()) and not lacks)

    def _on_add(self) -> None:
        self.hide()
        self.add_wanted.emit(self.chosen(), self.copy_radio.isChecked())


def _shown_name(path: Path, place: Path, found: Sequence[FoundModel]) -> str:
    """The folder's name; of the Hugging Face cache the model's, with the revision where several are there."""
    if path.parent.name == "snapshots":
        name = path.parent.parent.name.removeprefix("models--").replace("--", "/")
        several = sum(Path(model.path).parent == path.parent for model in found) > 1
        return f"{name}  ·  {path.name[:7]}" if several else name
    return path.name if path == place else str(path.relative_to(place))


class AddingProgress(QFrame):
    """A model that is being added: which, how far, and Cancel. `cancel_wanted`: the button was clicked."""

    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.stage = label("", "muted", wrap=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress of adding the model"))
        self.cancel = buttons.secondary(self.tr("Cancel"), self.cancel_wanted.emit, "close")
        self.cancel.setAccessibleName(self.tr("Add no more models"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        outer.setSpacing(GRID // 2)
        line = row(self.bar, self.cancel)
        line.setStretch(0, 1)
        outer.addWidget(self.stage)
        outer.addLayout(line)
        self.hide()

    def show_adding(self, name: str, waiting: int, host: str = "") -> None:
        """Which model is added now, "" when none is; `host`: where it is fetched from."""
        self.setVisible(bool(name))
        if name:
            words = self.tr("Adding {name}…").format(name=name)
            if host:
                words = self.tr("Fetching {name} from {host}…").format(name=name, host=host)
            more = self.tr("{count} more after it").format(count=wording.number(waiting)) if waiting else ""
            self.stage.setText("  ·  ".join(part for part in (words, more) if part))
            self.bar.setRange(0, 0)

    def show_looking(self, place: str, folders: int) -> None:
        """A folder that is looked through, "" when none is."""
        self.setVisible(bool(place))
        words = self.tr("Looking for models in {place}  ·  folders seen: {count}")
        self.stage.setText(words.format(place=place, count=wording.number(folders)) if place else "")
        self.bar.setRange(0, 0)

    def show_progress(self, name: str, progress: Progress) -> None:
        """How far it is."""
        amount = ""
        if progress.total:
            amount = self.tr("{done} of {total}").format(
                done=wording.size(progress.done), total=wording.size(progress.total)
            )
            self.bar.setRange(0, 1000)  # 32-bit integers are all that QProgressBar has
            self.bar.setValue(min(1000, 1000 * progress.done // progress.total))
        self.stage.setText("  ·  ".join(part for part in (name, wording.told(progress.stage), amount) if part))

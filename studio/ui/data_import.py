"""Importing, as the Data page does it: choosing files, progress, what to do when it fails, and once more."""

from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from studio.contract.errors import Problem
from studio.contract.events import Failed, Imported, Inspected
from studio.contract.job import ImportJob, Mapping
from studio.data.formats import SUFFIXES
from studio.data.turn_order import is_offered
from studio.supervisor.workplace import Workplace
from studio.ui.data_desk import DataDesk
from studio.ui.widgets.hand_mapping import HandMapping
from studio.ui.widgets.import_progress import ImportProgress
from studio.ui.widgets.message import Action, MessageBar

_TO_MAP_BY_HAND = ("data.no_mapping", "data.no_usable_rows", "data.preference_not_supported", "data.mapping_")
"""Codes (or their beginnings) after which the user can still choose the columns."""


class DataImport(QObject):
    """Wires the page's widgets for importing to the workplace.

    Attributes:
        message, progress, by_hand: The widgets; the page lays them out.
        dataset_wanted: Show the chosen dataset (again).
        by_hand_wanted: Show the choosing of columns.
        busy_changed: An import began or ended.
        question_changed: Whether changes may be dropped is being asked, or was answered.
        asking: It is being asked: what is chosen above the rows is not what they were made by.
    """

    dataset_wanted = Signal()
    by_hand_wanted = Signal()
    busy_changed = Signal()
    question_changed = Signal()

    def __init__(self, workplace: Workplace, desk: DataDesk, page: QWidget) -> None:
        super().__init__(page)
        self._workplace, self._desk, self._page = workplace, desk, page
        self._inspected: Inspected | None = None
        self.asking = False
        self.message = MessageBar()
        self.message.changed.connect(self._on_message_changed)
        self.progress = ImportProgress()
        self.by_hand = HandMapping()
        self._earlier: Mapping | None = None  # of the window before, for the file that is being read anew
        self.progress.cancel_wanted.connect(self._on_cancel_wanted)
        self.by_hand.mapping_chosen.connect(self._on_mapped_by_hand)
        self.by_hand.sheet_chosen.connect(self._on_sheet_chosen)
        self.by_hand.other_file_wanted.connect(self.browse)
        self.by_hand.left.connect(self._leave_by_hand)
        workplace.import_started.connect(self._on_import_started)
        workplace.import_progressed.connect(self._on_import_progressed)
        workplace.import_ended.connect(self._on_import_ended)

    def take_up(self) -> None:
        """Show an import that goes on already."""
        if self._workplace.importing and self._workplace.import_work is not None:
            self._on_import_started(self._workplace.import_work)

    def form(self) -> dict[str, Any]:
        """The file whose columns are being chosen by hand, and what was chosen."""
        work = self._workplace.import_work
        if work is None or self._workplace.importing or self.by_hand.isHidden():
            return {}
        return {"work": msgspec.to_builtins(work), "mapping": msgspec.to_builtins(self.by_hand.form.chosen())}

    def fill(self, values: dict[str, Any]) -> None:
        """Read that file again and show the same choice, if it is still there and nothing else was begun."""
        try:
            work = msgspec.convert(values.get("work"), ImportJob)
            earlier = msgspec.convert(values.get("mapping"), Mapping)
        except msgspec.ValidationError:  # of another version
            return
        if self._workplace.import_work is None and Path(work.source).exists():
            self._workplace.start_import(work)
            self._earlier = earlier

    # --- choosing files ---------------------------------------------------------------------------------

    def browse(self) -> None:
        """Ask for files, and import them as one dataset."""
        chosen = self._ask_files(self.tr("Import a dataset"))
        if chosen:
            self.import_files([Path(path) for path in chosen])

    def import_files(self, paths: list[Path]) -> None:
        """Import files as one dataset."""
        self._workplace.import_dataset(paths[0], more=tuple(paths[1:]))

    def browse_more(self) -> None:
        """Ask for further files of the same dataset."""
        chosen = self._ask_files(self.tr("Add files"))
        if chosen and self._desk.origin is not None:
            before = self._desk.origin.job
            weights = (*before.weights, *(1.0,) * len(chosen)) if before.weights else ()
            self.change(more=(*before.more, *chosen), weights=weights)

    def browse_test_file(self) -> None:
        """Ask for an own test file."""
        chosen = self._ask_file(self.tr("Choose an own test file"))
        if chosen:
            self.change(held_back=chosen)

    def ask_test_rows(self) -> str:
        """Ask for a file of test rows, to compare with; "" for none."""
        return self._ask_file(self.tr("Compare with a test file"))

    def _ask_file(self, title: str) -> str:
        return QFileDialog.getOpenFileName(self._page.window(), title, "", file_filters())[0]

    def _ask_files(self, title: str) -> list[str]:
        chosen, _ = QFileDialog.getOpenFileNames(self._page.window(), title, "", file_filters())
        return list(chosen)

    # --- importing anew ---------------------------------------------------------------------------------

    def change(self, **changes: object) -> None:
        """Import the dataset's files anew, otherwise: `changes` are fields of `ImportJob`."""
        dataset, origin = self._desk.dataset, self._desk.origin
        if origin is None or dataset is None:
            self.message.show_text(
                "warning", self.tr("It is not known which files this dataset was made of: import them anew.")
            )
            return
        kept: dict[str, object] = {"mapping": origin.job.mapping or dataset.info.mapping, "name": dataset.info.name}
        self.ask(msgspec.structs.replace(origin.job, **(kept | changes)))

    def ask(self, work: ImportJob) -> None:
        """Import; what a person changed by hand would be lost, so this is asked first."""
        dataset = self._desk.dataset
        if dataset is None or not dataset.edits:
            self._workplace.start_import(work)
            return
        self.message.show_text(
            "warning",
            self.tr("Importing anew drops the changes that you made to the rows of this dataset."),
            self.tr("Other files, columns or weights make other rows, so the changes have no place any more."),
            self.tr("Export the rows first if you want to keep them."),
            [
                (self.tr("Import anew"), lambda: self._workplace.start_import(work)),
                (self.tr("Keep the changes"), self.message.clear),
            ],
        )
        self.asking = True
        self.question_changed.emit()

    def _on_message_changed(self) -> None:
        """The question was answered, closed or gave way to another message: what is chosen is what is used again."""
        if self.asking:
            self.asking = False
            self.question_changed.emit()
            self.dataset_wanted.emit()

    # --- an import that goes on -------------------------------------------------------------------------

    def _on_import_started(self, work: ImportJob) -> None:
        self._inspected = self._earlier = None
        self._desk.close()
        self.message.clear()
        self.progress.start(work.name)
        if self.by_hand.isVisible():
            self.dataset_wanted.emit()  # the columns of another file are nothing to look at meanwhile
        self.busy_changed.emit()

    def _on_import_progressed(self, event: object) -> None:
        if isinstance(event, Inspected):
            self._inspected = event
        self.progress.show_event(event)

    def _on_cancel_wanted(self) -> None:
        self._workplace.cancel_import()
        self.progress.hide()
        self.dataset_wanted.emit()
        self.busy_changed.emit()
        self._workplace.told.emit(self.tr("The import was cancelled; nothing was kept."))

    def _on_import_ended(self, event: object) -> None:
        self.progress.hide()
        if isinstance(event, Imported):
            self.dataset_wanted.emit()
        elif isinstance(event, Failed):
            self._show_failure(event.problem)
        self.busy_changed.emit()

    def _show_failure(self, problem: Problem) -> None:
        if problem.code == "data.cancelled":
            return
        work, inspected = self._workplace.import_work, self._inspected
        actions: list[Action] = []
        if is_offered(problem.fix):
            actions.append((self.tr("Mend the order of turns"), self._import_mended))
        if problem.code.startswith(_TO_MAP_BY_HAND) and inspected is not None and work is not None:
            self.by_hand.show_file(work, inspected)
            if self._earlier is not None:
                self.by_hand.take_up(self._earlier)
            self.by_hand_wanted.emit()
        else:
            if work is not None and "leave damaged lines out" in problem.fix:
                actions.append((self.tr("Leave damaged lines out"), self._import_rest))
            actions.append((self.tr("Choose another file…"), self.browse))
            self.dataset_wanted.emit()
        self.message.show_problem(problem, actions)

    def _import_rest(self) -> None:
        work = self._workplace.import_work
        if work is not None:
            self._workplace.start_import(msgspec.structs.replace(work, skip_damaged=True))

    def _import_mended(self) -> None:
        work = self._workplace.import_work
        if work is not None:
            self._workplace.start_import(msgspec.structs.replace(work, mend_turns=True))

    def _on_mapped_by_hand(self, mapping: Mapping) -> None:
        work = self._workplace.import_work
        if work is not None:
            self._workplace.start_import(msgspec.structs.replace(work, mapping=mapping))

    def _on_sheet_chosen(self, sheet: str) -> None:
        work = self._workplace.import_work
        if work is not None:
            reading = msgspec.structs.replace(work.reading, sheet=sheet)
            self._workplace.start_import(msgspec.structs.replace(work, reading=reading))

    def _leave_by_hand(self) -> None:
        self.message.clear()
        self.dataset_wanted.emit()


def file_filters() -> str:
    """File filters of the Open dialog, from the table of formats."""
    return f"Datasets ({' '.join(f'*{suffix}' for suffix in SUFFIXES)});;All files (*)"

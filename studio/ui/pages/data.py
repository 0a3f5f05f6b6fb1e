"""The Data page: import files, read the verdict, see the rows, see them as the model does, and mend what is wrong."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QHideEvent, QKeySequence
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from studio.contract.diagnosis import Finding
from studio.contract.errors import StudioError
from studio.data.compared import better_alone
from studio.data.dataset import DatasetInfo
from studio.data.edits import Operation
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.data_desk import DataDesk, compared_problem
from studio.ui.data_import import DataImport, file_filters
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.data_contents import DataContents
from studio.ui.widgets.data_empty import DataEmpty
from studio.ui.widgets.data_verdict import DataVerdict
from studio.ui.widgets.import_options import ImportOptions
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.preview_panel import PreviewPanel
from studio.ui.widgets.problems_tab import ProblemsTab
from studio.ui.widgets.rows_tab import RowsTab
from studio.ui.widgets.section import LowTabs, ScrollColumn, column, row


class DataPage(Page):
    """Empty: a drop zone. Else the chosen dataset, with three tabs; or a file whose columns must be chosen."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self._info: DatasetInfo | None = None
        self._stale = True
        self.desk = DataDesk(workplace, self)
        self.importing = DataImport(workplace, self.desk, self)
        self.message, self.progress = self.importing.message, self.importing.progress
        self.by_hand = self.importing.by_hand
        self.stack = QStackedWidget()
        self.empty = DataEmpty(file_filters())
        self.drop_zone, self.sample_link = self.empty.drop_zone, self.empty.sample_link
        for page in (self.empty, self._build_content(), self.by_hand):
            self.stack.addWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self.message)
        outer.addWidget(self.progress)
        outer.addWidget(self.stack, 1)
        self._connect()
        self.importing.take_up()

    # --- layout -----------------------------------------------------------------------------------------

    def _build_content(self) -> QWidget:
        self.chooser = ComboBox()
        self.chooser.setAccessibleName(self.tr("Dataset"))
        self.chooser.setMinimumContentsLength(18)
        self.chooser.activated.connect(self._on_dataset_picked)
        self.add_button = buttons.secondary(self.tr("Import another…"), self.importing.browse, "plus")
        self.delete_button = buttons.icon_button("trash", self.tr("Delete this dataset"), self._ask_delete)
        self.continue_button = buttons.primary(self.tr("Continue"), self._on_continue, "chevron-right")
        self.continue_button.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.verdict = DataVerdict()
        self.mapping_form = MappingForm()
        self.options = ImportOptions()
        self.contents = DataContents()
        self.tabs = self._build_tabs()
        content = ScrollColumn(margin=0)  # with large text in a low window, what stands above leaves no room for rows
        inside = column(
            self.verdict,
            row(self.chooser, self.add_button, self.delete_button, 1, self.continue_button),
            self.mapping_form,
            self.options,
            self.contents,
        )
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.tabs, 1)
        content.body.addLayout(inside)
        return content

    def _build_tabs(self) -> QTabWidget:
        self.rows = RowsTab()
        self.preview = PreviewPanel(self.workplace)
        self.problems = ProblemsTab()
        tabs = LowTabs()
        tabs.setDocumentMode(True)
        tabs.addTab(self.rows, self.tr("Table"))
        tabs.addTab(self.preview, self.tr("As the model sees it"))
        tabs.addTab(self.problems, self.tr("Problems"))
        tabs.setAccessibleName(self.tr("Views of the dataset"))
        tabs.tabBar().setAccessibleName(self.tr("Views of the dataset"))
        tabs.currentChanged.connect(self._on_tab_changed)
        return tabs

    def _connect(self) -> None:
        workplace, desk = self.workplace, self.desk
        workplace.dataset_chosen.connect(self._on_datasets_changed)
        workplace.datasets_changed.connect(self._on_datasets_changed)
        importing = self.importing
        importing.dataset_wanted.connect(self._on_datasets_changed)
        importing.by_hand_wanted.connect(lambda: self.stack.setCurrentIndex(2))
        importing.busy_changed.connect(self._show_busy)
        importing.question_changed.connect(self._show_continue)
        self.empty.paths_chosen.connect(importing.import_files)
        self.empty.sample_wanted.connect(self.workplace.import_sample)
        self.verdict.problems_wanted.connect(lambda: self.tabs.setCurrentWidget(self.problems))
        self.verdict.check_wanted.connect(desk.check)
        self.verdict.fix_wanted.connect(self._on_fix_wanted)
        self.verdict.cancel_wanted.connect(desk.checkup.cancel)
        self.mapping_form.mapping_changed.connect(lambda mapping: importing.change(mapping=mapping))
        self.options.import_wanted.connect(importing.ask)
        self.options.split_wanted.connect(desk.split)
        self.options.more_wanted.connect(importing.browse_more)
        self.options.test_file_wanted.connect(importing.browse_test_file)
        self.options.no_test_file_wanted.connect(lambda: importing.change(held_back=""))
        self.options.settings_wanted.connect(lambda: self.page_wanted.emit("train"))
        self._connect_tabs()

    def _connect_tabs(self) -> None:
        desk, stack = self.desk, self.desk.history.stack
        self.rows.row_chosen.connect(self.preview.show_row)
        self.rows.row_opened.connect(self._on_row_opened)
        self.rows.operation_wanted.connect(self._on_operation_wanted)
        self.rows.tools.undo_wanted.connect(stack.undo)
        self.rows.tools.redo_wanted.connect(stack.redo)
        self.rows.tools.export_wanted.connect(self._ask_export)
        self.preview.models_wanted.connect(lambda: self.page_wanted.emit("models"))
        self.preview.settings_wanted.connect(lambda: self.page_wanted.emit("train"))
        self.problems.row_wanted.connect(self._on_row_wanted)
        self.problems.rows_wanted.connect(self._on_rows_wanted)
        self.problems.fix_wanted.connect(self._on_fix_wanted)
        self.problems.turns_wanted.connect(lambda mend: self.importing.change(mend_turns=mend))
        self.problems.better_alone_wanted.connect(self._on_better_alone_wanted)
        self.problems.test_wanted.connect(self._ask_test)
        self.problems.no_test_wanted.connect(lambda: desk.compare_with(""))
        for keys, act in ((QKeySequence("Ctrl+Z"), stack.undo), (QKeySequence("Ctrl+Y"), stack.redo)):
            action = QAction(self)
            action.setShortcut(keys)
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(act)
            self.addAction(action)
        desk.history.stack_changed.connect(lambda: self.rows.show_stack(stack))
        self.rows.show_stack(stack)
        desk.edited.connect(self._on_edited)
        desk.found_changed.connect(self._show_found)
        desk.failed.connect(self.message.show_problem)
        desk.gave_up.connect(self._on_gave_up)
        self.rows.failed.connect(desk.give_up, Qt.ConnectionType.QueuedConnection)
        desk.checkup.started.connect(lambda: self.verdict.show_checking(True))
        desk.checkup.progressed.connect(self.verdict.show_progress)
        desk.checkup.ended.connect(self._on_checkup_ended)

    # --- the page's own doors ---------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Bring up what was chosen meanwhile; the newest dataset where none is chosen."""
        if self.workplace.dataset is None and not self.workplace.importing:
            newest = next((info for info in self.workplace.datasets() if info.usable), None)
            if newest is not None:
                self.workplace.choose_dataset(newest)
        if self._stale:
            self._show_chosen()
        else:
            self._show_options()
            self._show_found()
            self.desk.check_unasked()
        self._show_busy()
        self.preview.set_shown(self.tabs.currentWidget() is self.preview)

    def hideEvent(self, event: QHideEvent) -> None:
        """Another page came to the front: the preview's worker gives its memory back."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.preview.close_service()

    def close_services(self) -> None:
        """End the preview worker and the doctor."""
        self.preview.close_service()
        self.desk.close()

    def form(self) -> dict[str, Any]:
        """Columns that are being chosen by hand."""
        return self.importing.form()

    def fill(self, values: dict[str, Any]) -> None:
        """Go on choosing them."""
        self.importing.fill(values)

    def start(self) -> bool:
        """Ctrl+Enter: go on to Train."""
        if self.stack.currentIndex() != 1 or not self.continue_button.isEnabled():
            return False
        self._on_continue()
        return True

    def open_search(self) -> bool:
        """Ctrl+F: search the rows."""
        if self.stack.currentIndex() != 1 or self._info is None:
            return False
        self.tabs.setCurrentWidget(self.rows)
        self.rows.tools.search.setFocus()
        self.rows.tools.search.selectAll()
        return True

    def escape(self) -> bool:
        """Esc: close the message, or empty the search."""
        if not self.message.isHidden():
            self.message.clear()
            return True
        if self.rows.tools.search.text() and self.tabs.currentWidget() is self.rows:
            self.rows.tools.search.clear()
            return True
        return False

    def panes(self) -> list[QWidget]:
        """Chooser, columns, the open tab."""
        return [self.chooser, self.mapping_form, self.tabs]

    def import_file(self, path: Path) -> None:
        """Import a file that was dropped or chosen."""
        self.importing.import_files([path])

    def _ask_test(self) -> None:
        chosen = self.importing.ask_test_rows()
        if chosen:
            self.desk.compare_with(chosen)

    def _on_better_alone_wanted(self) -> None:
        mapping = better_alone(self._info.mapping) if self._info is not None else None
        if mapping is not None:
            self.importing.change(mapping=mapping)

    # --- the chosen dataset -----------------------------------------------------------------------------

    def _on_datasets_changed(self, _: object = None) -> None:
        self._stale = True
        if self.isVisible():
            self._show_chosen()

    def _show_chosen(self) -> None:
        self._stale = False
        infos = self.workplace.datasets()
        self._info = self.workplace.dataset
        self.chooser.clear()
        for name, info in zip(wording.told_apart([(info.name, info.created) for info in infos]), infos, strict=True):
            self.chooser.addItem(name, info.id)
        self.chooser.setCurrentIndex(self.chooser.findData(self._info.id) if self._info is not None else -1)
        self.stack.setCurrentIndex(1 if infos else 0)
        if self.desk.dataset is None or self.desk.dataset.info != self._info:  # told more than once
            self.desk.open(self._info)
            self.rows.show_dataset(self.desk.dataset)
            self.preview.show_dataset(self.desk.dataset)
        self._show_info(self._info)
        self._show_found()
        if self.isVisible():
            self.desk.check_unasked()

    def _on_gave_up(self) -> None:
        self.rows.show_dataset(None)
        self.preview.show_dataset(None)
        self._show_info(self._info)
        self._show_found()

    def _show_info(self, info: DatasetInfo | None) -> None:
        self.verdict.setVisible(info is not None)
        self.mapping_form.setVisible(info is not None and bool(info.columns))
        self.options.setVisible(info is not None)
        self._show_continue()
        if info is not None:
            self.mapping_form.show_mapping(info.columns, info.mapping if info.columns else None)
        self._show_options()

    def _show_continue(self) -> None:
        """Not while a question is open: Train would take the rows as they are, not as it is chosen above them."""
        asking = self.importing.asking
        usable = self._info is not None and self._info.usable > 0 and self.desk.dataset is not None
        self.continue_button.setEnabled(usable and not asking)
        self.continue_button.setToolTip(self.tr("First answer the question above.") if asking else "")

    def _show_options(self) -> None:
        if self._info is not None:
            share = self.workplace.settings_for(self._info).held_back_share
            self.options.show_info(self._info, self.desk.origin, share)

    def _show_found(self) -> None:
        """What the doctor found, wherever it is shown."""
        desk, dataset = self.desk, self.desk.dataset
        count = desk.problem_count()
        self.verdict.show_verdict(*desk.verdict(), count)
        self.verdict.show_stale(desk.stale and desk.found is not None)
        self.verdict.show_fix(desk.untested)
        self.tabs.setTabText(2, self.tr("Problems") + (f" ({count})" if count else ""))
        problems = self._info.problems if self._info is not None else ()
        better = self._info is not None and better_alone(self._info.mapping) is not None
        found = desk.found if dataset is not None else None
        self.problems.show_all(found, problems, compared_problem(desk), better, desk.name_of, desk.stale)
        self.contents.show_found(found)
        self.rows.show_findings(found.findings if found is not None else ())

    def _show_busy(self) -> None:
        """What would pull the dataset away from under an import or a run is not offered meanwhile."""
        importing = self.workplace.importing
        self.progress.setVisible(importing)
        work = self.workplace.active_job
        learning = work is not None and self._info is not None and work.dataset == self._info.folder
        free = not importing and not learning
        tied: tuple[QWidget, ...] = (self.options, self.mapping_form, self.delete_button, self.verdict.fix_button)
        for widget in tied:
            widget.setEnabled(free)
        self.problems.allow_import(free)
        busy: tuple[QWidget, ...] = (self.chooser, self.add_button, self.by_hand, self.sample_link)
        for widget in busy:
            widget.setEnabled(not importing)
        if learning and not importing:
            self.mapping_form.note.setText(
                self.tr("A run is learning from this dataset; its columns can be changed when it has ended.")
            )

    def _on_dataset_picked(self, index: int) -> None:
        chosen = self.chooser.itemData(index)
        info = next((info for info in self.workplace.datasets() if info.id == chosen), None)
        self.message.clear()
        self.workplace.choose_dataset(info)

    def _ask_delete(self) -> None:
        if self._info is not None:
            self.message.show_text(
                "warning",
                self.tr("Delete “{name}”?").format(name=self._info.name),
                self.desk.words_on_deleting(),
                actions=[(self.tr("Delete dataset"), self._delete), (self.tr("Keep"), self.message.clear)],
            )

    def _delete(self) -> None:
        if self._info is None:
            return
        name, info = self._info.name, self._info
        self.desk.open(None)  # nothing may hold the mapped file
        self.preview.show_dataset(None)
        self.rows.show_dataset(None)
        try:
            self.workplace.delete_dataset(info)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self.workplace.told.emit(self.tr("{name} was deleted.").format(name=name))
        self.on_shown()

    # --- tabs -------------------------------------------------------------------------------------------

    def _on_tab_changed(self) -> None:
        self.preview.set_shown(self.tabs.currentWidget() is self.preview and self.isVisible())

    def _on_row_opened(self, stored: int) -> None:
        self.preview.show_row(stored)
        self.tabs.setCurrentWidget(self.preview)

    def _on_row_wanted(self, stored: int) -> None:
        self.tabs.setCurrentWidget(self.rows)
        self.rows.show_row(stored)

    def _on_rows_wanted(self, code: str) -> None:
        self.tabs.setCurrentWidget(self.rows)
        self.rows.tools.choose_filter(code)

    def _on_operation_wanted(self, operation: Operation, words: str) -> None:
        self.desk.history.do(operation, words)

    def _on_fix_wanted(self, finding: Finding) -> None:
        told = self.desk.fix(finding)
        if told:
            self.workplace.told.emit(told)

    def _on_edited(self) -> None:
        self.rows.note_edits()
        self.preview.note_edits()

    def _on_checkup_ended(self) -> None:
        self.verdict.show_checking(False)
        self._show_found()

    def _ask_export(self) -> None:
        if self._info is None:
            return
        name = f"{Path(self._info.name).stem}.jsonl"
        chosen, _ = QFileDialog.getSaveFileName(self.window(), self.tr("Export the rows"), name, "JSONL (*.jsonl)")
        if chosen:
            self.desk.export(Path(chosen))

    def _on_continue(self) -> None:
        self.workplace.next_run_wanted.emit()
        self.page_wanted.emit("train")

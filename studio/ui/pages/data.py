"""The Data page: import a file, check what was understood, see the rows, and see them as the model does."""

import re
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QComboBox, QFileDialog, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from studio.contract.errors import Problem, StudioError
from studio.contract.events import Failed, Imported, Inspected
from studio.contract.job import ImportJob, Mapping
from studio.data.dataset import Dataset, DatasetInfo, open_dataset
from studio.data.formats import FORMATS
from studio.supervisor.workplace import Workplace
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.dataset_facts import DatasetFacts
from studio.ui.widgets.drop_zone import DropZone
from studio.ui.widgets.hand_mapping import HandMapping
from studio.ui.widgets.import_progress import ImportProgress
from studio.ui.widgets.labels import label
from studio.ui.widgets.mapping_form import MappingForm
from studio.ui.widgets.message import Action, MessageBar
from studio.ui.widgets.preview_panel import PreviewPanel
from studio.ui.widgets.problem_list import ProblemList
from studio.ui.widgets.rows_tab import RowsTab
from studio.ui.widgets.section import column, row

_TO_MAP_BY_HAND = ("data.no_mapping", "data.preference_not_supported", "data.mapping_")
"""Codes (or their beginnings) after which the user can still choose the columns."""


class DataPage(Page):
    """Empty: a drop zone. Else the chosen dataset, with three tabs; or a file whose columns must be chosen."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self._info: DatasetInfo | None = None
        self._dataset: Dataset | None = None
        self._inspected: Inspected | None = None
        self._stale = True
        self.message = MessageBar()
        self.progress = ImportProgress()
        self.progress.cancel_wanted.connect(self._on_cancel_wanted)
        self.stack = QStackedWidget()
        self.stack.addWidget(self._build_empty())
        self.stack.addWidget(self._build_content())
        self.stack.addWidget(self._build_by_hand())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self.message)
        outer.addWidget(self.progress)
        outer.addWidget(self.stack, 1)
        workplace.dataset_chosen.connect(self._on_datasets_changed)
        workplace.datasets_changed.connect(self._on_datasets_changed)
        workplace.import_started.connect(self._on_import_started)
        workplace.import_progressed.connect(self._on_import_progressed)
        workplace.import_ended.connect(self._on_import_ended)
        if workplace.importing and workplace.import_work is not None:
            self._on_import_started(workplace.import_work)

    # --- layout -----------------------------------------------------------------------------------------

    def _build_empty(self) -> QWidget:
        self.drop_zone = DropZone(
            self.tr("Drop a CSV, JSON, JSONL or Parquet file with questions and answers here, or"), filters()
        )
        self.drop_zone.path_chosen.connect(self.import_file)
        self.sample_link = buttons.flat(self.tr("Look at the sample data instead"), self._import_sample)
        hint = self.tr(
            "One row is one example: a question and the answer you would like. A few hundred good ones are a start. "
            "The file is only read, and nothing leaves this computer."
        )
        hint_label = label(hint, "muted", wrap=True)
        hint_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty = QWidget()
        empty.setMaximumWidth(560)
        inside = QVBoxLayout(empty)
        inside.setSpacing(2 * GRID)
        inside.addStretch(2)
        inside.addWidget(self.drop_zone)
        inside.addWidget(hint_label)
        inside.addWidget(self.sample_link, 0, Qt.AlignmentFlag.AlignHCenter)
        inside.addStretch(3)
        page = QWidget()
        centre = row(1, empty, 1)
        centre.setStretch(1, 4)
        page.setLayout(centre)
        return page

    def _build_content(self) -> QWidget:
        self.chooser = QComboBox()
        self.chooser.setAccessibleName(self.tr("Dataset"))
        self.chooser.setMinimumContentsLength(18)
        self.chooser.activated.connect(self._on_dataset_picked)
        self.add_button = buttons.secondary(self.tr("Import another…"), self._browse, "plus")
        self.delete_button = buttons.icon_button("trash", self.tr("Delete this dataset"), self._ask_delete)
        self.continue_button = buttons.primary(self.tr("Continue"), self._on_continue, "chevron-right")
        self.continue_button.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.facts = DatasetFacts()
        self.facts.problems_wanted.connect(self._show_problems)
        self.facts.test_file_wanted.connect(self._browse_test_file)
        self.facts.no_test_file_wanted.connect(lambda: self._own_test_file(""))
        self.mapping_form = MappingForm()
        self.mapping_form.mapping_changed.connect(self._on_mapping_changed)
        self.tabs = self._build_tabs()
        content = QWidget()
        inside = column(
            row(self.chooser, self.add_button, self.delete_button, 1, self.continue_button),
            self.facts,
            self.mapping_form,
        )
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.tabs, 1)
        content.setLayout(inside)
        return content

    def _build_tabs(self) -> QTabWidget:
        self.rows = RowsTab()
        self.rows.row_opened.connect(self._on_row_opened)
        self.preview = PreviewPanel(self.workplace)
        self.preview.models_wanted.connect(lambda: self.page_wanted.emit("models"))
        self.preview.settings_wanted.connect(lambda: self.page_wanted.emit("train"))
        self.problems = ProblemList(self.tr("No problems were found in this dataset."))
        self.rows.row_chosen.connect(self.preview.show_row)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.addTab(self.rows, self.tr("Table"))
        tabs.addTab(self.preview, self.tr("As the model sees it"))
        tabs.addTab(self.problems, self.tr("Problems"))
        tabs.setAccessibleName(self.tr("Views of the dataset"))
        tabs.tabBar().setAccessibleName(self.tr("Views of the dataset"))
        tabs.currentChanged.connect(self._on_tab_changed)
        return tabs

    def _build_by_hand(self) -> QWidget:
        self.by_hand = HandMapping()
        self.by_hand.mapping_chosen.connect(self._on_mapped_by_hand)
        self.by_hand.other_file_wanted.connect(self._browse)
        self.by_hand.left.connect(self._leave_by_hand)
        return self.by_hand

    # --- the page's own doors ---------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Bring up what was chosen meanwhile; the newest dataset where none is chosen."""
        if self.workplace.dataset is None and not self.workplace.importing:
            newest = next((info for info in self.workplace.datasets() if info.usable), None)
            if newest is not None:
                self.workplace.choose_dataset(newest)
        if self._stale:
            self._show_chosen()
        self._show_busy()
        self.preview.set_shown(self.tabs.currentWidget() is self.preview)

    def hideEvent(self, event: QHideEvent) -> None:
        """Another page came to the front: the preview's worker gives its memory back."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.preview.close_service()

    def close_services(self) -> None:
        """End the preview worker."""
        self.preview.close_service()

    def start(self) -> bool:
        """Ctrl+Enter: go on to Train."""
        if self.stack.currentIndex() != 1 or not self.continue_button.isEnabled():
            return False
        self._on_continue()
        return True

    def escape(self) -> bool:
        """Esc: close the message, or leave the choosing of columns."""
        if not self.message.isHidden():
            self.message.clear()
            return True
        return False

    def panes(self) -> list[QWidget]:
        """Chooser, columns, the open tab."""
        return [self.chooser, self.mapping_form, self.tabs]

    def import_file(self, path: Path) -> None:
        """Import a file that was dropped or chosen."""
        self.workplace.import_dataset(path)

    # --- importing --------------------------------------------------------------------------------------

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.window(), self.tr("Import a dataset"), "", filters())
        if chosen:
            self.import_file(Path(chosen))

    def _import_sample(self) -> None:
        self.workplace.import_sample()

    def _on_import_started(self, work: ImportJob) -> None:
        self._inspected = None
        self.message.clear()
        self.progress.start(work.name)
        self._show_busy()

    def _on_import_progressed(self, event: object) -> None:
        if isinstance(event, Inspected):
            self._inspected = event
        self.progress.show_event(event)

    def _on_cancel_wanted(self) -> None:
        self.workplace.cancel_import()
        self.progress.hide()
        self._show_busy()
        self.workplace.told.emit(self.tr("The import was cancelled; nothing was kept."))

    def _on_import_ended(self, event: object) -> None:
        self.progress.hide()
        if isinstance(event, Imported):
            self._on_datasets_changed()
        elif isinstance(event, Failed):
            self._show_failure(event.problem)
        self._show_busy()

    def _show_failure(self, problem: Problem) -> None:
        if problem.code == "data.cancelled":
            return
        work, inspected = self.workplace.import_work, self._inspected
        actions: list[Action] = []
        if problem.code.startswith(_TO_MAP_BY_HAND) and inspected is not None and work is not None:
            self.by_hand.show_file(work, inspected)
            self.stack.setCurrentIndex(2)
        else:
            if work is not None and not work.skip_damaged and re.search(r":\d+$", problem.where):
                actions.append((self.tr("Leave damaged lines out"), self._import_rest))
            actions.append((self.tr("Choose another file…"), self._browse))
            self._show_chosen()
        self.message.show_problem(problem, actions)

    def _import_rest(self) -> None:
        work = self.workplace.import_work
        if work is not None:
            self._import_again(work, work.mapping, skip_damaged=True)

    def _on_mapped_by_hand(self, mapping: Mapping) -> None:
        work = self.workplace.import_work
        if work is not None:
            self._import_again(work, mapping, work.skip_damaged)

    def _import_again(self, work: ImportJob, mapping: Mapping | None, skip_damaged: bool) -> None:
        self.workplace.import_dataset(
            Path(work.source),
            mapping,
            held_back=work.held_back,
            name=work.name,
            into=Path(work.destination).name,
            skip_damaged=skip_damaged,
        )

    def _leave_by_hand(self) -> None:
        self.message.clear()
        self._show_chosen()

    # --- the chosen dataset -----------------------------------------------------------------------------

    def _on_datasets_changed(self) -> None:
        self._stale = True
        if self.isVisible():
            self._show_chosen()

    def _show_chosen(self) -> None:
        self._stale = False
        infos = self.workplace.datasets()
        self._info = self.workplace.dataset
        self.chooser.clear()
        for info in infos:
            self.chooser.addItem(info.name, info.id)
        if self._info is not None:
            self.chooser.setCurrentIndex(self.chooser.findData(self._info.id))
        else:
            self.chooser.setCurrentIndex(-1)
        self._dataset = None
        if self._info is not None:
            try:
                self._dataset = open_dataset(Path(self._info.folder))
            except StudioError as error:
                self.message.show_problem(error.problem)
        self.stack.setCurrentIndex(1 if infos else 0)
        self._show_info(self._info)
        self.rows.show_dataset(self._dataset)
        self.preview.show_dataset(self._info if self._dataset is not None else None)

    def _show_info(self, info: DatasetInfo | None) -> None:
        self.facts.setVisible(info is not None)
        self.mapping_form.setVisible(info is not None and bool(info.columns))
        self.continue_button.setEnabled(info is not None and info.usable > 0)
        problems = info.problems if info is not None else ()
        self.problems.show_problems(problems)
        count = f" ({len(problems)})" if problems else ""
        self.tabs.setTabText(2, self.tr("Problems") + count)
        if info is not None:
            self.facts.show_info(info)
            self.mapping_form.show_mapping(info.columns, info.mapping if info.columns else None)

    def _show_busy(self) -> None:
        """What would pull the dataset away from under an import or a run is not offered meanwhile."""
        importing = self.workplace.importing
        self.progress.setVisible(importing)
        work = self.workplace.active_job
        learning = work is not None and self._info is not None and work.dataset == self._info.folder
        free = not importing and not learning
        self.facts.set_changeable(free)
        self.mapping_form.setEnabled(free)
        self.delete_button.setEnabled(free)
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

    def _on_mapping_changed(self, mapping: Mapping) -> None:
        info = self._info
        self._reimport(mapping, info.sources[1].path if info is not None and len(info.sources) > 1 else "")

    def _browse_test_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.window(), self.tr("Choose an own test file"), "", filters())
        if chosen:
            self._own_test_file(chosen)

    def _own_test_file(self, path: str) -> None:
        if self._info is not None:
            self._reimport(self._info.mapping, path)

    def _reimport(self, mapping: Mapping, held_back: str) -> None:
        info = self._info
        if info is not None and info.sources:
            source = Path(info.sources[0].path)
            self.workplace.import_dataset(source, mapping, held_back=held_back, name=info.name, into=info.id)

    def _ask_delete(self) -> None:
        if self._info is not None:
            self.message.show_text(
                "warning",
                self.tr("Delete “{name}”?").format(name=self._info.name),
                self.tr("Only the imported copy goes. The original file and the adapters trained with it stay."),
                actions=[(self.tr("Delete dataset"), self._delete), (self.tr("Keep"), self.message.clear)],
            )

    def _delete(self) -> None:
        if self._info is None:
            return
        name = self._info.name
        self.preview.show_dataset(None)
        self._dataset = None
        self.rows.show_dataset(None)
        try:
            self.workplace.delete_dataset(self._info)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self.workplace.told.emit(self.tr("{name} was deleted.").format(name=name))
        self.on_shown()

    # --- tabs -------------------------------------------------------------------------------------------

    def _show_problems(self) -> None:
        self.tabs.setCurrentWidget(self.problems)

    def _on_tab_changed(self) -> None:
        self.preview.set_shown(self.tabs.currentWidget() is self.preview and self.isVisible())

    def _on_row_opened(self, index: int) -> None:
        self.preview.show_row(index)
        self.tabs.setCurrentWidget(self.preview)

    def _on_continue(self) -> None:
        self.page_wanted.emit("train")


def filters() -> str:
    """File filters of the Open dialog, from the table of formats."""
    patterns = sorted({f"*{suffix}" for row in FORMATS.values() for suffix in row.suffixes})
    return f"Datasets ({' '.join(patterns)});;All files (*)"

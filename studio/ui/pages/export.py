"""The Export page: what was trained leaves as files; what will be written is shown before."""

import re
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio.contract.errors import Problem
from studio.contract.events import Combined, Exported, Progress
from studio.contract.exports import name_problem
from studio.contract.job import CombineJob, ExportJob
from studio.contract.run_folder import RunFolder
from studio.data.model_card import card_text
from studio.data.run_history import RunSummary
from studio.supervisor.short_job import ShortJob
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combine_dialog import CombineDialog, can_be_combined
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.export_forms import ExportForms
from studio.ui.widgets.export_result import ExportProgress, ParityCard
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.section import ScrollColumn, Section, row

OF_THE_PLACE = (
    "disk.not_writable",
    "export.damaged",
    "export.disk_full",
    "export.no_room",
    "export.own_folder",
    "export.path_too_long",
    "export.read_only",
    "export.unwritable",
)
"""Faults of an export that another folder mends: those that say so themselves."""


class ExportPage(Page):
    """Which run, as what, where to; the model card beside it."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self._runs: list[RunSummary] = []
        self.job = ShortJob(workplace, self)
        self._exported: Exported | None = None
        self._folder = Path(
            QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or Path.home()
        )
        self.empty = EmptyState(
            self.tr("Nothing to export yet."),
            self.tr("Open Train"),
            self.tr("A run leaves an adapter when it has ended, or was stopped with saving."),
            "export",
        )
        self.empty.action_wanted.connect(lambda: self.page_wanted.emit("train"))
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self._build())
        self.message = MessageBar()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self.message)
        outer.addWidget(self.stack, 1)
        workplace.runs_changed.connect(self._list_runs)
        workplace.device_reported.connect(lambda report: self.forms.offer_k_quants(report.k_quants))
        if workplace.device is not None:
            self.forms.offer_k_quants(workplace.device.k_quants)
        self.combining = ShortJob(workplace, self)
        self.combining.progressed.connect(self.progress.show_progress)
        self.combining.done.connect(self._on_combined)
        self.combining.failed.connect(self._on_failed)
        self.combining.changed.connect(self._show_state)
        self.job.progressed.connect(self._on_progressed)
        self.job.done.connect(self._on_done)
        self.job.failed.connect(self._on_failed)
        self.job.changed.connect(self._show_state)
        self._list_runs()

    # --- layout -----------------------------------------------------------------------------------------

    def _build(self) -> QWidget:
        self.run_combo = ComboBox()
        self.run_combo.setAccessibleName(self.tr("Run to export"))
        self.run_combo.currentIndexChanged.connect(self._on_run_changed)
        self.run_facts = label("", "muted", wrap=True)
        what = Section(self.tr("What"))
        self.combine_button = buttons.flat(self.tr("Combine adapters…"), self._ask_to_combine, "plus")
        what.add_action(self.combine_button)
        what.add(self.run_combo)
        what.add(self.run_facts)
        left = ScrollColumn(margin=0)
        left.body.addWidget(what)
        self.forms = ExportForms()
        self.forms.changed.connect(self._on_form_changed)
        left.body.addWidget(self.forms)
        left.body.addWidget(self._build_place())
        left.body.addStretch(1)
        self.export_button = buttons.primary(self.tr("Export"), self._on_export, "export")
        self.state = label("", "muted", wrap=True)
        self.progress = ExportProgress()
        self.progress.stop_wanted.connect(self._on_stop_wanted)
        column = QVBoxLayout()
        column.setSpacing(GRID)
        column.addWidget(left, 1)
        column.addWidget(self.progress)
        line = row(self.export_button, self.state)
        line.setStretch(1, 1)
        column.addLayout(line)
        self.card = QPlainTextEdit()
        self.card.setReadOnly(True)
        self.card.setTabChangesFocus(True)
        # It scrolls, and gives way to the comparison above it, whose lines would be cut.
        self.card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.card.setMinimumHeight(10 * GRID)
        self.card.setAccessibleName(self.tr("Model card that will be written"))
        preview = Section(
            self.tr("Model card"),
            self.tr("This text is written as README.md beside the files. Check it before sharing."),
        )
        preview.add(self.card, 1)
        self.parity = ParityCard()
        right = QVBoxLayout()
        right.setSpacing(2 * GRID)
        right.addWidget(self.parity)
        right.addWidget(preview, 1)
        page = QWidget()
        sides = row(spacing=2 * GRID)
        sides.addLayout(column, 1)
        sides.addLayout(right, 1)
        sides.setContentsMargins(0, 0, 0, 0)
        page.setLayout(sides)
        return page

    def _build_place(self) -> Section:
        place = Section(self.tr("Where to"))
        self.folder_label = ElidedLabel(str(self._folder), "", Qt.TextElideMode.ElideMiddle)
        self.folder_button = buttons.secondary(self.tr("Choose folder…"), self._browse, "folder")
        chosen = row(self.folder_label, self.folder_button)
        chosen.setStretch(0, 1)
        self.name = QLineEdit()
        self.name.setMaxLength(120)
        self.name.setAccessibleName(self.tr("Name of the new folder"))
        self.name.textChanged.connect(self._show_state)
        title = label(self.tr("Name of the new folder"), "muted")
        title.setBuddy(self.name)
        place.add(chosen)
        place.add(title)
        place.add(self.name)
        return place

    # --- the page's own doors ---------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Adapters may have come or gone."""
        self._list_runs()

    def start(self) -> bool:
        """Ctrl+Enter: export."""
        if not self.export_button.isEnabled():
            return False
        self._on_export()
        return True

    def escape(self) -> bool:
        """Esc: close the message; an export is ended by its own button alone."""
        if self.message.isHidden():
            return False
        self.message.clear()
        return True

    def panes(self) -> list[QWidget]:
        """Choices, then the card."""
        return [self.run_combo, self.card]

    def set_folder(self, folder: Path) -> None:
        """Where the new folder is put."""
        self._folder = folder
        self.folder_label.set_text(str(folder))

    def show_run(self, folder: RunFolder) -> None:
        """Offer this run."""
        self._list_runs()
        self.run_combo.setCurrentIndex(self.run_combo.findData(folder.id))

    # --- what is exported -------------------------------------------------------------------------------

    def _list_runs(self) -> None:
        shown = self.run_combo.currentData()
        self._runs = [run for run in self.workplace.runs() if run.has_adapter and run.state != "running"]
        self.run_combo.blockSignals(True)
        self.run_combo.clear()
        for run in self._runs:
            self.run_combo.addItem(f"{run.job.name} · {run.job.model_name} · {run.job.dataset_name}", run.id)
        self.run_combo.setCurrentIndex(max(0, self.run_combo.findData(shown)))
        self.run_combo.blockSignals(False)
        self.stack.setCurrentIndex(1 if self._runs else 0)
        if self._runs and (self.run_combo.currentData() != shown or not self.card.toPlainText()):
            self._on_run_changed()
        self._show_state()

    def _run(self) -> RunSummary | None:
        place = self.run_combo.currentIndex()
        return self._runs[place] if 0 <= place < len(self._runs) else None

    def _on_run_changed(self) -> None:
        run = self._run()
        if run is None:
            return
        folder = RunFolder(run.folder)
        size = sum(path.stat().st_size for path in folder.adapter.iterdir() if path.is_file())
        facts = self.tr("{steps} steps, {moment}; the adapter has {size}.")
        if not run.steps:  # only what was combined of others has none
            facts = self.tr("Combined {moment}; the adapter has {size}.")
        self.run_facts.setText(
            facts.format(steps=wording.number(run.steps), moment=wording.moment(run.started), size=wording.size(size))
        )
        self.name.setText(folder_name(f"{run.job.name}-{run.job.model_name}"))
        self.forms.show_run(run)
        self._show_card()
        self.parity.show_parity(None)
        self.message.clear()

    def _on_form_changed(self) -> None:
        self._show_card()
        self.parity.show_parity(None)  # what was told is of the form before
        self.message.clear()

    def _show_card(self) -> None:
        run = self._run()
        if run is not None:
            self.card.setPlainText(card_text(RunFolder(run.folder), run, self.forms.form(), None, self.forms.numbers()))

    def _browse(self) -> None:
        title = self.tr("Choose where the new folder is put")
        chosen = QFileDialog.getExistingDirectory(self.window(), title, str(self._folder))
        if chosen:
            self.set_folder(Path(chosen))

    # --- exporting --------------------------------------------------------------------------------------

    def _on_export(self) -> None:
        run, name = self._run(), self.name.text().strip()
        if run is None or self.job.going or self.combining.going or not name:
            return
        self.message.clear()
        self.parity.show_parity(None)
        self._show_card()  # the one before may tell how the files of another export compare
        self.progress.start()
        self.job.start(
            ExportJob(
                run=str(run.folder),
                export=self.forms.form(),
                destination=str(self._folder / name),
                numbers=self.forms.numbers(),
                check=self.forms.wants_check(),
            )
        )

    # --- combining --------------------------------------------------------------------------------------

    def _ask_to_combine(self) -> None:
        dialog = CombineDialog(self._runs, self.window())
        dialog.accepted.connect(lambda: self.combine(dialog.chosen()))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def combine(self, work: CombineJob) -> None:
        """Make one adapter of several; the new run is then offered here and everywhere."""
        self.message.clear()
        self.progress.start()
        self.combining.start(work)

    def _on_combined(self, event: Combined) -> None:
        folder = RunFolder(Path(event.run))
        self.workplace.runs_changed.emit()
        self.show_run(folder)
        self.message.show_text(
            "success",
            self.tr("{name} was made.").format(name=event.name),
            self.tr("It is a run like any other and remembers what it was made of."),
            actions=[(self.tr("Chat with it"), lambda: self.workplace.open_chat(folder))],
        )

    def _on_stop_wanted(self) -> None:
        self.job.stop()
        self.combining.stop()

    def _on_progressed(self, progress: Progress) -> None:
        self.progress.show_progress(progress)

    def _on_failed(self, problem: Problem) -> None:
        if problem.code in ("export.stopped", "combine.stopped"):
            self.message.show_problem(problem, kind="info")
            return
        if problem.code.startswith(("combine.", "adapter.")):
            self.message.show_problem(problem, [(self.tr("Combine adapters…"), self._ask_to_combine)])
            return
        actions = []
        if problem.code in OF_THE_PLACE:
            actions = [(self.tr("Choose folder…"), self._browse)]
        elif problem.code == "export.exists":
            actions = [(self.tr("Export under another name"), self._export_beside)]
        elif problem.code in ("export.base_missing", "export.other_base", "export.base_changed"):
            actions = [(self.tr("Open Models"), lambda: self.page_wanted.emit("models"))]
        self.message.show_problem(problem, actions)

    def _on_done(self, event: Exported) -> None:
        self._exported = event
        self.parity.show_parity(event.parity)
        run = self._run()
        if run is not None and event.parity is not None:
            form = self.forms.form()
            self.card.setPlainText(card_text(RunFolder(run.folder), run, form, event.parity, self.forms.numbers()))
        self.message.show_text(
            "success",
            self.tr("Exported to {name}.").format(name=Path(event.path).name),
            self.tr("{count} files, {size}: {names}").format(
                count=len(event.files), size=wording.size(event.total_bytes), names=", ".join(event.files)
            ),
            actions=[(self.tr("Open folder"), self._open_folder)],
        )

    def _export_beside(self) -> None:
        stem = re.sub(r"-\d+$", "", self.name.text().strip())
        taken = (number for number in range(2, 1000) if not (self._folder / f"{stem}-{number}").exists())
        self.name.setText(f"{stem}-{next(taken, 1000)}")
        self._on_export()

    def _open_folder(self) -> None:
        if self._exported is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(self._exported.path))

    def _show_state(self) -> None:
        name = self.name.text().strip()
        plain = bool(name) and not re.search(r"[/\\]", name) and name not in (".", "..")
        problem = name_problem(name) if plain else None
        words = "" if plain else self.tr("The name must be that of one new folder.")
        if problem is not None:
            told = wording.told_problem(problem)
            words = f"{told.what} {told.why}"
        busy = self.job.going or self.combining.going
        self.export_button.setEnabled(not words and not busy and bool(self._runs))
        if not words and name.startswith("."):
            words = self.tr("Most programs do not show a folder whose name begins with a dot.")
        self.progress.setVisible(busy)
        for widget in (self.run_combo, self.forms):
            widget.setEnabled(not busy)
        several = sum(map(can_be_combined, self._runs)) > 1
        self.combine_button.setEnabled(several and not busy)
        self.combine_button.setToolTip("" if several else self.tr("Two runs by LoRA are needed."))
        self.state.setText("" if busy else words)


def folder_name(text: str) -> str:
    """A name that every system takes, from names that people gave."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-. ")[:100] or "adapter"

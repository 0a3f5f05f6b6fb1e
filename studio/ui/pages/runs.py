"""Runs: all of them, newest first; each replayed through the live plot; several laid over each other."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QKeySequence, QShortcut
from PySide6.QtWidgets import QInputDialog, QMessageBox, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from studio.contract.errors import StudioError
from studio.contract.memory_fit import Change
from studio.contract.run_folder import RunFolder
from studio.data import adapter_choice, run_history, run_room, starting_over
from studio.data.run_history import RunSummary
from studio.data.run_label import Label, write_label
from studio.supervisor import relief_of_run, run_trash
from studio.supervisor.workplace import Workplace
from studio.ui import failures, wording
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.labels import label
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.run_curves import PlottedRun
from studio.ui.widgets.run_detail import RunDetail
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_label_form import RunLabelForm
from studio.ui.widgets.run_list import RunList
from studio.ui.widgets.runs_room import RunsRoom
from studio.ui.widgets.search_field import SearchField
from studio.ui.widgets.waiting_runs import WaitingRuns

MOST_COMPARED = 8


class RunsPage(Page):
    """A list on the left, the chosen run on the right."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self.feed = RunFeed(self)
        self._compared: dict[Path, RunFeed] = {}
        self._shown: list[Path] = []
        self._build()
        self.list.chosen.connect(self._on_chosen)
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.list, self._delete)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        detail = self.detail
        detail.chat_wanted.connect(lambda: self._with_chosen(workplace.open_chat))
        detail.export_wanted.connect(self._export)
        detail.resume_wanted.connect(self._resume)
        detail.start_over_wanted.connect(self._start_over)
        detail.changes_wanted.connect(self._take_changes)
        detail.watch_wanted.connect(self._watch)
        detail.adapter_wanted.connect(self._use_adapter)
        detail.rename_wanted.connect(self._ask_name)
        detail.label_wanted.connect(self._ask_label)
        detail.folder_wanted.connect(self._show_folder)
        detail.delete_wanted.connect(self._delete)
        detail.view.told.connect(workplace.told)
        detail.view.failed_to_save.connect(lambda words: self.message.show_text("error", words))
        line = workplace.queue
        self.waiting.move_wanted.connect(line.move)
        self.waiting.remove_wanted.connect(line.remove)
        line.changed.connect(self._show_line)
        workplace.runs_changed.connect(self._on_runs_changed)
        workplace.run_event.connect(self._on_run_event)
        self.refill()
        self._show_line()

    def _build(self) -> None:
        self.empty = EmptyState(
            self.tr("There are no runs yet."),
            self.tr("Start the first one"),
            self.tr("Each run is kept here with its curves, settings and result."),
            "runs",
        )
        self.empty.action_wanted.connect(lambda: self.page_wanted.emit("train"))
        self.message = MessageBar()
        self.search = SearchField(self.tr("Search the runs"))
        self.search.textChanged.connect(self.refill)
        self.list = RunList()
        self.list.setMinimumWidth(220)
        self.waiting = WaitingRuns()
        self.room = RunsRoom()
        self.room.clean_wanted.connect(self._ask_clean)
        self.hint = label("", "muted", wrap=True)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(3 * GRID, 2 * GRID, GRID, GRID)
        column.addWidget(self.search)
        column.addWidget(self.waiting)
        column.addWidget(self.list, 1)
        column.addWidget(self.hint)
        column.addWidget(self.room)
        self.detail = RunDetail(self.feed)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.detail)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([330, 620])
        full = QWidget()
        rows = QVBoxLayout(full)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.message)
        rows.addWidget(self.splitter, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(full)
        self._full = full
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack)

    # --- what the window asks -----------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Runs may have come, gone or ended."""
        self.refill()
        self.room.show_runs(self.workplace.runs())
        if self.stack.currentWidget() is self._full:
            self.detail.view.load_plot()

    def show_run(self, folder: RunFolder) -> None:
        """Choose this run; its failure is told here."""
        self.workplace.failed_runs.drop(folder)
        self.search.clear()
        self.refill()
        self.list.select([folder.path])

    def start(self) -> bool:
        """Ctrl+Enter: chat with the chosen run."""
        if self.stack.currentWidget() is self._full and self.detail.chat.isVisible():
            self._with_chosen(self.workplace.open_chat)
            return True
        return False

    def escape(self) -> bool:
        """Esc closes the message."""
        if self.message.isHidden():
            return False
        self.message.dismiss()
        return True

    def panes(self) -> list[QWidget]:
        """The list, the chosen run."""
        if self.stack.currentWidget() is self.empty:
            return [self.empty.action]
        return [self.list, self.detail.tabs]

    # --- showing ------------------------------------------------------------------------------------------

    def _show_line(self) -> None:
        line = self.workplace.queue.waiting()
        self.waiting.show_line(line)
        if line:
            self.stack.setCurrentWidget(self._full)

    def _on_runs_changed(self) -> None:
        if self.isVisible():
            self.refill()
            self.room.show_runs(self.workplace.runs())

    def refill(self) -> None:
        """Read the runs anew; what is chosen stays chosen."""
        known = self.workplace.runs()
        self.stack.setCurrentWidget(self._full if known or self.workplace.queue.waiting() else self.empty)
        words = self.search.text().casefold().split()
        summaries = [summary for summary in known if all(word in _searched(summary) for word in words)]
        self.list.take(summaries)
        found = self.tr("Choose several with Ctrl to compare them.")
        self.hint.setText(found if summaries else self.tr("No run has these words in its name, data, tags or note."))
        chosen = self.list.selected()
        if summaries and not chosen:
            self.list.select([])
        elif chosen:
            self._show(chosen)

    def _on_chosen(self, chosen: list[RunSummary]) -> None:
        if chosen:
            self._show(chosen)

    def _show(self, chosen: Sequence[RunSummary]) -> None:
        if len(chosen) > MOST_COMPARED:
            words = self.tr("At most {count} runs are compared at once; the newest of the chosen ones are shown.")
            self.message.show_text("info", words.format(count=MOST_COMPARED))
            chosen = chosen[:MOST_COMPARED]
        found = None
        if len(chosen) == 1 and chosen[0].state == "failed":
            found = relief_of_run.relief_of(RunFolder(chosen[0].folder), self.workplace.device)
        self.detail.show_runs(chosen, found)
        folders = [summary.folder for summary in chosen]
        if folders == self._shown:
            return
        self._shown = folders
        if len(chosen) > 1:
            self._compare(chosen)
            return
        self._drop_compared([])
        self.detail.view.lay_over([])
        self.feed.begin(RunFolder(chosen[0].folder), chosen[0].job.name)

    def _compare(self, chosen: Sequence[RunSummary]) -> None:
        self._drop_compared([summary.folder for summary in chosen])
        for summary in chosen:
            if summary.folder not in self._compared:
                feed = RunFeed(self)
                feed.changed.connect(self.detail.view.refresh)
                feed.begin(RunFolder(summary.folder), summary.job.name)
                self._compared[summary.folder] = feed
        runs = [PlottedRun(summary.job.name, self._compared[summary.folder].curves) for summary in chosen]
        self.detail.view.lay_over(runs)

    def _drop_compared(self, keep: Sequence[Path]) -> None:
        for folder in [known for known in self._compared if known not in keep]:
            feed = self._compared.pop(folder)
            feed.end()
            feed.deleteLater()

    def _on_run_event(self, event: object) -> None:
        """A run that goes on and is looked at here goes on here too."""
        active = self.workplace.active
        if active is None:
            return
        for feed in (self.feed, *self._compared.values()):
            if feed.folder == active.folder:
                feed.feed(event)

    # --- doing --------------------------------------------------------------------------------------------

    def _with_chosen(self, act: object) -> None:
        chosen = self.list.selected()
        if len(chosen) == 1 and callable(act):
            act(RunFolder(chosen[0].folder))

    def _export(self) -> None:
        self._with_chosen(self.workplace.choose_export)
        self.page_wanted.emit("export")

    def _resume(self) -> None:
        self._take_up(self.workplace.resume_run)

    def _start_over(self) -> None:
        def anew(folder: RunFolder) -> None:
            starting_over.start_over(folder)
            self.workplace.resume_run(folder)

        self._take_up(anew)

    def _take_up(self, act: Callable[[RunFolder], None]) -> None:
        try:
            self._with_chosen(act)
            self._with_chosen(self.workplace.failed_runs.drop)
        except (StudioError, OSError) as error:
            self.message.show_problem(failures.problem_of(error))
            return
        self.page_wanted.emit("train")

    def _take_changes(self, changes: Sequence[Change]) -> None:
        try:
            self._with_chosen(lambda folder: relief_of_run.take(folder, changes))
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self._resume()

    def _use_adapter(self, which: adapter_choice.Which) -> None:
        try:
            self._with_chosen(lambda folder: adapter_choice.use(folder, which))
        except StudioError as error:
            self.message.show_problem(error.problem)
        self.refill()

    def _watch(self) -> None:
        if self.workplace.active is None:  # another window started it: it is followed from here, too
            self._with_chosen(self.workplace.resume_run)
        self.page_wanted.emit("train")

    def _ask_name(self) -> None:
        chosen = self.list.selected()
        if len(chosen) != 1:
            return
        name, agreed = QInputDialog.getText(self, self.tr("Rename the run"), self.tr("Name"), text=chosen[0].job.name)
        if agreed:
            self.rename(RunFolder(chosen[0].folder), name)

    def rename(self, folder: RunFolder, name: str) -> None:
        """Give a run another name."""
        try:
            run_history.rename(folder, name)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self._shown = []
        self.workplace.runs_changed.emit()
        self.refill()

    def _ask_label(self) -> None:
        chosen = self.list.selected()
        if len(chosen) != 1:
            return
        form = RunLabelForm(chosen[0].job.name, chosen[0].label, self)
        if form.exec():
            self.set_label(RunFolder(chosen[0].folder), form.chosen())
        form.deleteLater()

    def set_label(self, folder: RunFolder, chosen: Label) -> None:
        """Give a run tags and a note."""
        try:
            write_label(folder, chosen)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        self.refill()

    def _ask_clean(self) -> None:
        if self.room.agreed():
            self.clean_up()

    def clean_up(self) -> None:
        """Delete what no run needs any more."""
        try:
            freed = run_room.clean(self.room.spares)
            self.workplace.told.emit(self.tr("Freed {size}.").format(size=wording.size(freed)))
        except StudioError as error:
            self.message.show_problem(error.problem)
        self.room.show_runs(self.workplace.runs())

    def _show_folder(self) -> None:
        self._with_chosen(lambda folder: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder.path))))

    def _delete(self) -> None:
        """The chosen runs go to the trash; a toast brings them back."""
        gone: list[tuple[Path, RunFolder]] = []
        chosen = self.list.selected()
        for summary in chosen:
            folder = RunFolder(summary.folder)
            try:
                gone.append((run_trash.move_to_trash(folder), folder))
            except StudioError as error:
                actions = [(self.tr("Delete for good…"), partial(self._ask_for_good, folder, summary.job.name))]
                self.message.show_problem(error.problem, actions if error.problem.code == "run.no_trash" else [])
                break
        if not gone:
            return
        self._forget_shown()
        names = ", ".join(summary.job.name for summary in chosen[: len(gone)])
        words = self.tr("Moved to the trash: {names}").format(names=names)
        toasts = getattr(self.window(), "toasts", None)
        if toasts is not None and all(trashed.name for trashed, _ in gone):
            toasts.say(words, self.tr("Undo"), partial(self.take_back, gone))
        else:
            self.workplace.told.emit(words)

    def take_back(self, gone: list[tuple[Path, RunFolder]]) -> None:
        """Undo a deletion."""
        for trashed, folder in gone:
            try:
                run_trash.take_back(trashed, folder)
            except StudioError as error:
                self.message.show_problem(error.problem)
        self.workplace.runs_changed.emit()
        self.refill()

    def _ask_for_good(self, folder: RunFolder, name: str) -> None:
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle(self.tr("Delete the run"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(self.tr("Delete {name} for good? There is no way back.").format(name=name))
        delete = box.addButton(self.tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.exec()
        if box.clickedButton() is delete:
            try:
                run_history.delete_for_good(folder)
            except StudioError as error:
                self.message.show_problem(error.problem)
            self._forget_shown()

    def _forget_shown(self) -> None:
        """A shown run is gone: its feed must not read on."""
        self.feed.end()
        self._drop_compared([])
        self._shown = []
        QTimer.singleShot(0, self.workplace.runs_changed.emit)
        self.refill()


def _searched(summary: RunSummary) -> str:
    """What a search looks at, in small letters."""
    work, label = summary.job, summary.label
    return " ".join((work.name, work.model_name, work.dataset_name, summary.id, *label.tags, label.note)).casefold()

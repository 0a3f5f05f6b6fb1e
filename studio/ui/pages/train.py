"""Train: what is trained on what and how; then the run itself, live; then how it went."""

from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import Problem, StudioError
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, starter_folder
from studio.contract.settings import TrainSettings
from studio.data.row_split import RowSplit
from studio.supervisor.workplace import SAMPLE, Workplace
from studio.ui import wording
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_progress import RunProgress
from studio.ui.widgets.run_header import RunHeader
from studio.ui.widgets.run_view import RunView
from studio.ui.widgets.train_setup import Choice, TrainSetup
from studio.ui.widgets.verdict import VerdictCard

_WARM_UP_MS = 1500
"""The plot is brought in a while after the page was made, before anyone needs it."""


class TrainPage(Page):
    """Before, during and after a run."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self._split: RowSplit | None = None
        self._touched = False  # the user has settings of his own: they are not replaced by the sample's
        self.feed = RunFeed(self)
        self._build()
        self._connect()
        self._fill_models()
        self._fill_datasets()
        if workplace.settings is not None:
            self.setup.form.set_settings(workplace.settings)
        if workplace.device is not None:
            self.setup.form.set_device(workplace.device)
        if workplace.active is not None:
            self._on_run_started(workplace.active.folder)
        else:
            self._show_right_view()
        warm_up = QTimer(self)
        warm_up.setSingleShot(True)
        warm_up.timeout.connect(self.view.load_plot)
        warm_up.start(_WARM_UP_MS)

    def _build(self) -> None:
        self.setup = TrainSetup()
        self.empty = EmptyState(
            self.tr("There is nothing to learn from yet."),
            self.tr("Add your examples"),
            self.tr("A table of questions and answers is enough."),
            "train",
            self.tr("Try it with the sample"),
        )
        self.header = RunHeader()
        self.verdict = VerdictCard()
        self.verdict.hide()
        self.saving = MessageBar()
        self.view = RunView(self.feed)
        self.live = QWidget()
        column = QVBoxLayout(self.live)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        column.setSpacing(GRID + 4)
        for widget in (self.header, self.verdict, self.saving):
            column.addWidget(widget)
        column.addWidget(self.view, 1)
        self.stack = QStackedWidget()
        for view in (self.empty, self.setup, self.live):
            self.stack.addWidget(view)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack)

    def _connect(self) -> None:
        workplace, setup = self.workplace, self.setup
        self.empty.action_wanted.connect(lambda: self.page_wanted.emit("data"))
        self.empty.link_wanted.connect(self._try_sample)
        setup.page_wanted.connect(self.page_wanted)
        setup.model_picked.connect(self._on_model_picked)
        setup.dataset_picked.connect(self._on_dataset_picked)
        setup.general_wanted.connect(self._ask_general)
        setup.general_removed.connect(lambda: workplace.choose_general(""))
        setup.start_clicked.connect(self._on_start_clicked)
        setup.form.settings_changed.connect(self._on_settings_changed)
        setup.form.problems_changed.connect(lambda _: self._show_start())
        self.header.resume_wanted.connect(workplace.resume)
        self.header.resume_run_wanted.connect(self._resume_run)
        self.header.new_run_wanted.connect(self.new_run)
        self.header.force_wanted.connect(workplace.force_stop)
        self.verdict.compare_wanted.connect(self._compare)
        self.verdict.export_wanted.connect(self._export)
        self.verdict.new_run_wanted.connect(self.new_run)
        self.view.told.connect(workplace.told)
        self.view.failed_to_save.connect(lambda words: self.saving.show_text("error", words))
        self.feed.changed.connect(self._show_progress)
        self.feed.replayed.connect(self._on_replayed)
        workplace.models_changed.connect(self._fill_models)
        workplace.model_chosen.connect(self._on_model_chosen)
        workplace.datasets_changed.connect(self._fill_datasets)
        workplace.dataset_chosen.connect(self._on_dataset_chosen)
        workplace.device_reported.connect(setup.form.set_device)
        workplace.import_progressed.connect(self._on_import_progressed)
        workplace.import_ended.connect(self._on_import_ended)
        workplace.run_started.connect(self._on_run_started)
        workplace.run_event.connect(self.feed.feed)
        workplace.run_silent.connect(self.feed.silence)
        workplace.run_ended.connect(self._on_run_ended)

    # --- what the window asks -----------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Datasets and names may be others by now."""
        self._fill_datasets()
        self._fill_models()
        self._show_right_view()

    def start(self) -> bool:
        """Ctrl+Enter: start, or compare once a run is done."""
        if self.stack.currentWidget() is self.setup:
            self._on_start_clicked()
            return True
        if self.stack.currentWidget() is self.live and self.verdict.isVisible() and self.verdict.compare.isVisible():
            self._compare()
            return True
        return False

    def find(self) -> bool:
        """Ctrl+F: search the settings."""
        if self.stack.currentWidget() is not self.setup:
            return False
        self.setup.form.focus_search()
        return True

    def escape(self) -> bool:
        """Esc: empty the search, close a message."""
        search = self.setup.form.search
        if self.stack.currentWidget() is self.setup and search.text():
            search.clear()
            return True
        for bar in (self.saving, self.header.notices):
            if bar.isVisible():
                bar.dismiss()
                return True
        return False

    def panes(self) -> list[QWidget]:
        """Where F6 goes: choices, settings, start; or plot and sample answer."""
        if self.stack.currentWidget() is self.setup:
            return [self.setup.model_box, self.setup.form.search, self.setup.start_button]
        if self.stack.currentWidget() is self.live:
            plot = [self.view.plot.main] if self.view.plot is not None else []
            return [*plot, self.view.answers.earlier]
        return [self.empty.action]

    def hideEvent(self, event: QHideEvent) -> None:
        """A message about a picture is old news when one comes back."""
        super().hideEvent(event)
        self.saving.clear()

    # --- before a run -------------------------------------------------------------------------------------

    def _fill_models(self, *_: object) -> None:
        chosen = self.workplace.model
        choices = [
            Choice(model.path, model.name, "" if model.usable else _reason(model)) for model in self.workplace.models()
        ]
        self.setup.model_box.fill(choices, chosen.path if chosen is not None else "")
        self._show_start()

    def _fill_datasets(self) -> None:
        chosen = self.workplace.dataset
        words = self.tr("{name} ({rows} examples)")
        choices = [
            Choice(info.id, words.format(name=info.name, rows=wording.number(info.usable)))
            for info in self.workplace.datasets()
        ]
        self.setup.data_box.fill(choices, chosen.id if chosen is not None else "")
        self._take_split()
        self._show_start()

    def _on_model_picked(self, path: str) -> None:
        picked = next((model for model in self.workplace.models() if model.path == path), None)
        self.workplace.choose_model(picked)

    def _on_dataset_picked(self, identity: str) -> None:
        picked = next((info for info in self.workplace.datasets() if info.id == identity), None)
        self.workplace.choose_dataset(picked)

    def _on_model_chosen(self, _: object) -> None:
        self._fill_models()
        self._suit_sample()

    def _on_dataset_chosen(self, _: object) -> None:
        self._fill_datasets()
        self._suit_sample()
        self._show_right_view()

    def _take_split(self) -> None:
        """Read how the chosen dataset divides; only while someone can see it."""
        self._split = None
        if self.workplace.dataset is None or not self.isVisible():
            return
        try:
            self._split = RowSplit(Path(self.workplace.dataset.folder))
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)

    def _is_sample(self) -> bool:
        model, data = self.workplace.model, self.workplace.dataset
        return model is not None and model.path == str(starter_folder()) and data is not None and data.id == SAMPLE

    def _suit_sample(self) -> None:
        """Settings follow the choice of the sample, unless the user made them his own."""
        sample = load_preset("sample").settings()
        now = self.setup.form.settings()
        if self._is_sample() and not self._touched:
            self.setup.use_sample_settings()
            self._touched = False
        elif not self._is_sample() and now == sample:
            self.setup.form.set_preset("balanced")  # they suit nothing else
            self._touched = False
        self._show_start()

    def _on_settings_changed(self, settings: TrainSettings) -> None:
        self._touched = settings != load_preset(self.setup.form.preset).settings() and not (
            self._is_sample() and settings == load_preset("sample").settings()
        )
        self.workplace.choose_settings(settings)
        self._show_start()

    def _show_start(self) -> None:
        """What is missing, or what would be started."""
        setup, model, data = self.setup, self.workplace.model, self.workplace.dataset
        settings = setup.form.settings()
        button, summary = self._start_words(settings)
        setup.show_start(button, summary)
        sample = self._is_sample()
        setup.show_sample(sample, sample and settings == load_preset("sample").settings())
        general = model.general if model is not None else ""
        own = bool(general) and model is not None and Path(general).parent == Path(model.path)
        setup.show_general(general, own, model.name if model is not None else "", settings)
        setup.form.set_sources(model.path if model is not None else "", data.folder if data is not None else "")

    def _start_words(self, settings: TrainSettings | None) -> tuple[str, str]:
        model, data, problems = self.workplace.model, self.workplace.dataset, self.setup.form.problems
        if data is None:
            return self.tr("Choose a dataset"), self.tr("A dataset is missing: what should it learn from?")
        if model is None:
            return self.tr("Choose a model"), self.tr("A model is missing: what should learn?")
        if not model.usable:
            return self.tr("Choose another model"), _reason(model)
        if settings is None:
            words = self.tr("Show the problem") if len(problems) == 1 else self.tr("Show the problems")
            return words, " ".join(problem.what for problem in problems)
        return self.tr("Start training"), self._summary(settings)

    def _summary(self, settings: TrainSettings) -> str:
        parts = []
        if self._split is not None:
            train, held_back = self._split.counts(settings.held_back_share)
            words = self.tr("Ready: {train} train / {test} test")
            if not self._split.exact:
                words = self.tr("Ready: about {train} train / {test} test")
            parts.append(words.format(train=wording.number(train), test=wording.number(held_back)))
        else:
            parts.append(self.tr("Ready"))
        if settings.max_steps:
            parts.append(self.tr("at most {steps} steps").format(steps=wording.number(settings.max_steps)))
        if settings.time_box_minutes:
            parts.append(self.tr("within {time}").format(time=wording.duration(settings.time_box_minutes * 60)))
        minutes = settings.save_every_minutes
        saves = self.tr("saves every {time}").format(time=wording.duration(minutes * 60)) if minutes else ""
        parts.append(saves or self.tr("saves at the end only"))
        return " · ".join(parts)

    def _on_start_clicked(self) -> None:
        """Start, or lead to what is missing."""
        setup, workplace = self.setup, self.workplace
        problems = setup.form.problems
        if workplace.dataset is None:
            setup.data_box.setFocus()
            setup.data_box.showPopup()
        elif workplace.model is None or not workplace.model.usable:
            setup.model_box.setFocus()
            setup.model_box.showPopup()
        elif problems:
            setup.form.show_setting(problems[0].where)
        else:
            self._start_training()

    def _start_training(self) -> None:
        settings = self.setup.form.settings()
        if settings is None:
            return
        try:
            work = self.workplace.training_job(settings, self.setup.name_edit.text().strip())
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)
            return
        if self.workplace.start_training(work) is not None:
            self.setup.name_edit.clear()

    def _try_sample(self) -> None:
        try:
            self.workplace.start_sample()
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)
        self._show_right_view()

    def _ask_general(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("General examples"), "", self.tr("Chat examples (*.jsonl *.json *.csv)")
        )
        if chosen:
            self.workplace.choose_general(chosen)

    # --- the run ------------------------------------------------------------------------------------------

    def _show_right_view(self) -> None:
        """The run while there is one to see; else the setup, or the empty page."""
        waiting = self.workplace.run_waiting
        if self.feed.folder is not None or waiting is not None:
            if waiting is not None and self.workplace.active is None:
                self.feed.end()
                self.header.begin(waiting)
                self.verdict.hide()
                self.header.show()
            self.view.load_plot()
            self.stack.setCurrentWidget(self.live)
        elif self.workplace.dataset is None and not self.workplace.datasets():
            self.stack.setCurrentWidget(self.empty)
        else:
            self.setup.name_edit.setPlaceholderText(self.workplace.next_run_name())
            self.stack.setCurrentWidget(self.setup)
            if self._split is None:
                self._take_split()
                self._show_start()

    def new_run(self) -> None:
        """Back to the setup."""
        self.feed.end()
        self._show_right_view()

    def _on_import_progressed(self, event: object) -> None:
        if self.workplace.run_waiting is not None and isinstance(event, events.Progress):
            self.header.show_progress(RunProgress(stage=event))

    def _on_import_ended(self, event: object) -> None:
        self._fill_datasets()
        if isinstance(event, events.Failed):
            self._show_right_view()

    def _on_run_started(self, folder: RunFolder) -> None:
        work = self.workplace.active_job
        self.header.begin(work)
        self.saving.clear()
        self.feed.begin(folder, work.name if work is not None else folder.id)
        self.feed.progress.begin_again()
        self._show_right_view()

    def _on_replayed(self) -> None:
        active = self.workplace.active
        if active is not None and active.folder == self.feed.folder and self.feed.progress.ended:
            self.feed.progress.begin_again()  # what was replayed is the earlier part of a run that goes on
            self._show_progress()

    def _on_run_ended(self, folder: RunFolder) -> None:
        if folder == self.feed.folder and not self.feed.progress.ended and not self.feed.replaying:
            self.feed.begin(folder, self.feed.name)  # its files know how it ended

    def _show_progress(self) -> None:
        progress = self.feed.progress
        self.header.show_progress(progress)
        finished = progress.finished
        self.header.setVisible(finished is None)
        if finished is not None and self.verdict.isHidden():
            self.verdict.show_end(finished)
        self.verdict.setVisible(finished is not None)

    def _compare(self) -> None:
        if self.feed.folder is not None:
            self.workplace.open_chat(self.feed.folder)

    def _export(self) -> None:
        if self.feed.folder is not None:
            self.workplace.choose_export(self.feed.folder)
            self.page_wanted.emit("export")

    def _resume_run(self) -> None:
        folder = self.feed.folder
        if folder is None:
            return
        try:
            self.workplace.resume_run(folder)
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)


def _reason(model: events.ModelChecked) -> str:
    """Why a model cannot be trained."""
    problem = next(iter(model.problems), Problem(code="model.unusable", what=model.name))
    return problem.sentence().replace("\n", " ")


"""Train, before a run: model, data and settings from the workplace; [Start training] or what is missing for it."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import Problem, StudioError
from studio.contract.plan import FEW_STEPS, steps_before_start
from studio.contract.presets import load_preset
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.data.compared import compared
from studio.data.dataset import DatasetInfo
from studio.data.edits import rows_kept
from studio.data.row_split import RowSplit
from studio.supervisor.checkup import known_too_long, longest_text
from studio.supervisor.workplace import Workplace
from studio.ui import failures, wording
from studio.ui.pages.train_planning import TrainPlanning
from studio.ui.pages.train_start import Beginning
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import row
from studio.ui.widgets.train_setup import Choice, TrainSetup


class BeforeRun(QWidget):
    """Wires a `TrainSetup` to the workplace. Made when it is first needed: a form of forty settings takes its time.

    Attributes:
        setup: The widgets.
    """

    page_wanted = Signal(str)
    watch_wanted = Signal()  # the run that goes on

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workplace = workplace
        self._split: RowSplit | None = None
        self._beginning = Beginning(workplace)
        self._touched = False  # the user has settings of his own: they are not replaced by the sample's
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self.setup = setup = TrainSetup(self)
        self.going = QWidget()
        self.going_words = label("", wrap=True)
        watch = buttons.secondary(self.tr("Watch it"), self.watch_wanted.emit, "train")
        line = row(IconLabel("info", "accent"), self.going_words, watch)
        line.setStretch(1, 1)
        line.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 0)
        self.going.setLayout(line)
        outer.addWidget(self.going)
        outer.addWidget(setup)
        self.planning = TrainPlanning(workplace, setup, self)
        setup.form.ask_limits(self._unfitting)
        if workplace.settings is not None:
            setup.form.set_settings(workplace.settings)
        if workplace.device is not None:
            setup.form.set_device(workplace.device)
        self._fill_models()
        self._fill_datasets()
        self._show_start()  # the doctor may have counted meanwhile
        setup.page_wanted.connect(self.page_wanted)
        setup.model_picked.connect(self._on_model_picked)
        setup.dataset_picked.connect(self._on_dataset_picked)
        setup.start_picked.connect(self._on_start_picked)
        setup.general_wanted.connect(self._ask_general)
        setup.general_removed.connect(lambda: workplace.models.choose_general(""))
        setup.start_clicked.connect(self.start)
        setup.form.settings_changed.connect(self._on_settings_changed)
        setup.form.problems_changed.connect(lambda _: self._show_start())
        workplace.run_started.connect(lambda _: self._show_going())
        workplace.run_ended.connect(lambda _: self._show_going())
        workplace.models_changed.connect(self._fill_models)
        workplace.model_chosen.connect(self._on_model_chosen)
        workplace.datasets_changed.connect(self._fill_datasets)
        workplace.dataset_chosen.connect(self._on_dataset_chosen)
        workplace.device_reported.connect(setup.form.set_device)
        workplace.device_reported.connect(lambda _: self._show_start())
        self._suit_sample()
        self._show_going()

    def _show_going(self) -> None:
        """What goes on meanwhile, and that the next run waits for it."""
        work = self.workplace.active_job
        self.going.setVisible(work is not None)
        words = self.tr("{name} is being trained. What you start here waits in line until it has ended.")
        self.going_words.setText(words.format(name=work.name) if work is not None else "")
        self._show_start()

    def showEvent(self, event: QShowEvent) -> None:
        """Names and datasets may be others by now."""
        super().showEvent(event)
        self.setup.name_edit.setPlaceholderText(self.workplace.next_run_name())
        self._fill_models()
        self._fill_datasets()
        self._fill_starts()

    def form(self) -> dict[str, Any]:
        """All that was chosen and typed, right or wrong."""
        model, data = self.workplace.model, self.workplace.dataset
        return {
            "values": self.setup.form.values(),
            "preset": self.setup.form.preset,
            "touched": self._touched,
            "name": self.setup.name_edit.text(),
            "model": model.path if model is not None else "",
            "dataset": data.id if data is not None else "",
            "start": self._beginning.id,
        }

    def fill(self, values: dict[str, Any]) -> None:
        """Take it up again; what was chosen in this window already stays."""
        if not values:
            return
        now, model = self.workplace.model, str(values.get("model"))
        is_first = now is None or now.path == str(starter_folder())
        if is_first and model in [known.path for known in self.workplace.models.all()]:
            self._on_model_picked(model)
        if self.workplace.dataset is None:
            self._on_dataset_picked(str(values.get("dataset")))
        self._fill_starts()
        self._on_start_picked(str(values.get("start")))
        self._fill_starts()
        if isinstance(values.get("values"), dict):
            self.setup.form.show_values(values["values"], str(values.get("preset")))
        self._touched = bool(values.get("touched"))
        self.setup.name_edit.setText(str(values.get("name", "")))
        self._show_start()

    def panes(self) -> list[QWidget]:
        """Choices, settings, start."""
        return [self.setup.model_box, self.setup.form.search, self.setup.start_button]

    def focus_search(self) -> None:
        """Search the settings."""
        self.setup.form.focus_search()

    def escape(self) -> bool:
        """Empty the search."""
        search = self.setup.form.search
        if not search.text():
            return False
        search.clear()
        return True

    # --- what is chosen -----------------------------------------------------------------------------------

    def _fill_models(self, *_: object) -> None:
        chosen = self.workplace.model
        choices = [
            Choice(model.path, model.name, "" if model.usable else _reason(model))
            for model in self.workplace.models.all()
        ]
        self.setup.model_box.fill(choices, chosen.path if chosen is not None else "")
        self._show_start()

    def _fill_datasets(self) -> None:
        chosen = self.workplace.dataset
        words = self.tr("{name} ({rows} examples)")
        infos = self.workplace.datasets()
        names = wording.told_apart([(info.name, info.created) for info in infos])
        choices = [
            Choice(info.id, words.format(name=name, rows=wording.number(rows_kept(Path(info.folder), info.usable))))
            for name, info in zip(names, infos, strict=True)
        ]
        self.setup.data_box.fill(choices, chosen.id if chosen is not None else "")
        self._take_split()
        self._show_start()

    def _fill_starts(self) -> None:
        words = self.tr("What {name} has learned")
        choices = [Choice(run.id, words.format(name=run.job.name)) for run in self._beginning.choices()]
        self.setup.show_starts(choices, self._beginning.id)

    def _on_start_picked(self, identity: str) -> None:
        """Going on needs the adapter's own way of tuning and size, so the form takes them."""
        settings = self.setup.form.settings() or load_preset(self.setup.form.preset).settings()
        try:
            taken = self._beginning.pick(identity, settings)
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)
        else:
            if self._beginning.run is not None:
                self.setup.form.set_settings(taken)
            self.setup.form.ask_limits(self._unfitting)  # what is begun with decides some of them
        self._show_start()

    def _unfitting(self, settings: TrainSettings) -> tuple[Problem, ...]:
        """What the chosen model forbids; the size of an adapter that is there is no choice any more."""
        model, data, goes_on = self.workplace.model, self.workplace.dataset, self._beginning.run is not None
        return self.planning.forecast.unfitting(model, data, settings, goes_on)

    def _on_model_picked(self, path: str) -> None:
        picked = next((model for model in self.workplace.models.all() if model.path == path), None)
        self.workplace.models.choose(picked)

    def _on_dataset_picked(self, identity: str) -> None:
        picked = next((info for info in self.workplace.datasets() if info.id == identity), None)
        self.workplace.choose_dataset(picked)

    def _on_model_chosen(self, _: object) -> None:
        self._fill_models()
        self._fill_starts()
        self._suit_sample()

    def _on_dataset_chosen(self, _: object) -> None:
        self._fill_datasets()
        self._suit_sample()

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
            self.setup.form.set_preset(SAMPLE)
            self._touched = False
        elif not self._is_sample() and now == sample:
            self.setup.form.set_preset("balanced")  # they suit nothing else
            self._touched = False
        self._show_start()

    def _on_settings_changed(self, settings: TrainSettings) -> None:
        self._touched = settings != load_preset(self.setup.form.preset).settings()
        self.workplace.choose_settings(settings)
        self._show_start()

    def _show_start(self) -> None:
        """What is missing, or what would be started."""
        setup, model, data = self.setup, self.workplace.model, self.workplace.dataset
        setup.form.set_sources(
            model.path if model is not None else "",
            data.folder if data is not None else "",
            model.model_type if model is not None else "",
            self._beginning.id,
        )
        settings = setup.form.settings()
        button, summary = self._start_words(settings)
        ready = settings is not None and data is not None and model is not None and model.usable
        setup.show_start(button, summary, ready and self._refused(data, model) is None)
        sample = self._is_sample()
        setup.show_sample(sample, sample and settings == load_preset("sample").settings())
        general = model.general if model is not None else ""
        own = bool(general) and model is not None and Path(general).parent == Path(model.path)
        setup.show_general(general, own, model.name if model is not None else "")
        rows = self._split.counts(settings.held_back_share)[0] if self._split is not None and settings else 0
        if self.isVisible():
            self.planning.refresh(settings, rows, self._beginning.folder(settings))

    def _start_words(self, settings: TrainSettings | None) -> tuple[str, str]:
        model, data, problems = self.workplace.model, self.workplace.dataset, self.setup.form.problems
        if data is None:
            return self.tr("Choose a dataset"), self.tr("A dataset is missing: what should it learn from?")
        if model is None:
            return self.tr("Choose a model"), self.tr("A model is missing: what should learn?")
        if not model.usable:
            return self.tr("Choose another model"), _reason(model)
        refused = self._refused(data, model)
        if refused is not None:
            return self.tr("Look at the data"), wording.told_problem(refused).sentence().replace("\n", " ")
        if settings is None:
            words = self.tr("Show the problem") if len(problems) == 1 else self.tr("Show the problems")
            return words, " ".join(wording.told(problem.what) for problem in problems)
        differs = self._beginning.refusal(settings)
        if differs is not None and self._beginning.run is not None:
            words = self.tr("It cannot go on from {name}. {why}")
            told = words.format(name=self._beginning.run.job.name, why=wording.told(differs.why))
            return self.tr("Begin with the model as it is"), told
        busy = self.workplace.active is not None
        return self.tr("Put it in line") if busy else self.tr("Start training"), self._summary(settings)

    def _refused(self, data: DatasetInfo | None, model: events.ModelChecked | None) -> Problem | None:
        """Why this model cannot learn from these rows, as far as it is known before the start."""
        if data is None or model is None:
            return None
        return compared(data) or self.workplace.refusals.get((data.folder, model.path))

    def _too_long(self, settings: TrainSettings) -> list[str]:
        data = self.workplace.dataset
        count = known_too_long(data, settings, self.workplace.model) if data is not None else 0
        words = self.tr("1 of them too long, left out") if count == 1 else self.tr("{count} of them too long, left out")
        return [words.format(count=wording.number(count))] if count else []

    def _summary(self, settings: TrainSettings) -> str:
        parts = []
        if self._split is not None:
            train, held_back = self._split.counts(settings.held_back_share)
            words = self.tr("Ready: {train} train / {test} test")
            if not self._split.exact:
                words = self.tr("Ready: about {train} train / {test} test")
            parts.append(words.format(train=wording.number(train), test=wording.number(held_back)))
            if not held_back and settings.held_back_share:
                parts.append(self.tr("nothing would show whether it learns: hold back more"))
            parts += self._too_long(settings)
            parts.append(self._steps(settings, train))
        else:
            parts.append(self.tr("Ready"))
        limit = longest_text(settings, self.workplace.model)
        if limit < settings.max_tokens:
            words = self.tr("texts up to {tokens} tokens: the model reads no more")
            parts.append(words.format(tokens=wording.number(limit)))
        if settings.max_steps and self._split is None:
            parts.append(self.tr("at most {steps} steps").format(steps=wording.number(settings.max_steps)))
        if settings.time_box_minutes:
            parts.append(self.tr("within {time}").format(time=wording.duration(settings.time_box_minutes * 60)))
        minutes = settings.save_every_minutes
        saves = self.tr("saves every {time}").format(time=wording.duration(minutes * 60)) if minutes else ""
        parts.append(saves or self.tr("saves at the end only"))
        parts += [remark] if (remark := self._beginning.remark()) else []
        return " · ".join(parts)

    def _steps(self, settings: TrainSettings, train_rows: int) -> str:
        model = self.workplace.model
        steps = steps_before_start(settings, train_rows, has_general=model is not None and bool(model.general))
        words = self.tr("about {steps} steps")
        if steps < FEW_STEPS:  # said before the time is spent
            words = self.tr("about {steps} steps, which teach little: more passes teach more")
        return words.format(steps=wording.number(steps))

    def start(self) -> None:
        """Start, or lead to what is missing."""
        setup, workplace = self.setup, self.workplace
        problems = setup.form.problems
        if workplace.dataset is None:
            setup.data_box.setFocus()
            setup.data_box.showPopup()
        elif workplace.model is None or not workplace.model.usable:
            setup.model_box.setFocus()
            setup.model_box.showPopup()
        elif self._refused(workplace.dataset, workplace.model) is not None:
            self.page_wanted.emit("data")
        elif problems:
            setup.form.show_setting(problems[0].where)
        else:
            self._start_training()

    def _start_training(self) -> None:
        settings = self.setup.form.settings()
        if settings is None:
            return
        if self._beginning.refusal(settings) is not None:
            self._beginning.forget()
            self.setup.form.ask_limits(self._unfitting)
            self._fill_starts()
            self._show_start()
            return
        try:
            name = self.setup.name_edit.text().strip()
            work = self.workplace.training_job(settings, name, self._beginning.folder(settings))
            self.workplace.start_training(work)
        except (StudioError, OSError) as error:
            self.workplace.problem_raised.emit(failures.problem_of(error))
            return
        self.setup.name_edit.clear()
        self.setup.name_edit.setPlaceholderText(self.workplace.next_run_name())
        self._beginning.forget()

    def _ask_general(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("General examples"), "", self.tr("Chat examples (*.jsonl *.json *.csv)")
        )
        if chosen:
            self.workplace.models.choose_general(chosen)


def _reason(model: events.ModelChecked) -> str:
    """Why a model cannot be trained."""
    problem = next(iter(model.problems), Problem(code="model.unusable", what=model.name))
    return wording.told_problem(problem).sentence().replace("\n", " ")

"""Train, before a run: memory, suggestions and the range test, wired to the workplace and to the form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject

from studio.contract import events, job
from studio.contract.advice import RateTest, advise, advised_rate, found_rate, sets_of, unused_rate
from studio.contract.errors import Problem, StudioError
from studio.contract.memory_fit import Fit, Planner, changed
from studio.contract.presets import load_preset
from studio.contract.range_test import RangeResult
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.data import rate_tests
from studio.data.model_fit import read_shape
from studio.supervisor.forecast import Forecast
from studio.supervisor.short_job import ShortJob
from studio.supervisor.workplace import Workplace
from studio.ui.widgets.train_setup import TrainSetup

Tell = Callable[[dict[str, Any], Callable[[], object]], None]
"""Says what was changed, and takes what puts it back."""


class TrainPlanning(QObject):
    """Keeps the two panels true to what is chosen.

    Attributes:
        measuring, testing: The dry step and the range test, each a short job in a worker.
    """

    def __init__(self, workplace: Workplace, setup: TrainSetup, parent: QObject) -> None:
        super().__init__(parent)
        self.workplace, self.setup = workplace, setup
        self.forecast = Forecast()
        self.measuring, self.testing = ShortJob(workplace, self), ShortJob(workplace, self)
        self._settings: TrainSettings | None = None
        self._unkept: RateTest | None = None  # the last range test where the disk would not keep it
        self._train_rows = 0
        self._about: tuple[str, str, str] = ("", "", "")
        memory, advice = setup.memory, setup.advice
        memory.measure_wanted.connect(lambda: self._start(self.measuring))
        memory.cancel_wanted.connect(self.measuring.cancel)
        memory.changes_wanted.connect(self._take_changes)
        advice.advice_wanted.connect(lambda: self._take_advice(advice.show_changed))
        setup.unused.use_wanted.connect(lambda: self._take_advice(setup.unused.show_changed))
        advice.test_wanted.connect(lambda: self._start(self.testing))
        advice.cancel_wanted.connect(self.testing.cancel)
        advice.rate_wanted.connect(lambda rate: self._take_told({"learning_rate": rate}, advice.show_changed))
        memory.problem_wanted.connect(self._show_problem)
        advice.problem_wanted.connect(self._show_problem)
        for short, panel in ((self.measuring, memory), (self.testing, advice)):
            short.progressed.connect(lambda progress, panel=panel: panel.show_progress(progress, going=True))
            short.changed.connect(self._show_going)
            short.failed.connect(lambda problem: self.workplace.problem_raised.emit(problem))
            short.done.connect(self._on_done)
        workplace.run_started.connect(self._give_up)

    def refresh(self, settings: TrainSettings | None, train_rows: int, start_from: str = "") -> None:
        """Settings, model, data or machine changed.

        Args:
            settings: As they stand; None while something is wrong with them.
            train_rows: The user's rows that are learned from; 0: not counted yet.
            start_from: Adapter folder that the run would go on from, or "".
        """
        self._settings, self._train_rows = settings, train_rows
        self.setup.unused.show_unused(None)
        model, data = self.workplace.model, self.workplace.dataset
        about = (model.path if model is not None else "", data.folder if data is not None else "", start_from)
        if about != self._about:
            self._about = about
            self._give_up()
            self._unkept = None
            self.setup.advice.clear_result()
            self.setup.memory.forget()
        known = self.forecast.knows(model, data)
        self.setup.memory.setVisible(known)
        self.setup.advice.setVisible(known)
        if settings is None and known:
            self._wait()
        planner = None
        if settings is not None:
            planner = self.forecast.planner(model, data, settings, train_rows, self.workplace.device)
        if planner is None or settings is None:
            return
        estimate = planner.estimate(settings)
        fit, more = planner.make_it_fit(settings), planner.use_memory(settings)
        self.setup.memory.show_plan(estimate, planner.machine, fit, more)
        tested = self._tested(settings, planner)
        self.setup.advice.clear_result(but=tested)  # another test was about something else
        if planner.is_beyond(fit):
            self.setup.advice.show_too_large()
        elif self._is_tuned(settings):
            self.setup.advice.show_tuned(tested)
        else:
            told = advise(settings, planner, tested)
            self.setup.advice.show_advice(told)
            preset = load_preset(self.setup.form.preset).settings()
            self.setup.unused.show_unused(unused_rate(told, settings, preset))

    def _tested(self, settings: TrainSettings, planner: Planner) -> RangeResult | None:
        """The last range test that says something of these settings, made here or on the command line."""
        try:
            tests = rate_tests.tests_of(self.workplace.training_job(settings, name="a test", start_from=self._about[2]))
        except StudioError:
            return None
        return found_rate(tests if self._unkept is None else (self._unkept, *tests), settings, planner)

    def _keep_test(self, work: job.TrainJob, result: RangeResult) -> None:
        """From now on its learning rate is suggested, here and on the command line."""
        if not rate_tests.keep(work, result):
            self._unkept = RateTest(settings=work.settings, result=result)
        shape = read_shape(Path(work.model))
        by_rule = None if shape is None or self._is_tuned(work.settings) else advised_rate(work.settings, shape)
        self.setup.advice.show_result(result, by_rule)
        self.refresh(self._settings, self._train_rows, self._about[2])

    def _wait(self) -> None:
        """Both panels stay where they are, and say what they wait for."""
        form = self.setup.form
        wrong = form.rows.get(form.problems[0].where) if form.problems else None
        name = wrong.field.title if wrong is not None else self.tr("How it learns")
        self.setup.memory.show_waiting(name)
        self.setup.advice.show_waiting(name)

    def _show_problem(self) -> None:
        form = self.setup.form
        if form.problems:
            form.show_setting(form.problems[0].where)

    def _is_tuned(self, settings: TrainSettings) -> bool:
        """The sample on the starter with its own settings: they were found by trying, no rule knows better."""
        model, data = self.workplace.model, self.workplace.dataset
        is_sample = model is not None and model.path == str(starter_folder()) and data is not None and data.id == SAMPLE
        return is_sample and settings == load_preset(SAMPLE).settings()

    def _start(self, short: ShortJob) -> None:
        if self._settings is None:
            return
        if self.workplace.active is not None:
            self.workplace.problem_raised.emit(_busy())
            return
        try:
            work = self.workplace.training_job(self._settings, start_from=self._about[2])
        except StudioError as error:
            self.workplace.problem_raised.emit(error.problem)
            return
        other = self.testing if short is self.measuring else self.measuring
        other.cancel()  # both at once would take each other's memory
        short.start(job.PlanJob(work=work) if short is self.measuring else job.RangeTestJob(work=work))

    def _on_done(self, event: object) -> None:
        if isinstance(event, events.Planned) and isinstance(self.measuring.work, job.PlanJob):
            self.forecast.keep(self.measuring.work.work, event.plan)
            self.refresh(self._settings, self._train_rows, self._about[2])
        elif isinstance(event, events.RangeTested) and isinstance(self.testing.work, job.RangeTestJob):
            self._keep_test(self.testing.work.work, event.result)

    def _show_going(self) -> None:
        self.setup.memory.show_progress(None, self.measuring.going)
        self.setup.advice.show_progress(None, self.testing.going)

    def _give_up(self, *_: object) -> None:
        for short in (self.measuring, self.testing):
            short.cancel()

    def _take_changes(self, fit: Fit) -> None:
        before = self._settings
        self._apply(fit.sets)
        if before is not None:
            self.setup.memory.show_changed(fit.sets, lambda: self.setup.form.set_settings(before))

    def _take_advice(self, tell: Tell) -> None:
        settings = self._settings
        if settings is None:
            return
        model, data = self.workplace.model, self.workplace.dataset
        planner = self.forecast.planner(model, data, settings, self._train_rows, self.workplace.device)
        if planner is not None:
            self._take_told(sets_of(advise(settings, planner, self._tested(settings, planner))), tell)

    def _take_told(self, sets: dict[str, Any], tell: Tell) -> None:
        """Take suggested values over, say which where it was asked for, and offer the way back."""
        before = self._settings
        self._apply(sets)
        if before is not None:
            tell(sets, lambda: self.setup.form.set_settings(before))

    def _apply(self, sets: dict[str, Any]) -> None:
        """Take values over into the form; it tells everyone."""
        if self._settings is not None:
            self.setup.form.set_settings(changed(self._settings, sets))


def _busy() -> Problem:
    return Problem(
        code="train.busy",
        what="A run is going on.",
        why="Trying something beside it would take its memory.",
        fix="Wait for it to end.",
    )

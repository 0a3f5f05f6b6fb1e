"""What ends with the window is asked about before it closes; the question goes when the work has ended."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from studio.contract import commands, events, job
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder, jobs_folder, models_folder, runs_folder
from studio.supervisor.model_shelf import ModelShelf
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace
from studio.ui.closing import CloseQuestion, EndQuestion
from studio.ui.main_window import MainWindow
from studio.ui.pages.export import ExportPage
from studio.ui.pages.models import ModelsPage
from studio.ui.unfinished import LOST
from tests.helpers.hub import Hub
from tests.ui.attached_run import AttachedRun
from tests.ui.finished_run import checked_model, finished_run, model_and_adapter
from tests.ui.seen import seen_words

WAIT = 60_000
NOT_LOST = {
    job.TrainJob,  # goes on without the window, and is asked about otherwise
    job.PreviewJob, job.ChatJob,  # answer while they are looked at
    job.DoctorJob, job.PlanJob, job.RangeTestJob, job.DeviceJob, job.CheckModelJob, job.FindModelsJob,  # only look
}  # fmt: skip


@pytest.fixture
def model() -> Path:
    return model_and_adapter() / "model"


@pytest.fixture
def hub(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    opened = Hub(tmp_path / "hub")
    opened.place("maker").mkdir()
    shutil.copytree(model, opened.place("maker/tiny"))
    monkeypatch.setenv("HF_ENDPOINT", opened.endpoint)
    yield opened
    opened.close()


def shelf_of(window: MainWindow) -> ModelShelf:
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    return page.shelf


def asked(window: MainWindow) -> EndQuestion:
    """Closes the window, which does not, but asks."""
    assert not window.close()
    question = window.findChildren(EndQuestion)[-1]
    assert question.isVisible()
    return question


def started(workplace: Workplace, work: job.Job) -> TrainerThread:
    """A job of which this test says what its worker would."""
    thread = TrainerThread(RunFolder.create(jobs_folder(), "job"), work, parent=workplace)
    workplace.task_started.emit(thread, work)
    return thread


def is_away(window: MainWindow) -> bool:
    return not any(question.isVisible() for question in window.findChildren(EndQuestion))


def toasts(window: MainWindow) -> list[str]:
    return [toast.text for toast in window.toasts.toasts()]


def test_every_kind_of_job_is_in_the_table_or_loses_nothing() -> None:
    assert set(get_args(job.Job)) == set(LOST) | NOT_LOST
    assert not set(LOST) & NOT_LOST


# --- real work -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("copy", "words"), [(True, "Copying model model"), (False, "Adding model model")])
def test_closing_while_a_model_is_added_asks_and_ends_it_only_when_told_to(
    qtbot: QtBot, window: MainWindow, model: Path, copy: bool, words: str
) -> None:
    shelf_of(window).add([model], copy)
    question = asked(window)
    assert words in seen_words(question)
    assert not window.close()  # asked once
    assert len(window.findChildren(EndQuestion)) == 1
    question.wait.click()
    assert window.isVisible()
    if shelf_of(window).adding:  # it may be there by now
        asked(window).end.click()
        assert not window.isVisible()
        assert not [path for path in models_folder().iterdir() if path.name.startswith(".")]
    qtbot.waitUntil(lambda: not window.workplace._tasks, timeout=WAIT)


def test_closing_during_a_download_says_that_it_can_be_gone_on_with(qtbot: QtBot, window: MainWindow, hub: Hub) -> None:
    hub.behave(hold_after=200_000)
    shelf = shelf_of(window)
    shelf.download("maker/tiny", "main")
    qtbot.waitSignal(shelf.progressed, timeout=WAIT, check_params_cb=lambda progress: progress.done > 100_000).wait()
    question = asked(window)
    assert "Downloading maker/tiny, " in seen_words(question)
    assert "% done." in seen_words(question)
    assert "What was fetched is kept for two weeks" in seen_words(question)
    assert "nothing of it is kept" not in seen_words(question)
    question.end.click()
    assert not window.isVisible()


def test_closing_during_an_import_asks(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\nWho?,Me.\nWhere?,Here.\n")
    window.workplace.import_dataset(tmp_path / "faq.csv")
    question = asked(window)
    assert "Importing faq.csv is not finished." in seen_words(question)
    qtbot.waitUntil(lambda: is_away(window), timeout=WAIT)
    assert toasts(window) == ["Importing faq.csv is done."]
    assert window.isVisible()
    assert window.close()


def export_page(window: MainWindow, folder: Path) -> ExportPage:
    window.show_page("export")
    page = window.page("export")
    assert isinstance(page, ExportPage)
    page.set_folder(folder)
    return page


def test_closing_during_an_export_asks_and_ends_it_only_when_told_to(window: MainWindow, tmp_path: Path) -> None:
    finished_run(model_and_adapter())
    page = export_page(window, tmp_path)
    page.forms.choose("gguf")
    assert page.start()
    question = asked(window)
    assert not window.close()  # asked once
    assert window.findChildren(EndQuestion) == [question]
    assert "Exporting run-1-tiny is not finished." in seen_words(question)
    assert "nothing of it is kept" in seen_words(question)
    question.wait.click()
    assert window.isVisible()
    assert page.job.going
    asked(window).end.click()
    assert not window.isVisible()
    assert [path.name for path in tmp_path.glob("run-1*")] == []


def test_closing_during_a_combination_asks_and_then_about_the_run(
    qtbot: QtBot, window: MainWindow, workplace: Workplace, tmp_path: Path
) -> None:
    runs = [finished_run(model_and_adapter(), name=name) for name in ("run-1", "run-2")]
    page = export_page(window, tmp_path)
    with AttachedRun() as run:
        workplace._follow(run.folder, run.work, attach=True)
        run.start()
        run.step(3)
        qtbot.waitUntil(lambda: window.run_bar.state == "running")
        page.combine(job.CombineJob(runs=tuple((str(one.path), 1.0) for one in runs), runs_folder=str(runs_folder())))
        question = asked(window)
        assert "Combining adapters is not finished." in seen_words(question)
        question.end.click()
        assert window.isVisible()
        (about_run,) = window.findChildren(CloseQuestion)
        about_run.cancel.click()
        assert window.isVisible()
        page._on_stop_wanted()
        qtbot.waitUntil(lambda: not page.combining.going, timeout=WAIT)
        run.finish()
        qtbot.waitUntil(lambda: workplace.active is None)


def test_the_question_goes_when_the_export_has_ended_and_the_window_stays(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    finished_run(model_and_adapter())
    page = export_page(window, tmp_path / "out")
    assert page.start()
    asked(window)
    qtbot.waitUntil(lambda: is_away(window), timeout=WAIT)
    assert toasts(window) == ["Exporting run-1-tiny is done."]
    assert window.isVisible()
    assert "Exported to run-1-tiny." in page.message.text()
    qtbot.waitUntil(lambda: not window.workplace._tasks, timeout=WAIT)
    assert window.close()


def test_while_one_model_is_added_after_the_other_the_question_stays(
    qtbot: QtBot, window: MainWindow, model: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(model, tmp_path / "other")
    shelf_of(window).add([model, other], copy=True)
    asked(window)
    told: list[str] = []
    asks: list[str] = []

    def look() -> None:
        asks.extend(words.text() for words in window.findChildren(EndQuestion)[-1].findChildren(QLabel))

    window.closing.unfinished.ended.connect(told.append)
    window.workplace.task_started.connect(look)
    qtbot.waitUntil(lambda: is_away(window), timeout=WAIT)
    assert "Copying model other is not finished." in asks
    assert told == ["Copying model model is done.", "Copying model other is done."]


# --- what is rare or too quick, told by this test instead of a worker ------------------------------------------------


def test_the_question_tells_how_far_it_is_as_it_goes_on(qtbot: QtBot, window: MainWindow) -> None:
    thread = started(window.workplace, job.AddModelJob(path="/stick/Large", copy=True))
    thread.event_received.emit(events.Progress(stage="Copying the model", done=4, total=10, unit="bytes"))
    question = asked(window)
    assert "Copying model Large, 40 % done." in seen_words(question)
    thread.event_received.emit(events.Progress(stage="Copying the model", done=9, total=10, unit="bytes"))
    qtbot.waitUntil(lambda: "Copying model Large, 90 % done." in seen_words(question))
    thread.finished.emit()  # it died without a word
    qtbot.waitUntil(lambda: is_away(window))


def test_several_works_are_all_named_and_the_question_stays_for_the_last(qtbot: QtBot, window: MainWindow) -> None:
    one = started(window.workplace, job.ExportJob(run="/runs/a", export="gguf", destination="/out/mine"))
    two = started(window.workplace, job.DownloadModelJob(repository="maker/tiny"))
    one.event_received.emit(events.Progress(stage="Comparing the answers", done=8, total=8, unit="rows"))
    question = asked(window)
    assert "Exporting mine is not finished.\nDownloading maker/tiny is not finished." in seen_words(question)
    assert "They end with the window, and only what was fetched is kept" in seen_words(question)
    one.event_received.emit(events.Failed(problem=Problem(code="export.disk_full", what="The disk is full.")))
    one.finished.emit()
    qtbot.waitUntil(lambda: "Exporting" not in seen_words(question))
    assert toasts(window) == ["Exporting mine did not succeed: the page Export says why."]
    assert question.isVisible()
    question.wait.click()
    two.finished.emit()


def test_the_question_goes_only_with_the_last_worker(window: MainWindow) -> None:
    """Until a worker is gone, who started it may not have heard of its end, and starts another one then."""
    one = started(window.workplace, job.AddModelJob(path="/stick/One", copy=True))
    two = started(window.workplace, job.DownloadModelJob(repository="maker/tiny"))
    question = asked(window)
    one.event_received.emit(events.Failed(problem=Problem(code="model.add_failed", what="The disk is full.")))
    two.finished.emit()
    assert question.isVisible()
    one.finished.emit()
    assert is_away(window)


def test_the_question_has_room_for_all_that_it_names(qtbot: QtBot, window: MainWindow) -> None:
    started(window.workplace, job.AddModelJob(path="/stick/Large", copy=True))
    question = asked(window)
    for number in range(5):
        started(window.workplace, job.DownloadModelJob(repository=f"maker/a-model-with-a-rather-long-name-{number}"))
    qtbot.waitUntil(lambda: "name-4" in seen_words(question))
    labels = question.findChildren(QLabel)
    # The X server tells of each size in turn, so for a moment the window may have an earlier one again.
    qtbot.waitUntil(lambda: all(words.height() >= words.heightForWidth(words.width()) for words in labels))


def test_a_model_that_is_not_usable_was_not_added(qtbot: QtBot, window: MainWindow) -> None:
    thread = started(window.workplace, job.AddModelJob(path="/stick/Broken", copy=False))
    asked(window)
    found = checked_model(model_and_adapter())
    thread.event_received.emit(msgspec.structs.replace(found, name="Broken", usable=False))
    thread.finished.emit()
    qtbot.waitUntil(lambda: is_away(window))
    assert toasts(window) == ["Adding model Broken did not succeed: the page Models says why."]


def test_what_was_stopped_already_is_not_asked_about(window: MainWindow) -> None:
    thread = started(window.workplace, job.ImportJob(source="/a.csv", destination="/d", name="a.csv"))
    thread.send(commands.Stop(save=False))
    assert window.close()


def test_the_question_about_a_run_goes_when_the_run_has_ended(
    qtbot: QtBot, window: MainWindow, workplace: Workplace
) -> None:
    with AttachedRun() as run:
        workplace._follow(run.folder, run.work, attach=True)
        run.start()
        run.step(3)
        qtbot.waitUntil(lambda: window.run_bar.state == "running")
        window.close()
        (question,) = window.findChildren(CloseQuestion)
        assert question.isVisible()
        run.finish()
        qtbot.waitUntil(lambda: workplace.active is None)
        assert not any(one.isVisible() for one in window.findChildren(CloseQuestion))
    assert window.isVisible()
    assert window.close()

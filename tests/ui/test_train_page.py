"""The Train page says what is missing, follows the run by its own events, and ends with a plain verdict."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.diagnosis import Diagnosed, Finding, Histogram
from studio.contract.errors import GO_ON, Problem
from studio.contract.methods import LoraSettings
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, datasets_folder, make_folder, starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.contract.taking_up import NONE_WHOLE
from studio.data import model_library
from studio.data.doctor.found import save
from studio.data.edits import Edits
from studio.data.importing import import_dataset
from studio.data.row_split import RowSplit
from studio.data.starting_over import ASIDE
from studio.engine.batches import Plan
from studio.supervisor.checkup import longest_text
from studio.supervisor.workplace import Workplace
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from tests.ui import run_stream
from tests.ui.attached_run import AttachedRun
from tests.ui.finished_run import checked_model, finished_run, model_and_adapter


def add_dataset(identity: str, rows: int = 200) -> None:
    """Import a small dataset, the way the worker does."""
    source = datasets_folder().parent / "rows.jsonl"
    lines = [msgspec.json.encode({"prompt": f"Question {n}?", "completion": f"Answer {n}."}) for n in range(rows)]
    source.write_bytes(b"\n".join(lines))
    work = job.ImportJob(source=str(source), destination=str(datasets_folder() / identity), name="faq.jsonl")
    import_dataset(work, lambda event: None, Going())


def add_model(path: Path, general: str = "", usable: bool = True) -> events.ModelChecked:
    """A checked model on the shelf."""
    path.mkdir(parents=True, exist_ok=True)
    problems = () if usable else (run_stream.PROBLEM,)
    model = events.ModelChecked(
        path=str(path),
        name=path.name.capitalize(),
        architecture="LlamaForCausalLM",
        model_type="llama",
        parameters=3_000_000,
        file_bytes=9_000_000,
        context=512,
        vocabulary=2000,
        licence="apache-2.0",
        has_template=True,
        usable=usable,
        problems=problems,
        general=general,
    )
    model_library.put_model(model)
    return model


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[TrainPage]:
    made = TrainPage(workplace)
    made.resize(950, 620)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def ready(workplace: Workplace, tmp_path: Path, page: TrainPage) -> BeforeRun:
    """A model and a dataset are chosen, the form is shown."""
    add_dataset("faq")
    workplace.models.choose(add_model(tmp_path / "plain"))
    workplace.choose_dataset(workplace.datasets()[0])
    assert page.before is not None
    assert page.stack.currentWidget() is page.before
    return page.before


class Follow:
    """A run of this window, told event by event."""

    def __init__(self, workplace: Workplace, name: str = "run-12") -> None:
        self.workplace = workplace
        self.folder = run_stream.write_run(name, [], seed=7)
        self.folder.events.unlink()
        loaded = job.load(self.folder.job)
        assert isinstance(loaded, job.TrainJob)
        workplace.active_job = loaded
        workplace.run_started.emit(self.folder)

    def tell(self, *told: events.AnyEvent) -> None:
        for event in told:
            self.workplace.run_event.emit(event)

    def end(self) -> None:
        self.workplace.active_job = None
        self.workplace.run_ended.emit(self.folder)


@pytest.fixture
def follow(workplace: Workplace, page: TrainPage) -> Follow:
    return Follow(workplace)


# --- before a run -----------------------------------------------------------------------------------------


def test_an_empty_page_says_one_sentence_and_leads_to_the_data(page: TrainPage, qtbot: QtBot) -> None:
    assert page.stack.currentWidget() is page.empty
    with qtbot.waitSignal(page.page_wanted) as wanted:
        qtbot.mouseClick(page.empty.action, Qt.MouseButton.LeftButton)
    assert wanted.args == ["data"]


def test_the_button_names_what_is_missing(page: TrainPage, workplace: Workplace, tmp_path: Path, qtbot: QtBot) -> None:
    add_dataset("faq")
    workplace.datasets_changed.emit()
    assert page.before is not None
    button = page.before.setup.start_button
    assert button.text() == "Choose a dataset"
    assert page.start()  # Ctrl+Enter leads there
    assert page.before.setup.data_box.view().isVisible()
    page.before.setup.data_box.hidePopup()
    workplace.choose_dataset(workplace.datasets()[0])
    assert button.text() == "Choose a model"
    workplace.models.choose(add_model(tmp_path / "broken", usable=False))
    assert button.text() == "Choose another model"
    assert "The trainer was killed" in page.before.setup.summary.text()
    workplace.models.choose(add_model(tmp_path / "plain"))
    assert button.text() == "Start training"


def test_data_that_cannot_be_trained_on_is_named_before_the_start(
    ready: BeforeRun, workplace: Workplace, qtbot: QtBot
) -> None:
    data, model = workplace.dataset, workplace.model
    assert data is not None
    assert model is not None
    button = ready.setup.start_button
    workplace.refusals[(data.folder, model.path)] = Problem(code="model.tools", what="It knows no tools.")
    workplace.dataset_chosen.emit(data)
    assert button.text() == "Look at the data"
    assert "It knows no tools." in ready.setup.summary.text()
    with qtbot.waitSignal(ready.page_wanted) as wanted:
        ready.start()
    assert wanted.args == ["data"]
    workplace.refusals.clear()
    compared = msgspec.structs.replace(data.mapping, shape="preference", rejected="worse")
    workplace.choose_dataset(msgspec.structs.replace(data, mapping=compared))
    assert button.text() == "Look at the data"
    assert "compare two answers cannot be trained on yet" in ready.setup.summary.text()
    workplace.choose_dataset(data)
    assert button.text() == "Start training"


def test_a_split_without_test_rows_is_told_before_the_start(ready: BeforeRun, workplace: Workplace) -> None:
    data = workplace.dataset
    assert data is not None
    settings = msgspec.structs.replace(workplace.settings_for(data), held_back_share=1e-9)
    ready.setup.form.set_settings(settings)
    assert "200 train / 0 test · nothing would show whether it learns" in ready.setup.summary.text()


def test_the_summary_counts_the_rows_as_the_trainer_will(ready: BeforeRun, workplace: Workplace) -> None:
    assert workplace.dataset is not None
    split = RowSplit(Path(workplace.dataset.folder))
    train, held_back = split.counts(0.1)
    assert (train + held_back, split.exact) == (200, True)
    assert ready.setup.summary.text().startswith(f"Ready: {train} train / {held_back} test · about ")
    assert ready.setup.summary.text().endswith("saves every 2 min")
    assert split.counts(0.0) == (200, 0)


def test_the_summary_names_the_rows_that_are_too_long_as_the_doctor_counted_them(
    ready: BeforeRun, workplace: Workplace
) -> None:
    data, model = workplace.dataset, workplace.model
    assert data is not None
    assert model is not None
    settings = workplace.settings_for(data)
    limit = longest_text(settings, model)
    bars: dict[str, tuple[int, ...]] = {"edges": (0, limit), "counts": (200,)}
    lengths = Histogram(unit="tokens", **bars, median=9, most_95=90, longest=limit + 9, limit=limit)
    long = Finding(code="doctor.left_out_as_too_long", level="warning", title="Some are long.", count=3)
    save(
        Diagnosed(
            dataset=data.folder, rows=200, usable=197, verdict="", findings=(long,), lengths=lengths, model=model.path
        ),
        [],
        Edits(200),
    )
    ready.setup.form.set_settings(settings)
    assert " · 3 of them too long, left out · " in ready.setup.summary.text()
    ready.setup.form.set_settings(msgspec.structs.replace(settings, max_tokens=limit // 2))
    assert "too long" not in ready.setup.summary.text()


def test_the_summary_tells_the_steps_that_the_trainer_will_make_and_when_they_are_few(
    ready: BeforeRun, workplace: Workplace
) -> None:
    assert workplace.dataset is not None
    train, _ = RowSplit(Path(workplace.dataset.folder)).counts(0.1)
    few = TrainSettings(epochs=1, batch_size=8, replay_share=0.0)
    ready.setup.form.set_settings(few)
    plan = Plan(np.ones(train), train, 0.0, 8, 0)
    assert f"about {plan.steps_per_epoch} steps, which teach little" in ready.setup.summary.text()
    ready.setup.form.set_settings(msgspec.structs.replace(few, epochs=10.0))
    assert f"about {10 * plan.steps_per_epoch} steps ·" in ready.setup.summary.text()


def test_a_wrong_setting_stops_the_start_and_is_shown(ready: BeforeRun) -> None:
    row = ready.setup.form.rows["early_stopping"]
    ready.setup.form.set_settings(msgspec.structs.replace(TrainSettings(), early_stopping=3, evaluations=0))
    assert ready.setup.start_button.text() == "Show the problem"
    assert "Stopping early needs tests" in ready.setup.summary.text()
    ready.start()
    assert row.isVisible()


def test_ctrl_enter_starts_what_is_shown(
    ready: BeforeRun, page: TrainPage, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[job.TrainJob] = []
    monkeypatch.setattr(workplace, "start_training", lambda work: started.append(work))
    ready.setup.form.set_preset("thorough")
    ready.setup.name_edit.setText("  my run ")
    assert page.start()
    (work,) = started
    assert work.name == "my run"
    assert work.settings == load_preset("thorough").settings()
    assert (work.model_name, work.dataset_name) == ("Plain", "faq.jsonl")


def test_the_settings_reach_the_mask_preview(ready: BeforeRun, workplace: Workplace) -> None:
    ready.setup.form.set_preset("quick")
    assert workplace.settings == load_preset("quick").settings()


def test_general_rows_are_told_of_and_can_be_chosen(ready: BeforeRun, workplace: Workplace, tmp_path: Path) -> None:
    words = ready.setup.general_words
    assert "no general examples for Plain" in words.text()
    assert not ready.setup.general_remove.isVisible()
    workplace.models.choose_general(str(tmp_path / "mine.jsonl"))
    assert words.text() == "Keep what it knew: 20 % of what it reads are general examples from mine.jsonl."
    assert workplace.training_job(TrainSettings()).general == str(tmp_path / "mine.jsonl")
    ready.setup.general_removed.emit()
    assert "no general examples" in words.text()


def test_a_model_that_brings_general_rows_says_so(ready: BeforeRun, workplace: Workplace, tmp_path: Path) -> None:
    workplace.models.choose(add_model(tmp_path / "rich", general=str(tmp_path / "rich" / "general.jsonl")))
    assert "general examples that Rich brings along" in ready.setup.general_words.text()


def test_the_sample_on_the_starter_gets_its_own_settings_and_others_do_not(
    ready: BeforeRun, workplace: Workplace, tmp_path: Path
) -> None:
    add_dataset(SAMPLE, 20)
    sample = next(info for info in workplace.datasets() if info.id == SAMPLE)
    starter = add_model(tmp_path / "starter")
    workplace.models.choose(msgspec.structs.replace(starter, path=str(starter_folder())))
    workplace.choose_dataset(sample)
    form = ready.setup.form
    assert form.settings() == load_preset("sample").settings()
    assert form.presets.buttons["sample"].isChecked()
    assert not ready.setup.sample_words.isVisible()
    form.set_preset("quick")
    assert ready.setup.sample_words.isVisible()
    assert "choose “Sample”" in ready.setup.sample_words.text()
    button = form.presets.buttons["sample"]
    assert button.isVisible()
    button.click()
    assert form.settings() == load_preset("sample").settings()
    assert button.isChecked()
    assert form.changed_label.text() == "0 changed"
    assert not form.presets.custom.isVisible()
    workplace.choose_dataset(next(info for info in workplace.datasets() if info.id == "faq"))
    assert form.settings() == load_preset("balanced").settings()
    assert not button.isVisible()


# --- a run ------------------------------------------------------------------------------------------------


def test_preparation_names_its_stage_with_a_determinate_bar(page: TrainPage, follow: Follow) -> None:
    assert page.stack.currentWidget() is page.live
    assert page.header.state.text() == "Starting the trainer…"
    assert page.header.bar.maximum() == 0
    follow.tell(*run_stream.preparation()[:2])
    page.feed.changed.emit()
    assert page.header.state.text() == "Reading the examples: 120 / 300"
    assert (page.header.bar.value(), page.header.bar.maximum()) == (400, 1000)
    assert page.header.what.text() == "run-12: Starter learns Sample"


def test_a_running_run_shows_step_pass_time_and_notes(page: TrainPage, follow: Follow, qtbot: QtBot) -> None:
    page.view.load_plot()
    follow.tell(*list(run_stream.run())[:60])
    qtbot.waitUntil(lambda: "step 4" in page.header.figures.text() or "step 5" in page.header.figures.text())
    assert page.header.state.text() == "Learning"
    assert "about 10 s left" in page.header.figures.text()
    assert page.view.note_list.texts() == ["Still improving on unseen examples."]
    assert page.view.answers.answer.text() == "Marta Quill keeps them."
    assert page.view.report.sentences[0] == (True, "300 examples to learn from, 58 held back, 400 general ones")
    qtbot.waitUntil(lambda: page.view.plot is not None and page.view.plot.main.drawn_points > 20)
    follow.tell(run_stream.finished())


def test_before_a_few_steps_no_time_is_made_up(page: TrainPage, follow: Follow) -> None:
    follow.tell(*run_stream.preparation(), run_stream.step(1, 3.0))
    page.feed.changed.emit()
    assert "left: after a few steps" in page.header.figures.text()


def test_the_end_says_what_was_learned_and_compare_is_first(
    page: TrainPage, follow: Follow, workplace: Workplace, qtbot: QtBot
) -> None:
    follow.tell(*run_stream.run())
    follow.end()
    assert page.verdict.isVisible()
    assert page.verdict.text().splitlines()[:2] == [
        "Answers 55 of 58 new questions right, word for word; before: 0.",
        "Still answers 174 of 180 that it could before.",
    ]
    compare = page.verdict.compare
    assert compare.property("role") == "primary"
    assert page.visibleRegion().contains(compare.mapTo(page, compare.rect().center()))
    with qtbot.waitSignal(workplace.chat_requested) as wanted:
        qtbot.mouseClick(compare, Qt.MouseButton.LeftButton)
    assert wanted.args == [follow.folder]
    assert page.verdict.isVisible()  # still there when one comes back
    with qtbot.waitSignal(page.page_wanted) as asked:
        qtbot.mouseClick(page.verdict.export, Qt.MouseButton.LeftButton)
    assert (asked.args, workplace.export_run) == (["export"], follow.folder)
    qtbot.mouseClick(page.verdict.new_run, Qt.MouseButton.LeftButton)
    assert page.stack.currentWidget() is not page.live


def ways_out(page: TrainPage) -> list[QPushButton]:
    """The buttons of the message that can be seen."""
    return [one for one in page.header.message.findChildren(QPushButton) if one.isVisible() and one.text() != "Details"]


@pytest.mark.parametrize("saved", [True, False])
def test_a_failure_shows_what_why_and_the_way_on(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    told = list(run_stream.run())
    told = told[:80] if saved else told[:40]
    problem = msgspec.structs.replace(run_stream.PROBLEM, fix=GO_ON)
    assert any(isinstance(event, events.CheckpointSaved) for event in told) is saved
    follow.tell(*told, events.Failed(at=3000.0, problem=problem))
    follow.end()
    assert page.header.state.text() == "Failed"
    fix = GO_ON if saved else "Nothing was saved yet: start it again."
    assert page.header.message.text() == f"The trainer was killed (signal 9).\nMemory ran out.\n{fix}"
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    assert [one.text() for one in ways_out(page)] == [
        "Go on from the last checkpoint" if saved else "Start it again",
        "New run",
    ]
    ways_out(page)[0].click()
    assert resumed == [follow.folder]


def test_a_run_without_a_whole_checkpoint_starts_over_only_by_a_click_that_says_so(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Problem(code=NONE_WHOLE, what="No whole checkpoint is left: starting over loses 60 steps.")
    follow.tell(*list(run_stream.run())[:80], events.Failed(at=3000.0, problem=lost))
    follow.end()
    saved = make_folder(follow.folder.checkpoints) / "step-000000060"
    saved.mkdir()
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    assert [one.text() for one in ways_out(page)] == ["Start it again", "New run"]
    ways_out(page)[0].click()
    assert resumed == [follow.folder]
    assert not follow.folder.checkpoints.exists()
    assert (follow.folder.path / ASIDE / saved.name).is_dir()


def test_a_pause_by_itself_says_why_and_offers_resume(
    page: TrainPage, follow: Follow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    follow.tell(*list(run_stream.run())[:40], events.Paused(at=2500.0, step=30, problem=run_stream.PROBLEM))
    assert page.header.state.text().startswith("Paused at step")
    assert "The trainer was killed" in page.header.message.text()
    assert [one.text() for one in ways_out(page)] == ["Resume", "Stop and save"]
    follow.tell(events.Resumed(at=2501.0, step=30))
    assert not page.header.message.isVisible()
    assert page.header.state.text() == "Learning"


def test_stopping_counts_up_and_offers_force_after_fifteen_seconds(
    page: TrainPage, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow.tell(*list(run_stream.run())[:40], events.Stopping(at=2500.0, save=True))
    assert page.header.state.text().startswith("Stopping: finishing this step and saving…")
    assert not page.header.message.isVisible()
    now = time.monotonic()
    monkeypatch.setattr("studio.ui.widgets.run_header.time.monotonic", lambda: now + 16)
    page.header._second.timeout.emit()
    assert page.header.message.text().startswith("Stopping takes long.")
    follow.tell(run_stream.finished())


def test_silence_is_told_with_a_way_to_end_it(page: TrainPage, follow: Follow, workplace: Workplace) -> None:
    follow.tell(*list(run_stream.run())[:40])
    workplace.run_silent.emit(61)
    assert page.header.state.text() == "Not answering"
    assert "End the trainer" in [button.text() for button in page.header.message.findChildren(type(page.empty.action))]
    follow.tell(run_stream.step(60, 1.0))
    assert page.header.state.text() == "Learning"
    assert not page.header.message.isVisible()


def test_risky_but_allowed_is_shown_until_it_is_closed(page: TrainPage, follow: Follow) -> None:
    follow.tell(*run_stream.preparation(), events.Notice(at=1001.0, problem=run_stream.PROBLEM))
    page.feed.changed.emit()
    assert page.header.notices.isVisible()
    page.header.notices.dismiss()
    follow.tell(run_stream.step(1, 1.0))
    page.feed.changed.emit()
    assert not page.header.notices.isVisible()


def test_a_page_made_in_mid_run_knows_what_came_before(workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun("run-3") as run:
        run.start()
        for number in range(1, 31):
            run.step(number)
        workplace._follow(run.folder, run.work, attach=True)
        qtbot.waitUntil(lambda: workplace.active is not None)
        page = TrainPage(workplace)
        page.show()
        qtbot.waitUntil(lambda: page.feed.curves.last_step == 30 and not page.feed.replaying)
        run.step(31)
        qtbot.waitUntil(lambda: page.feed.curves.last_step == 31)
        assert page.feed.curves.series["loss"].steps.tolist() == list(range(1, 32))
        assert page.feed.progress.state == "running"
        run.finish(adapter="x")
        qtbot.waitUntil(lambda: page.verdict.isVisible())
        qtbot.waitUntil(lambda: workplace.active is None)
        page.close()
        page.deleteLater()


def test_a_resumed_run_is_preparing_until_its_new_worker_says_more(page: TrainPage, workplace: Workplace) -> None:
    folder = run_stream.write_run("run-4", list(run_stream.run())[:40], seed=4)
    loaded = job.load(folder.job)
    assert isinstance(loaded, job.TrainJob)
    workplace.active_job = loaded
    workplace.run_started.emit(folder)
    while page.feed.replaying:
        page.feed._replay_slice()
    assert page.header.state.text() == "Starting the trainer…"
    assert page.feed.curves.last_step > 20
    workplace.run_event.emit(run_stream.started(first_step=11, at=5000.0))
    assert page.feed.curves.last_step == 10
    assert page.header.state.text() == "Learning"


def test_an_import_that_a_run_waits_for_is_shown_as_its_preparation(page: TrainPage, workplace: Workplace) -> None:
    workplace._after_import = run_stream.summary_of(run_stream.write_run("run-1", [])).job
    page.on_shown()
    assert page.stack.currentWidget() is page.live
    workplace.import_progressed.emit(events.Progress(stage="Reading the rows", done=5, total=10, unit="rows"))
    assert page.header.state.text() == "Reading the rows: 5 / 10"
    workplace._after_import = None
    workplace.import_ended.emit(events.Failed(problem=run_stream.PROBLEM))
    assert page.stack.currentWidget() is page.empty


def test_a_run_can_begin_with_what_an_earlier_one_has_learned(
    workplace: Workplace, page: TrainPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dataset("faq")
    made = model_and_adapter()
    model = checked_model(made)
    model_library.put_model(model)
    workplace.models.choose(model)
    workplace.choose_dataset(workplace.datasets()[0])
    before = page.before
    assert before is not None
    assert before.setup.start_box.isHidden()  # nothing was learned yet
    folder = finished_run(made)
    before.hide()
    before.show()
    box = before.setup.start_box
    assert not box.isHidden()
    assert [box.itemText(index) for index in range(box.count())] == ["The model as it is", "What run-1 has learned"]
    box.setCurrentIndex(1)
    box.activated.emit(1)
    settings = before.setup.form.settings()
    assert settings is not None
    assert isinstance(settings.method, LoraSettings)
    assert settings.method.rank == 4  # the adapter's own: its run says 16
    assert settings.method.alpha == 64
    assert settings.method.target_modules == "down_proj, q_proj, v_proj"
    assert "as it was kept: size 4, strength 64" in before.setup.summary.text()
    tried: list[job.PlanJob] = []
    monkeypatch.setattr(before.planning.measuring, "start", tried.append)
    before.planning._start(before.planning.measuring)
    assert tried[0].work.start_from == str(RunFolder(folder.path).adapter)
    asked: list[job.TrainJob] = []
    monkeypatch.setattr(workplace, "start_training", asked.append)
    before.start()
    assert asked[0].start_from == str(RunFolder(folder.path).adapter)
    box.setCurrentIndex(1)
    box.activated.emit(1)
    before.setup.form.rows["method.rank"].set_value(3)
    before.setup.form.rows["method.rank"].edited.emit()
    assert before.setup.start_button.text() == "Begin with the model as it is"
    assert "Adapter size (rank): 4 there, 3 in the settings." in before.setup.summary.text()
    before.start()
    assert len(asked) == 1
    assert box.currentIndex() == 0
    before.start()
    assert asked[1].start_from == ""

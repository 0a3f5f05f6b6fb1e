"""The Train page says what is missing, follows the run by its own events, and ends with a plain verdict."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.diagnosis import Diagnosed, Finding, Histogram
from studio.contract.errors import Problem
from studio.contract.methods import LoraSettings
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, datasets_folder, starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.doctor.found import save
from studio.data.edits import EditLog, Edits, Exclude
from studio.data.importing import import_dataset
from studio.data.row_split import RowSplit
from studio.engine.batches import Plan
from studio.supervisor.checkup import longest_text
from studio.supervisor.workplace import Workplace
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from tests.ui import run_stream
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


def test_what_is_mixed_in_is_told_as_it_stands_whatever_else_is_wrong(ready: BeforeRun, workplace: Workplace) -> None:
    workplace.models.choose_general("/x/mine.jsonl")
    ready.setup.form.rows["learning_rate"].set_value("5")
    ready.setup.form.rows["learning_rate"].edited.emit()
    assert ready.setup.form.settings() is None
    assert ready.setup.general_words.text().startswith("Keep what it knew: 20 %")


def test_rows_that_were_left_out_are_not_counted_in_the_chooser(ready: BeforeRun, workplace: Workplace) -> None:
    info = workplace.datasets()[0]
    EditLog(Path(info.folder), info.usable).apply(Exclude((0, 5)))
    workplace.datasets_changed.emit()
    assert ready.setup.data_box.currentText() == "faq.jsonl (198 examples)"


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

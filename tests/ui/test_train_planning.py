"""Train, before a run: what it says of memory and settings, and that one click does what it offers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.fields import replace_at
from studio.contract.memory_fit import Fit, Planner
from studio.contract.memory_plan import Estimate, Lengths, Machine, MemoryPlan, calibrated, estimate
from studio.contract.presets import load_preset
from studio.contract.range_test import RangeResult, rates, result_of
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.data import rate_tests
from studio.data.host_memory import LIMIT
from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from studio.ui.widgets.changed_line import ChangedLine
from studio.ui.widgets.memory_bar import MemoryBar, pieces_of
from studio.ui.widgets.memory_card import MemoryCard
from studio.ui.widgets.setting_editors import format_number
from tests.ui.test_train_page import add_dataset, add_model

CONFIG = {
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "vocab_size": 2000,
    "max_position_embeddings": 512,
}


@pytest.fixture
def before(qtbot: QtBot, workplace: Workplace, tmp_path: Path) -> Iterator[BeforeRun]:
    """A model whose sizes are known and 200 examples are chosen."""
    add_dataset("faq")
    model = add_model(tmp_path / "plain")
    (tmp_path / "plain" / "config.json").write_text(json.dumps(CONFIG))
    page = TrainPage(workplace)
    page.resize(950, 620)
    page.show()
    qtbot.waitExposed(page)
    workplace.models.choose(model)
    workplace.choose_dataset(workplace.datasets()[0])
    assert page.before is not None
    yield page.before
    page.close()
    page.deleteLater()


def button(before: BeforeRun, words: str) -> QPushButton:
    found = [one for one in before.setup.findChildren(QPushButton) if words in one.text() and one.isVisible()]
    assert len(found) == 1, (words, [one.text() for one in found])
    return found[0]


def press(qtbot: QtBot, before: BeforeRun, words: str) -> None:
    qtbot.mouseClick(button(before, words), Qt.MouseButton.LeftButton)


def edit(before: BeforeRun, path: str, value: object) -> None:
    settings = before.setup.form.settings()
    assert settings is not None
    before.setup.form.set_settings(replace_at(settings, path, value))


def test_the_memory_is_told_at_once_and_follows_each_edit(before: BeforeRun) -> None:
    memory = before.setup.memory
    assert memory.isVisible()
    assert "It fits: this needs about" in memory.words.text()
    assert "Estimated" in memory.words.text()
    words = memory.words.text()
    began = time.perf_counter()
    edit(before, "batch_size", 64)
    assert time.perf_counter() - began < 1.0  # 0.1 s on a machine that does nothing else
    assert memory.words.text() != words
    assert any(text.startswith("texts being read") for text in memory.legend.texts())


def test_nothing_is_said_of_a_model_whose_sizes_are_not_known(
    before: BeforeRun, workplace: Workplace, tmp_path: Path
) -> None:
    workplace.models.choose(add_model(tmp_path / "other"))
    assert not before.setup.memory.isVisible()
    assert not before.setup.advice.isVisible()


def test_make_it_fit_lists_what_changes_and_one_click_changes_it(
    before: BeforeRun, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.9")
    edit(before, "gradient_checkpointing", "off")
    edit(before, "batch_size", 128)
    memory = before.setup.memory
    assert "It does not fit" in memory.words.text()
    press(qtbot, before, "Make it fit")
    assert memory.changes.isVisible()
    press(qtbot, before, "Change these settings")
    settings = before.setup.form.settings()
    assert settings is not None
    assert settings.batch_size < 128
    assert settings.batch_size * settings.accumulation == 128
    assert "It fits" in memory.words.text()
    assert not memory.make_fit.isVisible()
    (said,) = [one.text() for one in memory.changes.findChildren(QLabel) if one.isVisible()]
    assert said.startswith(f"Changed to Examples at once: {settings.batch_size} examples · Gather steps: ")
    press(qtbot, before, "Undo")
    undone = before.setup.form.settings()
    assert undone is not None
    assert (undone.batch_size, undone.accumulation) == (128, 1)
    assert "It does not fit" in memory.words.text()
    assert not memory.changes.isVisible()


def test_using_the_memory_there_is_takes_larger_batches(before: BeforeRun, qtbot: QtBot) -> None:
    edit(before, "batch_size", 1)
    edit(before, "accumulation", 8)
    press(qtbot, before, "Use the memory I have")
    listed = " ".join(one.text() for one in before.setup.memory.changes.findChildren(QLabel) if one.isVisible())
    assert " more " in listed  # it takes so much more
    assert "for speed, as far as it makes sense. What learns well is under “Suggestions for your data”." in listed
    press(qtbot, before, "Change these settings")
    settings = before.setup.form.settings()
    assert settings is not None
    assert (settings.batch_size, settings.accumulation) == (8, 1)


def test_suggestions_have_reasons_and_one_click_takes_them(before: BeforeRun, qtbot: QtBot) -> None:
    advice = before.setup.advice
    assert "Learning speed: 0.0014" in advice.line.text()
    press(qtbot, before, "Why?")
    assert advice.reasons.isVisible()
    qtbot.mouseClick(advice.use, Qt.MouseButton.LeftButton)
    settings = before.setup.form.settings()
    assert settings is not None
    assert settings.learning_rate == 0.0014
    assert not advice.use.isVisible()
    (line,) = advice.findChildren(ChangedLine)
    said = line.findChildren(QLabel)[0].text()
    assert said.startswith("Changed to ")
    assert "Learning speed: 0.0014" in said
    press(qtbot, before, "Undo")
    undone = before.setup.form.settings()
    assert undone is not None
    assert undone.learning_rate != 0.0014
    assert advice.use.isVisible()
    assert not any(one.isVisible() for one in advice.findChildren(ChangedLine))


def test_beside_the_start_it_is_said_that_the_suggestions_are_not_used_and_one_click_uses_them(
    before: BeforeRun, qtbot: QtBot
) -> None:
    unused = before.setup.unused
    assert before.form()["touched"] is False
    assert unused.words.text() == (
        "The suggested values are not used: at a learning speed of 0.0002 it may learn next to nothing. "
        "Suggested: 0.0014."
    )
    qtbot.mouseClick(unused.use, Qt.MouseButton.LeftButton)
    settings = before.setup.form.settings()
    assert settings is not None
    assert settings.learning_rate == 0.0014
    assert not unused.line.isVisible()
    (line,) = before.setup.findChildren(ChangedLine)  # said where it was clicked, in sight, and only there
    assert unused.isAncestorOf(line)
    assert "Learning speed: 0.0014" in line.findChildren(QLabel)[0].text()
    assert "Longest text: 64 tokens" in line.findChildren(QLabel)[0].text()
    press(qtbot, before, "Undo")
    assert before.setup.form.settings() == load_preset("balanced").settings()
    assert unused.line.isVisible()


@pytest.mark.parametrize("path", ["learning_rate", "epochs"])
def test_settings_that_the_user_made_his_own_are_not_spoken_against(before: BeforeRun, path: str) -> None:
    assert before.setup.unused.isVisible()
    edit(before, path, 1e-4 if path == "learning_rate" else 7.0)
    assert not before.setup.unused.isVisible()


def test_a_learning_speed_near_the_suggested_one_is_fine(
    before: BeforeRun, workplace: Workplace, tmp_path: Path
) -> None:
    model = add_model(tmp_path / "wide")
    (tmp_path / "wide" / "config.json").write_text(json.dumps(CONFIG | {"hidden_size": 4096}))
    workplace.models.choose(model)
    assert "Learning speed: 0.00029" in before.setup.advice.line.text()
    assert not before.setup.unused.isVisible()


def test_the_sample_keeps_the_settings_that_were_found_for_it(before: BeforeRun, workplace: Workplace) -> None:
    add_dataset(SAMPLE)
    workplace.models.choose(add_model(starter_folder()))
    workplace.choose_dataset(next(info for info in workplace.datasets() if info.id == SAMPLE))
    assert before.setup.form.settings() == load_preset(SAMPLE).settings()
    assert "were tuned" in before.setup.advice.line.text()
    assert not before.setup.advice.use.isVisible()
    assert not before.setup.unused.isVisible()


def test_the_result_of_a_range_test_is_drawn_and_one_click_uses_it(
    before: BeforeRun, workplace: Workplace, qtbot: QtBot
) -> None:
    advice = before.setup.advice
    curve = [(rate, 3.0 - min(2.0, max(0.0, place - 30) / 10)) for place, rate in enumerate(rates(60))]
    result = result_of(curve)
    assert result.suggestion is not None
    now = before.setup.form.settings()
    assert now is not None
    before.planning.testing.work = job.RangeTestJob(work=workplace.training_job(now))
    before.planning._on_done(events.RangeTested(result=result))
    assert advice.found.isVisible()
    assert f"Learning speed: {format_number(result.suggestion)}" in advice.line.text()
    assert not advice.plot.grab().toImage().isNull()
    assert advice.found_words.text().startswith(f"{result.reason} Without trying, 0.0014 would be advised")
    press(qtbot, before, "Use 0.0")
    settings = before.setup.form.settings()
    assert settings is not None
    assert settings.learning_rate == result.suggestion
    assert not advice.found.isVisible()
    edit(before, "epochs", 9.0)
    assert f"Learning speed: {format_number(result.suggestion)}" in advice.line.text()
    edit(before, "method.rank", 4)  # another adapter: the test says nothing of it
    assert "Learning speed: 0.0014" in advice.line.text()


def test_a_tried_learning_speed_stays_suggested_to_whoever_uses_the_suggestions(
    before: BeforeRun, workplace: Workplace, qtbot: QtBot
) -> None:
    advice, now = before.setup.advice, before.setup.form.settings()
    assert now is not None
    found = RangeResult(points=(), suggestion=7e-4, reason="It fell.", seconds=1.0)
    assert rate_tests.keep(workplace.training_job(now), found)  # on the command line
    edit(before, "epochs", 9.0)
    assert "Learning speed: 0.0007" in advice.line.text()
    assert not advice.found.isVisible()
    qtbot.mouseClick(advice.use, Qt.MouseButton.LeftButton)
    then = before.setup.form.settings()
    assert then is not None
    assert then.learning_rate == 7e-4
    assert then.max_tokens != now.max_tokens
    assert "Learning speed: 0.0007" in advice.line.text()
    assert not advice.use.isVisible()


def test_a_tried_learning_speed_that_the_disk_does_not_keep_is_suggested_all_the_same(
    before: BeforeRun, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_tests, "keep", lambda *_: False)
    now = before.setup.form.settings()
    assert now is not None
    before.planning.testing.work = job.RangeTestJob(work=workplace.training_job(now))
    found = RangeResult(points=(), suggestion=7e-4, reason="It fell.", seconds=1.0)
    before.planning._on_done(events.RangeTested(result=found))
    assert "Learning speed: 0.0007" in before.setup.advice.line.text()
    assert before.setup.advice.found.isVisible()
    edit(before, "method.rank", 4)
    assert not before.setup.advice.found.isVisible()


def test_nothing_is_suggested_where_nothing_fits(before: BeforeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "0.2")
    edit(before, "seed", 7)
    assert "It does not fit" in before.setup.memory.words.text()
    assert before.setup.advice.line.text() == "Nothing is suggested: first the memory has to suffice."
    assert not before.setup.advice.use.isVisible()
    assert not before.setup.unused.isVisible()


def test_where_no_setting_saves_memory_no_sum_of_changes_is_told(before: BeforeRun, qtbot: QtBot) -> None:
    told = Estimate(parts=(), total=90, low=80, high=99, pack_tokens=10, measured=False)
    nothing, neither = (Fit(changes=(), estimate=told, fits=False) for _ in range(2))
    before.setup.memory.show_plan(told, Machine(device="cpu", total_bytes=99, free_bytes=60), nothing, neither)
    press(qtbot, before, "Make it fit")
    (said,) = [one.text() for one in before.setup.memory.changes.findChildren(QLabel) if one.isVisible()]
    assert said == "No setting is left that saves memory: choose a smaller model, or close other programs."


def test_a_measured_plan_is_used_until_model_or_data_change(
    before: BeforeRun, workplace: Workplace, tmp_path: Path
) -> None:
    settings = before.setup.form.settings()
    assert settings is not None
    planner = before.planning.forecast.planner(workplace.model, workplace.dataset, settings, 180, None)
    assert planner is not None
    work = workplace.training_job(settings)
    before.planning.measuring.work = job.PlanJob(work=work)
    lengths = Lengths(rows=180, own=180, points=(20, 30, 400))
    plan = measured(planner, lengths, settings)
    before.planning._on_done(events.Planned(plan=plan))
    assert "Measured with the longest examples." in before.setup.memory.words.text()
    edit(before, "batch_size", 2)
    assert "Estimated" in before.setup.memory.words.text()
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "config.json").write_text(json.dumps(CONFIG))
    workplace.models.choose(add_model(tmp_path / "second"))
    edit(before, "batch_size", settings.batch_size)
    assert "Estimated" in before.setup.memory.words.text()


def measured(planner: Planner, lengths: Lengths, settings: TrainSettings) -> MemoryPlan:
    """What a dry step would have found."""
    found = calibrated(planner.shape, settings, lengths, planner.machine, 900, 500 * 2**20, 900 * 2**20, 0)
    told = estimate(planner.shape, settings, lengths, planner.machine, found)
    return MemoryPlan(
        estimate=told, formula_bytes=told.total, machine=planner.machine, lengths=lengths, calibration=found
    )


def test_measuring_can_be_given_up_at_once(before: BeforeRun) -> None:
    before.planning._start(before.planning.measuring)
    assert before.planning.measuring.going
    assert before.setup.memory.cancel.isVisible()
    before.planning._give_up()
    assert not before.planning.measuring.going
    assert before.setup.memory.measure.isVisible()


@pytest.mark.parametrize("percent", [100, 150])
def test_no_panel_is_wider_than_the_smallest_window_gives(before: BeforeRun, qapp: QApplication, percent: int) -> None:
    theme.apply(qapp, "light", percent)
    try:
        room = 1100 - 190 - 2 * 24 - 14  # the rail, the page's margins, the scroll bar
        for going in (False, True):
            before.setup.memory.show_progress(None, going)
            before.setup.advice.show_progress(events.Progress(stage="Reading the general examples"), going)
            qapp.processEvents()
            for panel in (before.setup.memory, before.setup.advice):
                assert panel.minimumSizeHint().width() <= room, (panel, going)
    finally:
        theme.apply(qapp, "light", 100)


def test_the_bar_shows_where_the_memory_ends(qtbot: QtBot) -> None:
    machine = Machine(device="cpu", total_bytes=100, free_bytes=60)
    told = Estimate(parts=(), total=90, low=80, high=99, pack_tokens=10, measured=False)
    assert {piece.key: piece.size for piece in pieces_of(told, machine)}["others"] == 40
    bar = MemoryBar()
    qtbot.addWidget(bar)
    bar.show_estimate(told, machine)
    assert not bar.grab().toImage().isNull()


def test_a_run_shows_what_was_expected_and_what_it_took(qtbot: QtBot) -> None:
    card = MemoryCard()
    qtbot.addWidget(card)
    card.show_memory(None, None)
    assert card.isHidden()
    told = Estimate(parts=(), total=2**30, low=2**29, high=2**30 + 2**27, pack_tokens=10, measured=True)
    machine = Machine(device="cpu", total_bytes=2**34, free_bytes=2**33)
    plan = MemoryPlan(estimate=told, formula_bytes=1, machine=machine, lengths=Lengths(rows=1, own=1, points=(1,)))
    finished = events.Finished(adapter="", reason="done", steps=1, seconds=1.0, peak_bytes=2**30 + 2**26)
    card.show_memory(events.MemoryPlanned(plan=plan), finished)
    assert "Expected: 1.0 GB (± 128 MB)" in card.words.text()
    assert "Taken at its peak: 1.1 GB." in card.words.text()
    formula = msgspec.structs.replace(plan, estimate=msgspec.structs.replace(told, measured=False))
    card.show_memory(events.MemoryPlanned(plan=formula), finished)
    assert "Expected: 1.0 GB (± 128 MB), estimated: " in card.words.text()
    assert "Taken at its peak: 1.1 GB." in card.words.text()

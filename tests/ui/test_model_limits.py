"""Train, before a run: what the chosen model's sizes forbid is said in the form at once, with one click that helps."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract import job
from studio.contract.control import Going
from studio.contract.diagnosis import Histogram
from studio.data.doctor.diagnosing import diagnose
from studio.supervisor.workplace import Workplace
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from studio.ui.widgets.setting_row import SettingRow
from tests.helpers.project_copy import PROJECT
from tests.ui.test_train_page import add_dataset, add_model
from tests.ui.test_train_planning import CONFIG


@pytest.fixture
def before(qtbot: QtBot, workplace: Workplace, tmp_path: Path) -> Iterator[BeforeRun]:
    """A model of 512 tokens of context, whose longest example is known to have 102."""
    add_dataset("faq")
    (data,) = workplace.datasets()
    model = add_model(tmp_path / "plain")
    (tmp_path / "plain" / "config.json").write_text(json.dumps(CONFIG))
    found = diagnose(job.DoctorJob(dataset=str(data.folder)), lambda event: None, Going())
    counted = Histogram(
        unit="tokens", edges=(0, 64, 128), counts=(190, 10), median=40, most_95=60, longest=102, limit=512
    )
    path = Path(data.folder) / "doctor" / "diagnosis.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, model=model.path, lengths=counted)))
    page = TrainPage(workplace)
    page.resize(1000, 700)
    page.show()
    qtbot.waitExposed(page)
    workplace.models.choose(model)
    workplace.choose_dataset(workplace.datasets()[0])
    assert page.before is not None
    yield page.before
    page.close()
    page.deleteLater()


def choose(before: BeforeRun, method: str, path: str, value: object) -> SettingRow:
    """What a person does: choose a way of tuning, type a value."""
    form = before.setup.form
    form.rows["method"].set_value(method)
    form.rows["method"].edited.emit()
    form.rows[path].set_value(value)
    form.rows[path].edited.emit()
    return form.rows[path]


CASES: list[tuple[str, str, object, str, str, object]] = [
    ("prompt", "method.virtual_tokens", 4000, "longest example of 102", "Use 410 tokens", 410),
    (
        "lora",
        "method.target_modules",
        "q_prj, v_proj",
        "no layer named 'q_prj'",
        "Use q_proj, v_proj",
        "q_proj, v_proj",
    ),
    ("lora", "method.rank", 513, "larger than the layers", "Use 512", 512),
    ("oft", "method.block_size", 7, "do not divide", "Use 8", 8),
    ("layers", "method.last_layers", 7, "has 6 layers", "Use 6 layers", 6),
]


@pytest.mark.parametrize(("method", "path", "value", "what", "button", "fitting"), CASES)
def test_what_the_model_forbids_stands_beside_the_setting_and_one_click_puts_it_right(
    before: BeforeRun, qtbot: QtBot, method: str, path: str, value: object, what: str, button: str, fitting: object
) -> None:
    form = before.setup.form
    setting = choose(before, method, path, value)
    assert what in setting.problem.text()
    assert setting.fix.text() == button
    assert form.settings() is None
    assert before.setup.start_button.text() == "Show the problem"
    assert before.setup.start_button.icon().isNull()  # a triangle would say that it starts
    qtbot.mouseClick(setting.fix, Qt.MouseButton.LeftButton)
    assert setting.value() == fitting
    assert form.settings() is not None
    assert not setting.problem.isVisible()
    assert not setting.fix.isVisible()
    assert setting.editor.hasFocus() or not form.window().isActiveWindow()
    assert "Start" in before.setup.start_button.text()
    assert not before.setup.start_button.icon().isNull()


def test_another_model_is_asked_anew(before: BeforeRun, workplace: Workplace, tmp_path: Path) -> None:
    setting = choose(before, "lora", "method.rank", 400)
    assert not setting.problem.text()
    small = add_model(tmp_path / "small")
    (tmp_path / "small" / "config.json").write_text(json.dumps(CONFIG | {"hidden_size": 256}))
    workplace.models.choose(small)
    assert "at most 256" in setting.problem.text()
    workplace.models.choose(add_model(tmp_path / "plain"))
    assert not setting.problem.text()
    assert before.setup.form.settings() is not None


def test_what_goes_together_has_a_button_too(before: BeforeRun, qtbot: QtBot) -> None:
    setting = choose(before, "prompt", "packing", True)
    assert setting.fix.text() == "Switch it off"
    qtbot.mouseClick(setting.fix, Qt.MouseButton.LeftButton)
    assert before.setup.form.settings() is not None


def test_a_reset_takes_the_click_back(before: BeforeRun, qtbot: QtBot) -> None:
    setting = choose(before, "lora", "method.rank", 513)
    qtbot.mouseClick(setting.fix, Qt.MouseButton.LeftButton)
    assert setting.reset.isVisible()
    qtbot.mouseClick(setting.reset, Qt.MouseButton.LeftButton)
    assert not setting.changed


def test_looking_at_a_models_sizes_needs_no_torch() -> None:
    code = "import studio.supervisor.forecast, sys; assert not {'torch', 'transformers'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def settle() -> None:
    for _ in range(20):  # a layout settles in several rounds of the event loop
        QApplication.processEvents()


def test_memory_and_suggestions_wait_in_their_place_while_something_is_wrong(before: BeforeRun, qtbot: QtBot) -> None:
    setup, window = before.setup, before.window()
    choose(before, "prompt", "method.virtual_tokens", 30)
    settle()
    places = [panel.geometry() for panel in (setup.memory, setup.advice)]
    top = setup.form.mapTo(window, setup.form.rect().topLeft())
    setting = choose(before, "prompt", "method.virtual_tokens", 4000)
    settle()
    assert [panel.geometry() for panel in (setup.memory, setup.advice)] == places
    assert setup.form.mapTo(window, setup.form.rect().topLeft()) == top
    for panel, words in ((setup.memory, setup.memory.words), (setup.advice, setup.advice.line)):
        assert panel.isVisible()
        assert words.text() == "Waits until “Length of the learned prompt” is put right."
        assert panel.to_problem.isVisible()
        assert words.alignment() & Qt.AlignmentFlag.AlignTop  # beside its icon, however much height is kept
    for button in (
        setup.memory.measure,
        setup.memory.make_fit,
        setup.memory.use_more,
        setup.advice.test,
        setup.advice.use,
    ):
        assert not button.isVisible()
    qtbot.mouseClick(setup.memory.to_problem, Qt.MouseButton.LeftButton)
    settle()
    assert not setting.visibleRegion().isEmpty()
    qtbot.mouseClick(setting.fix, Qt.MouseButton.LeftButton)
    settle()
    assert "needs about" in setup.memory.words.text()
    assert not setup.memory.to_problem.isVisible()
    assert setup.advice.test.isVisible()
    choose(before, "prompt", "method.virtual_tokens", 30)
    settle()
    assert "needs about" in setup.memory.words.text()
    assert [panel.geometry() for panel in (setup.memory, setup.advice)] == places


def test_no_figures_of_another_model_are_shown_while_it_waits(
    before: BeforeRun, workplace: Workplace, tmp_path: Path
) -> None:
    memory = before.setup.memory
    choose(before, "lora", "method.rank", 99_999)
    assert memory.bar.isVisible()
    other = add_model(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 2}))
    workplace.models.choose(other)
    assert memory.isVisible()
    assert not memory.bar.isVisible()
    assert not memory.legend.isVisible()
    choose(before, "lora", "method.rank", 8)
    assert memory.bar.isVisible()
    workplace.models.choose(add_model(tmp_path / "of unknown sizes"))
    assert not memory.isVisible()

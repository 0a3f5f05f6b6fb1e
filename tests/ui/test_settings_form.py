"""The form shows what the contract declares, says what is wrong beside the editor, and gives back what it shows."""

import tomllib

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.events import DeviceReport, Gpu
from studio.contract.fields import build, fields, flatten
from studio.contract.presets import load_preset
from studio.contract.setting_facts import IDLE_WITH, SEARCH_WORDS
from studio.contract.settings import TrainSettings
from studio.ui import setting_words
from studio.ui.widgets.section import ScrollColumn
from studio.ui.widgets.setting_editors import format_number, parse_number
from studio.ui.widgets.settings_form import SettingsForm


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made = SettingsForm()
    holder = ScrollColumn()
    holder.body.addWidget(made)
    holder.body.addStretch(1)
    holder.resize(900, 1000)
    qtbot.addWidget(holder)
    made.holder = holder  # type: ignore[attr-defined]
    holder.show()
    return made


def _type(form: SettingsForm, path: str, text: str) -> None:
    editor = form.rows[path].editor
    line = editor.findChild(QLineEdit)
    assert line is not None
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)


def test_every_declared_setting_has_a_row_with_its_words(form: SettingsForm) -> None:
    assert list(form.rows) == [field.path for field in fields(TrainSettings)]
    for row in form.rows.values():
        assert row.name.text() == row.field.label
        assert row.field.help in row.editor.toolTip().replace("&amp;", "&")


def test_it_gives_back_what_it_was_given(form: SettingsForm) -> None:
    given = build(
        TrainSettings,
        {"learning_rate": 3e-5, "method.rank": 7, "packing": True, "schedule": "linear", "replay_share": 0.07,
         "method.target_modules": "q_proj, v_proj", "warmup_share": 0.035, "neftune_alpha": 5.5},
    )  # fmt: skip
    form.set_settings(given)
    assert form.settings() == given


@pytest.mark.parametrize("name", ["quick", "balanced", "thorough"])
def test_a_preset_shows_its_values_and_is_recognised(form: SettingsForm, name: str) -> None:
    form.presets.buttons[name].click()
    assert form.settings() == load_preset(name).settings()
    assert form.presets.buttons[name].isChecked()
    assert form.changed_count == 0
    other = SettingsForm()
    other.set_settings(load_preset(name).settings())
    assert other.preset == name
    other.deleteLater()


def test_a_preset_says_all_that_it_sets_as_a_person_reads_it(form: SettingsForm) -> None:
    shown = {}
    for name in ("quick", "balanced", "sample"):
        form.set_preset(name)
        shown[name] = form.presets.words.text().splitlines()[1].replace("\u00a0", " ").split(" · ")
        preset = load_preset(name)
        assert len(shown[name]) == len(preset.values) - len(preset.unsaid)
    assert shown["quick"] == [
        "Passes over data: 1",
        "Adapter size: 8",
        "Adapter strength: 16",
        "Tests during training: 1 time",
    ]
    assert shown["balanced"][-1] == "Stop when it gets no better: 3 tests"
    assert shown["sample"][0] == "Stop after: 300 steps"
    assert "Keep what it knew: 20 %" in shown["sample"]
    assert not [words for words in shown["sample"] if words.startswith(("Passes over data", "Held-back"))]
    assert form.presets.words.text().splitlines()[0].endswith("It is tested with the sample's own test questions.")


def test_the_samples_preset_is_there_only_where_it_suits(form: SettingsForm) -> None:
    sample = form.presets.buttons["sample"]
    assert not sample.isVisible()
    form.presets.offer_sample(True)
    assert sample.isVisible()
    form.presets.offer_sample(False)
    form.set_settings(load_preset("sample").settings())
    assert sample.isVisible()
    assert sample.isChecked()
    assert form.changed_count == 0


def test_an_edit_makes_it_custom_and_reset_goes_back(form: SettingsForm) -> None:
    _type(form, "method.rank", "24")
    assert form.changed_label.text() == "1 changed"
    assert not form.presets.buttons["balanced"].isChecked()
    assert form.presets.custom.isVisible()
    form.rows["method.rank"].reset.click()
    assert form.changed_count == 0
    assert form.presets.buttons["balanced"].isChecked()
    _type(form, "method.rank", "9")
    form.reset_button.click()
    assert form.settings() == load_preset("balanced").settings()


def test_numbers_are_taken_as_people_write_them(form: SettingsForm) -> None:
    for text, value in (("2e-4", 2e-4), ("0,0003", 3e-4), ("0.00005", 5e-5)):
        _type(form, "learning_rate", text)
        settings = form.settings()
        assert settings is not None
        assert settings.learning_rate == pytest.approx(value, rel=1e-12)
    _type(form, "replay_share", "7")
    settings = form.settings()
    assert settings is not None
    assert settings.replay_share == 0.07
    _type(form, "max_tokens", "2,048")
    settings = form.settings()
    assert settings is not None
    assert settings.max_tokens == 2048


@pytest.mark.parametrize(
    ("value", "text"), [(2e-4, "0.0002"), (1e-6, "0.000001"), (2e-7, "2e-7"), (32.0, "32"), (0.0, "0"), (0.1, "0.1")]
)
def test_floats_are_shown_with_plain_digits(value: float, text: str) -> None:
    assert format_number(value) == text
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1e999", "nan", "--3"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


def test_a_wrong_value_is_told_beside_its_editor_and_stops_the_settings(form: SettingsForm, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.problems_changed) as told:
        _type(form, "learning_rate", "5")
    assert form.settings() is None
    assert [problem.where for problem in told.args[0]] == ["learning_rate"]
    words = form.rows["learning_rate"].problem
    assert words.isVisible()
    assert "at most 1" in words.text()
    _type(form, "learning_rate", "0.001")
    assert form.settings() is not None
    assert not words.isVisible()


@pytest.mark.parametrize("text", ["", "many", "2.5", "-1", "99999999999"])
def test_what_cannot_be_a_count_is_refused_in_words(form: SettingsForm, text: str) -> None:
    editor = form.rows["batch_size"].editor
    editor.set_value(text)
    editor.edited.emit()
    assert form.settings() is None
    assert "at least 1 example," in form.rows["batch_size"].problem.text()


def test_all_problems_are_told_at_once(form: SettingsForm) -> None:
    _type(form, "learning_rate", "9")
    _type(form, "method.rank", "0")
    assert {problem.where for problem in form.problems} == {"learning_rate", "method.rank"}


def test_settings_that_do_not_go_together_are_told(form: SettingsForm) -> None:
    form._preferences.level = "full"
    editor = form.rows["optimiser"].editor
    editor.set_value("paged_adamw_8bit")
    editor.edited.emit()
    assert [problem.code for problem in form.problems] == ["settings.paged_needs_cuda"]
    assert "NVIDIA" in form.rows["optimiser"].problem.text()
    form.set_device(_report("cuda:0"))
    assert form.problems == ()


def test_simple_shows_few_and_full_shows_all(form: SettingsForm) -> None:
    shown = {path for path, row in form.rows.items() if row.isVisible()}
    balanced = flatten(load_preset("balanced").settings())
    assert shown == {field.path for field in fields(TrainSettings) if field.simple}
    assert len(shown) < len(balanced) / 2
    form.level_button.click()
    assert all(row.isVisible() for row in form.rows.values())


def test_a_changed_setting_is_never_hidden(form: SettingsForm) -> None:
    form.set_settings(build(TrainSettings, {"weight_decay": 0.1}))
    assert form.rows["weight_decay"].isVisible()
    assert not form.rows["neftune_alpha"].isVisible()


def test_search_finds_any_setting_and_opens_closed_groups(form: SettingsForm) -> None:
    form._preferences.level = "full"
    form.groups["learning"].heading.click()
    assert not form.rows["neftune_alpha"].isVisible()
    form.focus_search()
    QTest.keyClicks(form.search, "noise")
    assert [path for path, row in form.rows.items() if row.isVisible()] == ["neftune_alpha"]
    form.search.clear()
    assert not form.rows["neftune_alpha"].isVisible()  # closed again, as the user had it
    QTest.keyClicks(form.search, "no such words")
    assert form.none_found.isVisible()


def test_the_search_field_and_its_first_hit_come_into_sight(form: SettingsForm, qtbot: QtBot) -> None:
    holder = form.holder  # type: ignore[attr-defined]
    above = QWidget()
    above.setMinimumHeight(700)
    holder.body.insertWidget(0, above)
    holder.resize(900, 400)

    def seen(widget: QWidget) -> bool:
        top = widget.mapTo(holder.viewport(), QPoint(0, 0)).y()
        return 0 <= top <= holder.viewport().height() - widget.height()

    qtbot.waitUntil(lambda: form.y() >= 700)  # all have their places
    assert not seen(form.search)
    form.focus_search()
    qtbot.waitUntil(lambda: seen(form.search))
    holder.verticalScrollBar().setValue(0)
    QTest.keyClicks(form.search, "warm")
    qtbot.waitUntil(lambda: seen(form.search) and seen(form.rows["schedule"].editor))


def test_search_looks_beyond_the_simple_level(form: SettingsForm) -> None:
    QTest.keyClicks(form.search, "neftune")
    assert [path for path, row in form.rows.items() if row.isVisible()] == ["neftune_alpha"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lr", "learning_rate"),
        ("overfit", "early_stopping"),
        ("OOM", "gradient_checkpointing"),
        ("forget", "replay_share"),
    ],
)
def test_search_knows_what_others_call_a_setting(form: SettingsForm, words: str, found: str) -> None:
    QTest.keyClicks(form.search, words)
    assert form.rows[found].isVisible()


def test_what_is_known_of_settings_names_settings_and_values_that_there_are() -> None:
    known = {field.path: field for field in fields(TrainSettings)}
    assert set(SEARCH_WORDS) <= set(known)
    for path, (other, values) in IDLE_WITH.items():
        choices = known[other].choices or (True, False)
        assert path in known
        assert set(values) < set(choices)


def test_a_setting_that_changes_nothing_says_why_and_cannot_be_edited(form: SettingsForm) -> None:
    row = form.rows["schedule_cycles"]
    form.set_settings(build(TrainSettings, {"schedule": "cosine_restarts", "schedule_cycles": 5}))
    assert row.editor.isEnabled()
    assert "--schedule-cycles 5" in setting_words.as_command(form.settings() or TrainSettings(), "balanced")
    form.rows["schedule"].editor.set_value("cosine")
    form.rows["schedule"].edited.emit()
    assert not row.editor.isEnabled()
    assert "Slowing down" in row._idle.text()
    # The command line refuses options that change nothing, so what is copied leaves them out.
    assert "schedule-cycles" not in setting_words.as_command(form.settings() or TrainSettings(), "balanced")


def test_a_setting_that_is_to_be_shown_is_scrolled_into_view(form: SettingsForm, qtbot: QtBot) -> None:
    holder = form.holder  # type: ignore[attr-defined]
    form._preferences.level = "full"
    holder.resize(900, 300)
    row = form.rows["save_every_minutes"]
    qtbot.waitUntil(lambda: row.isVisible() and row.visibleRegion().isEmpty())
    form.show_setting("save_every_minutes")
    qtbot.waitUntil(lambda: row.visibleRegion().boundingRect().height() == row.height())


def test_the_wheel_does_not_change_a_setting_without_focus(form: SettingsForm) -> None:
    editor = form.rows["batch_size"].editor
    form.search.setFocus()
    before = editor.value()
    position = QPointF(editor.rect().center())
    event = QWheelEvent(
        position, editor.mapToGlobal(position), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QGuiApplication.sendEvent(editor, event)
    assert editor.value() == before


def test_arrow_keys_step_small_floats_along_one_two_five(form: SettingsForm) -> None:
    editor = form.rows["learning_rate"].editor
    editor.setFocus()
    QTest.keyClick(editor, Qt.Key.Key_Up)
    assert editor.value() == pytest.approx(5e-4)
    for _ in range(3):
        QTest.keyClick(editor, Qt.Key.Key_Down)
    assert editor.value() == pytest.approx(5e-5)


def test_devices_are_offered_as_they_are_found(form: SettingsForm) -> None:
    editor = form.rows["device"].editor
    form.set_device(_report("cuda:0", "cuda:1"))
    values = [editor.itemData(index) for index in range(editor.count())]
    assert values == ["auto", "cpu", "cuda:0", "cuda:1"]
    assert "Test GPU" in editor.itemText(2)


def test_the_copied_command_makes_the_same_settings(form: SettingsForm) -> None:
    import argparse
    import shlex

    from studio.cli.options import add_settings, settings_from

    form.set_settings(
        build(
            TrainSettings, {"learning_rate": 3e-5, "packing": True, "learn_answers_only": False, "too_long": "cut_end"}
        )
    )
    settings = form.settings()
    assert settings is not None
    line = setting_words.as_command(settings, form.preset, "a model", "data")
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--data")
    add_settings(parser)
    words = shlex.split(line)
    assert words[:2] == ["apprentice", "train"]
    assert settings_from(parser.parse_args(words[2:])) == settings


def test_the_copied_file_makes_the_same_settings(form: SettingsForm) -> None:
    from studio.cli.options import JobFile, job_file_settings

    given = build(TrainSettings, {"method.alpha": 12.5, "seed": 3, "schedule": "constant"})
    form.set_settings(given)
    form.set_sources("starter", "sample")
    form.copy_button.menu().actions()[1].trigger()
    table = tomllib.loads(QGuiApplication.clipboard().text())
    assert job_file_settings(JobFile(**table)) == given


def _report(*devices: str) -> DeviceReport:
    gpus = tuple(Gpu(name="Test GPU", vendor="nvidia", device=device, memory_bytes=8 << 30) for device in devices)
    return DeviceReport(
        cpu="", cores=2, memory_bytes=1, free_memory_bytes=1, disk_free_bytes=1, gpus=gpus, torch="2.13.0"
    )
